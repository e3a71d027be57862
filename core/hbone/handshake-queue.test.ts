import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type IpAddress, mustParseIp } from '../../mesh/index.ts';
import type { HboneError } from './errors.ts';
import { HandshakeQueue, type Queued } from './handshake-queue.ts';

class FakeHandshake implements Queued {
  readonly ends: { readonly from: { readonly ip: IpAddress } };
  error: HboneError | undefined;
  readonly #left: (handshake: FakeHandshake) => void;

  constructor(ip: string, left: (handshake: FakeHandshake) => void) {
    this.ends = { from: { ip: mustParseIp(ip) } };
    this.#left = left;
  }

  fail(error: HboneError): void {
    this.error = error;
    this.#left(this);
  }
}

function queueOf(running: number, waiting: number) {
  const begun: FakeHandshake[] = [];
  const queue = new HandshakeQueue<FakeHandshake>({ running, waiting }, (handshake) => begun.push(handshake));
  const come = (ip: string, times = 1) =>
    Array.from({ length: times }, () => {
      const handshake = new FakeHandshake(ip, (h) => queue.leave(h));
      queue.add(handshake);
      return handshake;
    });
  return { queue, begun, come };
}

test('one peer that never finishes its handshakes leaves room for all others', () => {
  const { begun, come } = queueOf(8, 8);
  const flood = come('10.0.0.66', 100);
  assert.equal(begun.length, 2);
  assert.equal(flood.filter((h) => h.error?.code === 'HANDSHAKE_OVERLOAD').length, 96);
  const [other] = come('10.0.0.7');
  assert.equal(begun.at(-1), other);
});

test('the longest waiting whose source has room is next', () => {
  const { queue, begun, come } = queueOf(4, 8);
  const [a1, , a3] = come('10.0.0.1', 3);
  const [b1] = come('10.0.0.2');
  come('10.0.0.2');
  const [b3] = come('10.0.0.2');
  const [c1] = come('10.0.0.3');
  assert.equal(begun.length, 4);
  assert.ok(b1 && a1 && a3 && b3 && c1);
  queue.leave(b1); // a3 came first, but its source has its share
  assert.equal(begun.at(-1), b3);
  queue.leave(a1);
  assert.equal(begun.at(-1), a3);
});

test('places are given back, also by those that waited or were refused', () => {
  const { queue, begun, come } = queueOf(4, 4);
  const all = [...come('10.0.0.1', 5), ...come('10.0.0.2', 5)];
  queue.failAll(() => new Error('closing') as HboneError);
  assert.equal(queue.size, 0);
  for (const handshake of all) queue.leave(handshake);
  begun.length = 0;
  come('10.0.0.1', 2);
  assert.equal(begun.length, 2);
});
