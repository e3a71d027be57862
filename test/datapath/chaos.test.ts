import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { resetSocket } from '../../core/net/index.ts';
import { eventually, needsRoot } from '../support/netns.ts';
import { DataMesh, policy, principal } from './data-mesh.ts';

const CONNECTIONS = 400;

/** A small seeded generator (xorshift32), so that a failure can be had again. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4_294_967_296;
  };
}

/** What an application may do with a connection at any moment. */
const DEEDS: readonly ((socket: Socket) => void)[] = [
  (socket) => socket.destroy(),
  (socket) => resetSocket(socket),
  (socket) => socket.end(),
  (socket) => socket.end(randomBytes(100_000)),
  (socket) => socket.pause(),
  (socket) => socket.write(randomBytes(200_000)),
  () => {},
];

describe('connections that end in every way at once', { skip: needsRoot }, () => {
  it('leave nothing behind, while policy changes under them', { timeout: 60_000 }, async () => {
    const random = seeded(20_261_121);
    const deed = (socket: Socket) => DEEDS[Math.floor(random() * DEEDS.length)]?.(socket);
    await using mesh = await DataMesh.create({ pods: ['web', 'cart'], outside: ['out'] });
    const apps = new Set<Socket>();
    await mesh.host('cart').listen(8080, (socket) => {
      apps.add(socket.on('error', () => {}));
      socket.once('close', () => apps.delete(socket));
      socket.on('data', (chunk: Buffer) => {
        if (random() < 0.3) deed(socket);
        else if (socket.writable) socket.write(chunk);
      });
      socket.resume();
    });
    const deny = policy('flip', 'DENY', { principals: [principal('web')], destinationPorts: [8080] });
    const clients = new Set<Socket>();
    const live = Array.from({ length: CONNECTIONS }, async (_, i) => {
      const from = i % 5 === 0 ? 'out' : 'web';
      const socket = await mesh.dial(from, 'cart', 8080, i % 2 === 0 ? 4 : 6).catch(() => undefined);
      if (socket === undefined) return; // refused while it dialled
      clients.add(socket);
      socket.once('close', () => clients.delete(socket));
      socket.resume();
      socket.write(randomBytes(Math.floor(random() * 60_000)));
      await new Promise((turn) => setTimeout(turn, random() * 100));
      deed(socket);
      if (i % 100 === 50) {
        mesh.policy(deny);
        mesh.view.removeAuthorization('shop/flip');
        mesh.reevaluate();
      }
    });
    await Promise.all(live);
    for (const [name, { proxy }] of mesh.pods) {
      await eventually(`${name} has no connection left`, () => {
        // Again and again: some reach the application only now.
        for (const socket of [...clients, ...apps]) socket.destroy();
        const { inbound, outbound } = proxy.connections();
        return inbound.length + outbound.length === 0;
      });
    }
    // And the pair still works.
    await mesh.host('cart').listenEcho(9090);
    const socket = await mesh.dial('web', 'cart', 9090);
    const { promise, resolve } = Promise.withResolvers<string>();
    socket.once('data', (chunk) => resolve(String(chunk)));
    socket.write('alive');
    socket.resume();
    assert.equal(await promise, 'alive');
  });
});
