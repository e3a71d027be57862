import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestCa } from '../../test/support/certificates.ts';
import { FLAG, FRAME, frame, numberFrame } from '../h2/index.ts';
import { Stand } from './contract-stand.ts';
import { http2FloodKind } from './http2-faults.ts';
import { createHboneClient, createHboneServer, type FloodKind } from './index.ts';
import { GREETING, say } from './plane/raw-peer.ts';

const ca = await TestCa.create('cluster.local');

for (const implementation of ['plane', 'http2'] as const) {
  describe(`a server on ${implementation} tells which limit its peer hit`, () => {
    const sins: readonly (readonly [FloodKind, Buffer])[] = [
      ['window-overflow', numberFrame(FRAME.WINDOW_UPDATE, 0, 2 ** 31 - 1)],
      ['protocol-error', frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, Buffer.from('ff80808001', 'hex'))],
      ['protocol-error', frame(FRAME.DATA, 0, 7, Buffer.alloc(1))],
    ];
    for (const [kind, sin] of sins) {
      it(`${kind}: ${sin.subarray(0, 16).toString('hex')}`, async () => {
        const told: FloodKind[] = [];
        const impl = {
          createServer: (o: Omit<Parameters<typeof createHboneServer>[0], 'implementation'>) =>
            createHboneServer({ ...o, implementation, onFault: (what) => told.push(what) }),
          createClient: (o: Omit<Parameters<typeof createHboneClient>[0], 'implementation'>) =>
            createHboneClient({ ...o, implementation }),
        };
        await using stand = await Stand.create(ca, impl);
        await say(stand, [...GREETING, sin]);
        assert.deepEqual(told, [kind]);
      });
    }
  });
}

it("a connection that was lost is nobody's fault", () => {
  assert.equal(http2FloodKind(Object.assign(new Error('reset'), { code: 'ECONNRESET', errno: -104 })), undefined);
});
