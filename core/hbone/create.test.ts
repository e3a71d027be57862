import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseHbone } from './index.ts';

test('the pinned Node carries the plane, and it is what nobody has to ask for', () => {
  assert.deepEqual(chooseHbone('auto'), { implementation: 'plane' });
});

test('either implementation can be asked for', () => {
  assert.deepEqual(chooseHbone('plane'), { implementation: 'plane' });
  assert.deepEqual(chooseHbone('http2', 'no SSL_read'), { implementation: 'http2' });
});

test('a Node that lacks a function falls back to node:http2 and says why', () => {
  assert.deepEqual(chooseHbone('auto', 'no SSL_read'), { implementation: 'http2', problem: 'no SSL_read' });
});

test('the plane that is asked for and can not be had is an error, not a fallback', () => {
  assert.throws(() => chooseHbone('plane', 'no SSL_read'), /AMBIT_HBONE=plane.*no SSL_read/);
});
