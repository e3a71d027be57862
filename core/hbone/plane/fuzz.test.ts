import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DEFAULT_SETTINGS } from '../types.ts';
import { PlaneConnection } from './connection.ts';
import { FLAG, FRAME, frame, numberFrame, settingsFrame } from './frames.ts';
import { encodeHeaders } from './hpack.ts';
import { DEFAULT_LIMITS } from './limits.ts';

/** A small generator of our own (xorshift), so that a failure comes again with its seed. */
function randomness(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const BUDGET_MS = 1_500;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const CONNECT = encodeHeaders([
  [':method', 'CONNECT'],
  [':authority', '10.0.0.1:80'],
]);

function conversation(random: (below: number) => number): Buffer {
  const frames = [PREFACE, settingsFrame([])];
  for (let i = random(20); i >= 0; i--) {
    const id = random(6);
    const payload = Buffer.from(Array.from({ length: random(40) }, () => random(256)));
    const kinds = [
      () => frame(FRAME.HEADERS, FLAG.END_HEADERS | random(2), 2 * i + 1, CONNECT),
      () => frame(FRAME.DATA, random(16), id, payload),
      () => frame(random(12), random(64), id, payload),
      () => numberFrame(random(2) === 0 ? FRAME.WINDOW_UPDATE : FRAME.RST_STREAM, id, random(2 ** 31)),
      () => frame(FRAME.PING, random(2), 0, Buffer.alloc(8)),
    ];
    frames.push(kinds[random(kinds.length)]?.() ?? Buffer.alloc(0));
  }
  return Buffer.concat(frames);
}

it('random and mutated bytes end a connection or do not, but never anything else', () => {
  const until = performance.now() + BUDGET_MS;
  let rounds = 0;
  let faults = 0;
  for (let seed = 1; performance.now() < until; seed++, rounds++) {
    const random = randomness(seed * 2_654_435_761);
    const bytes = conversation(random);
    for (let n = random(4); n > 0; n--) bytes[PREFACE.length + random(bytes.length - PREFACE.length)] = random(256);
    let overs = 0;
    const connection = new PlaneConnection({
      role: 'server',
      settings: DEFAULT_SETTINGS,
      limits: DEFAULT_LIMITS,
      wire: { write: () => {}, end: () => {}, isBlocked: false },
      events: {
        ready: () => {},
        request: (stream) => {
          connection.respond(stream, [[':status', '200']], false);
          stream.deliver({
            data: (view) => void stream.write(view),
            writable: () => {},
            end: () => stream.end(),
            reset: () => {},
          });
        },
        over: (fault) => {
          overs += 1;
          if (fault) faults += 1;
          assert.notEqual(fault?.code, 2, `our own fault, seed ${seed}`);
        },
      },
    });
    for (let at = 0; at < bytes.length; ) {
      const n = 1 + random(64);
      connection.feed(bytes.subarray(at, at + n));
      at += n;
    }
    connection.lost();
    assert.equal(overs, 1, `seed ${seed}`);
    assert.equal(connection.streamCount, 0, `seed ${seed}`);
  }
  assert.ok(rounds > 100 && faults > 0 && faults < rounds, `${faults} faults in ${rounds} rounds`);
});
