import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkAborts } from './link-aborts.ts';

test('the first abort counts, with its reason, and after the work is done none does', () => {
  const [one, two] = [new AbortController(), new AbortController()];
  const linked = linkAborts(one.signal, two.signal);
  assert.equal(linked.signal.aborted, false);
  two.abort('second');
  one.abort('first');
  assert.equal(linked.signal.reason, 'second');
  const three = new AbortController();
  const done = linkAborts(three.signal);
  done[Symbol.dispose]();
  three.abort();
  assert.equal(done.signal.aborted, false);
  assert.equal(linkAborts(three.signal).signal.aborted, true);
});
