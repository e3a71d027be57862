import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageCounter } from './grpc-messages.ts';

function message(bytes: number): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes, 1);
  return Buffer.concat([head, Buffer.alloc(bytes, 7)]);
}

test('messages are counted however their bytes are cut', () => {
  const whole = Buffer.concat([message(0), message(3), message(70_000), message(1)]);
  for (const size of [1, 2, 3, 4, 5, 7, 4_096, whole.length]) {
    const counter = new MessageCounter();
    for (let at = 0; at < whole.length; at += size) counter.see(whole.subarray(at, at + size));
    assert.equal(counter.count, 4, `in pieces of ${size}`);
  }
});
