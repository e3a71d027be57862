import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mustParseIp, spiffeId } from '../../mesh/index.ts';
import { memoryLegs } from './memory-leg.ts';
import { PooledClient, type PooledTunnel } from './pool.ts';
import type { OpenOptions, TlsMaterial } from './types.ts';

/** A tunnel without a wire: its streams are open until it is destroyed. */
class FakeTunnel implements PooledTunnel {
  readonly isUsable = true;
  readonly peerStreamLimit = 100;
  isSaturated = false;
  streams = 0;
  #onClose: () => void = () => {};
  onClose(listener: () => void): void {
    this.#onClose = listener;
  }
  close(): void {
    this.#onClose();
  }
  destroy(): void {
    this.#onClose();
  }
  async request() {
    this.streams += 1;
    const peer = spiffeId('cluster.local', 'shop', 'cart');
    return {
      leg: memoryLegs()[0],
      firstBytes: 0,
      responseHeaders: new Map<string, string>(),
      peer,
      revoked: undefined,
    };
  }
}

const source: TlsMaterial = {
  identity: spiffeId('cluster.local', 'shop', 'web'),
  key: '',
  chain: '',
  roots: '',
  notBefore: new Date(0),
  notAfter: new Date(0),
  serial: '1',
};
const OPEN: OpenOptions = {
  dial: { ip: mustParseIp('10.0.0.1'), port: 15008 },
  source,
  expected: [],
  authority: '10.0.0.1:80',
  headers: {},
  connect: () => assert.fail('nobody dials here'),
  poolKey: 'one',
};

test('a peer that takes no more on one tunnel gets new streams on others, four at the most', async () => {
  const tunnels: FakeTunnel[] = [];
  await using client = new PooledClient(
    async () => {
      const tunnel = new FakeTunnel();
      tunnels.push(tunnel);
      return tunnel;
    },
    { implementation: 'plane' },
  );
  await client.open(OPEN);
  await client.open(OPEN);
  assert.deepEqual(
    tunnels.map(({ streams }) => streams),
    [2],
    'one that has room is shared',
  );
  for (let i = 0; i < 6; i++) {
    for (const tunnel of tunnels) tunnel.isSaturated = true;
    await client.open(OPEN);
  }
  assert.deepEqual(
    tunnels.map(({ streams }) => streams),
    [5, 1, 1, 1],
  );
  for (const tunnel of tunnels.slice(2)) tunnel.isSaturated = false;
  await client.open(OPEN);
  assert.equal(tunnels[2]?.streams, 2, 'one that has room again comes before one that has not');
});
