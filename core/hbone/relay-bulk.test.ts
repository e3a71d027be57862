/** Bytes that the kernel moves from one socket of a relay to the other. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer, connect as dial, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { TcpConnection } from '../net/index.ts';
import { type Leg, memoryLegs, type RelayCounters, relay, tcpLeg } from './index.ts';
import { eventually } from './leg-contract.ts';

const MEGABYTE = 1024 * 1024;
const openFds = () => readdirSync('/proc/self/fd').length;
/** Spare pipes that a thread keeps, and sockets of the round before that are still being closed. */
const SLACK_FDS = 8;
const ROUNDS = 6; // of which each would leave a pipe, two descriptors

/** A socket of an application, and the leg at the other end of it. */
async function applicationAndLeg(stack: AsyncDisposableStack): Promise<{ app: Socket; leg: Leg }> {
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  stack.defer(() => once(listener.close(), 'close').then(() => {}));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  assert.ok(typeof address === 'object' && address !== null);
  const app = dial({ port: address.port, host: '127.0.0.1', allowHalfOpen: true });
  const [[accepted]] = await Promise.all([once(listener, 'connection') as Promise<[Socket]>, once(app, 'connect')]);
  app.on('error', () => {}); // resets are asked for
  stack.defer(() => void app.destroy());
  return { app, leg: counting(tcpLeg(TcpConnection.adopt(accepted))) };
}

/** Bytes that came by in JavaScript. */
const copied = new WeakMap<Leg, { bytes: number }>();
function counting(leg: Leg): Leg {
  const seen = { bytes: 0 };
  const write = leg.write.bind(leg);
  leg.write = (view) => {
    seen.bytes += view.length;
    return write(view);
  };
  copied.set(leg, seen);
  return leg;
}

type Stand = AsyncDisposable & {
  readonly caller: Socket;
  readonly called: Socket;
  readonly counters: readonly RelayCounters[];
  readonly over: Promise<unknown>;
  /** How much of what went to the called was copied. */
  readonly copied: () => number;
};

/** `joined`: as on one node, where two proxies of one process relay one after the other. */
async function stand(joined: boolean): Promise<Stand> {
  await using stack = new AsyncDisposableStack();
  const [down, up] = [await applicationAndLeg(stack), await applicationAndLeg(stack)];
  stack.defer(() => {
    down.leg.reset('cancel');
    up.leg.reset('cancel');
  });
  const counters = [
    { sent: 0, received: 0 },
    { sent: 0, received: 0 },
  ] as const;
  const overs: Promise<unknown>[] = [];
  if (joined) {
    const [near, far] = memoryLegs();
    overs.push(relay(down.leg, near, counters[0]), relay(far, up.leg, counters[1]));
  } else overs.push(relay(down.leg, up.leg, counters[0]));
  const kept = stack.move();
  return {
    caller: down.app,
    called: up.app,
    counters: counters.slice(0, overs.length),
    over: Promise.all(overs),
    copied: () => copied.get(up.leg)?.bytes ?? 0,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function hashOf(socket: Socket) {
  const hash = createHash('sha256');
  const seen = { bytes: 0, digest: () => hash.copy().digest('hex') };
  socket.on('data', (chunk: Buffer) => {
    seen.bytes += chunk.length;
    hash.update(chunk);
  });
  return seen;
}

/** Waits until nothing has moved in many turns of the loop. */
async function standstill(t: Stand, turns = 200): Promise<void> {
  const moved = () => t.counters[0]?.received ?? 0;
  for (let left = turns, before = moved(); left > 0; left--) {
    await new Promise((turn) => setImmediate(turn));
    if (moved() !== before) left = turns;
    before = moved();
  }
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

for (const joined of [false, true]) {
  describe(`a long stream ${joined ? 'through two relays in one process' : 'through a relay'}`, () => {
    it('arrives complete, is counted in full, and most of it is never copied', async () => {
      await using t = await stand(joined);
      const payload = randomBytes(64 * MEGABYTE);
      const seen = hashOf(t.called);
      t.caller.end(payload);
      await once(t.called, 'end');
      assert.equal(seen.digest(), sha256(payload));
      t.called.end('thanks');
      assert.equal(String((await once(t.caller, 'data'))[0]), 'thanks');
      await t.over;
      for (const each of t.counters) assert.deepEqual(each, { received: payload.length, sent: 6 });
      assert.ok(t.copied() < payload.length / 2, `${t.copied()} bytes of ${payload.length} were copied`);
    });

    it('is complete both ways at once, with short messages in between', async () => {
      await using t = await stand(joined);
      const parts = Array.from({ length: 40 }, (_, i) => randomBytes(i % 3 === 0 ? MEGABYTE : 1 + i * 13));
      const [there, back] = [hashOf(t.called), hashOf(t.caller)];
      for (const part of parts) {
        t.caller.write(part);
        t.called.write(part);
        await new Promise((turn) => setImmediate(turn));
      }
      t.caller.end();
      t.called.end();
      await Promise.all([once(t.called, 'end'), once(t.caller, 'end'), t.over]);
      const all = sha256(Buffer.concat(parts));
      assert.deepEqual([there.digest(), back.digest()], [all, all]);
    });

    it('waits for a reader that has stopped, holds little, and goes on', async () => {
      await using t = await stand(joined);
      const payload = randomBytes(96 * MEGABYTE);
      const seen = hashOf(t.called);
      t.caller.end(payload);
      await eventually('the stream flows', () => seen.bytes > 16 * MEGABYTE);
      t.called.pause();
      const held = () => (t.counters[0]?.received ?? 0) - seen.bytes;
      await standstill(t);
      assert.ok(held() < 40 * MEGABYTE, `${held()} bytes are under way`);
      t.called.resume();
      await once(t.called, 'end');
      assert.equal(seen.digest(), sha256(payload));
    });

    for (const who of ['caller', 'called'] as const) {
      it(`is cut at both ends when the ${who} resets while bytes wait, and leaves no descriptor`, async () => {
        {
          await using warm = await stand(joined); // spare pipes are made, and kept
          warm.caller.end(randomBytes(32 * MEGABYTE));
          warm.called.resume();
          await once(warm.called, 'end');
        }
        const before = openFds();
        for (let round = 0; round < ROUNDS; round++) {
          await using t = await stand(joined);
          const seen = hashOf(t.called);
          t.caller.write(Buffer.alloc(32 * MEGABYTE));
          await eventually('the stream flows', () => seen.bytes > 4 * MEGABYTE);
          t.called.pause();
          await standstill(t);
          const other = who === 'caller' ? t.called : t.caller;
          const closed = new Promise((done) => other.once('close', done));
          t[who].resetAndDestroy();
          other.resume();
          await closed;
          await t.over;
        }
        await eventually('all descriptors are closed', () => openFds() <= before + SLACK_FDS);
      });
    }
  });
}
