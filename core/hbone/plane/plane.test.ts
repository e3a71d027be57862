import { TestCa } from '../../../test/support/certificates.ts';
import { hboneContract } from '../contract.ts';
import { tunnelPair } from '../contract-stand.ts';
import { createHboneClient, createHboneServer } from '../index.ts';
import { legContract } from '../leg-contract.ts';
import type { HboneClientOptions, HboneImplementation, HboneServerOptions } from '../types.ts';

const ca = await TestCa.create('cluster.local');
const other = await TestCa.create('elsewhere.example');

const pairs: readonly (readonly [client: HboneImplementation, server: HboneImplementation])[] = [
  ['plane', 'plane'],
  ['http2', 'plane'],
  ['plane', 'http2'],
];
for (const [client, server] of pairs) {
  const both = {
    createServer: (o: Omit<HboneServerOptions, 'implementation'>) =>
      createHboneServer({ ...o, implementation: server }),
    createClient: (o: Omit<HboneClientOptions, 'implementation'>) =>
      createHboneClient({ ...o, implementation: client }),
  };
  hboneContract(`a client on ${client} with a server on ${server}`, ca, other, both);
  for (const direction of ['client to server', 'server to client'] as const) {
    legContract(`a tunnel stream, client on ${client}, server on ${server}, ${direction}`, {
      told: { cancel: 'cancel', 'connect-error': 'connect-error', refused: 'refused' },
      pair: async () => {
        const pair = await tunnelPair(ca, both);
        const [near, far] = direction === 'client to server' ? [pair.client, pair.server] : [pair.server, pair.client];
        return { near, far, [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose]() };
      },
    });
  }
}
