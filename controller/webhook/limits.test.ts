import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Limits } from './limits.ts';

const MIB = 1 << 20;

test('one client can not take every connection of the webhook', () => {
  const limits = new Limits();
  for (let i = 0; i < 128; i++) assert.ok(limits.enter('10.0.0.1'));
  assert.equal(limits.enter('10.0.0.1'), false);
  assert.ok(limits.enter('10.0.0.2'));
  limits.leave('10.0.0.1');
  assert.ok(limits.enter('10.0.0.1'));
});

test('all clients together have a bound as well', () => {
  const limits = new Limits();
  for (let i = 0; i < 512; i++) assert.ok(limits.enter(`10.0.0.${i % 8}`));
  assert.equal(limits.enter('10.0.1.1'), false);
});

test('a body has a bound, a client has one, and all have one; what is given back can be taken again', () => {
  const limits = new Limits();
  {
    using body = limits.body('a');
    assert.equal(body.take(8 * MIB), 'ok');
    assert.equal(body.take(1), 'too-large');
  }
  const held = ['a', 'a', 'b', 'b', 'c', 'c', 'd', 'd'].map((client) => limits.body(client));
  for (const body of held) assert.equal(body.take(8 * MIB), 'ok');
  using third = limits.body('a');
  assert.equal(third.take(1), 'busy');
  using other = limits.body('e');
  assert.equal(other.take(1), 'busy');
  for (const body of held) body[Symbol.dispose]();
  using again = limits.body('e');
  assert.equal(again.take(8 * MIB), 'ok');
});
