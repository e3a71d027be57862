import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import { it } from 'node:test';
import { TestCa } from '../../test/support/certificates.ts';
import { TcpConnection } from '../net/index.ts';
import { tunnelPair } from './contract-stand.ts';
import { createHboneClient, createHboneServer, memoryLegs, tcpLeg } from './index.ts';
import { legContract, Recorder } from './leg-contract.ts';

async function socketPair(): Promise<AsyncDisposable & { client: Socket; server: Socket }> {
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  assert.ok(typeof address === 'object' && address !== null);
  const client = dial({ port: address.port, host: '127.0.0.1', allowHalfOpen: true });
  client.pause();
  const [[server]] = await Promise.all([once(listener, 'connection') as Promise<[Socket]>, once(client, 'connect')]);
  const dispose = async () => {
    client.destroy();
    server.destroy();
    listener.close();
    await once(listener, 'close');
  };
  return { client, server, [Symbol.asyncDispose]: dispose };
}

legContract('a TCP connection', {
  told: { cancel: 'connect-error', 'connect-error': 'connect-error', refused: 'connect-error' },
  pair: async () => {
    const sockets = await socketPair();
    const [near, far] = [tcpLeg(TcpConnection.adopt(sockets.client)), tcpLeg(TcpConnection.adopt(sockets.server))];
    const dispose = async () => {
      near.reset('cancel');
      far.reset('cancel');
      await sockets[Symbol.asyncDispose]();
    };
    return { near, far, [Symbol.asyncDispose]: dispose };
  },
});

legContract('memory', {
  told: { cancel: 'cancel', 'connect-error': 'connect-error', refused: 'refused' },
  pair: async () => {
    const [near, far] = memoryLegs();
    return { near, far, [Symbol.asyncDispose]: async () => near.reset('cancel') };
  },
});

const ca = await TestCa.create();
for (const direction of ['client to server', 'server to client'] as const) {
  legContract(`a tunnel stream of node:http2, ${direction}`, {
    told: { cancel: 'cancel', 'connect-error': 'connect-error', refused: 'refused' },
    pair: async () => {
      const pair = await tunnelPair(ca, {
        createServer: (o) => createHboneServer({ ...o, implementation: 'http2' }),
        createClient: (o) => createHboneClient({ ...o, implementation: 'http2' }),
      });
      const [near, far] = direction === 'client to server' ? [pair.client, pair.server] : [pair.server, pair.client];
      return { near, far, [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose]() };
    },
  });
}

it('a TCP reset after the peer has ended its side is still a reset', async () => {
  await using sockets = await socketPair();
  const leg = tcpLeg(TcpConnection.adopt(sockets.server));
  const seen = new Recorder();
  leg.deliver(seen);
  sockets.client.end();
  await seen.ended();
  sockets.client.destroy();
  await once(sockets.client, 'close');
  const timer = setInterval(() => leg.write(Buffer.from('anybody there?')), 5);
  await seen.wasReset().finally(() => clearInterval(timer));
  assert.deepEqual(seen.ends, ['end', 'reset:connect-error']);
});
