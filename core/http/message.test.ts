import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Body, BodyRelay, bodyOf, HeaderFields, HttpError, NO_BODY, readBody } from './index.ts';

test('fields of one name are joined, replaced in place and removed whole', () => {
  const fields = HeaderFields.of([
    ['A', '1'],
    ['b', '2'],
    ['a', '3'],
  ]);
  assert.equal(fields.get('a'), '1, 3');
  assert.equal(fields.first('a'), '1');
  assert.deepEqual(fields.all('a'), ['1', '3']);
  fields.set('a', '4');
  assert.deepEqual(
    [...fields],
    [
      ['a', '4'],
      ['b', '2'],
    ],
  );
  fields.append('b', '5');
  fields.remove('b');
  assert.deepEqual(fields.list, ['a', '4']);
  assert.equal(fields.get('b'), undefined);
});

test('a copy of fields does not change with the original', () => {
  const fields = HeaderFields.of({ a: '1' });
  const copy = fields.clone();
  fields.set('a', '2');
  assert.equal(copy.get('a'), '1');
});

test('a body that is known whole is read whole, up to the limit', async () => {
  assert.equal((await readBody(bodyOf('hello'), 5)).toString(), 'hello');
  assert.equal((await readBody(NO_BODY, 0)).length, 0);
  await assert.rejects(readBody(bodyOf('hello'), 4), (error: HttpError) => error.status === 413);
});

test('a relay pauses its body while the sink is full, and cancels it when nobody reads any more', () => {
  const calls: string[] = [];
  const body: Body = {
    length: undefined,
    deliver: () => calls.push('deliver'),
    pause: () => calls.push('pause'),
    resume: () => calls.push('resume'),
    cancel: () => calls.push('cancel'),
  };
  const sink = {
    write: () => false,
    end: () => calls.push('end'),
    fail: () => calls.push('fail'),
  };
  const relay = new BodyRelay(body, sink, () => calls.push('over'));
  relay.start();
  relay.data(Buffer.from('x'));
  relay.writable();
  relay.stop();
  relay.data(Buffer.from('y'));
  relay.end(undefined);
  relay.failed(new HttpError('closed', 'late'));
  assert.deepEqual(calls, ['deliver', 'pause', 'resume', 'cancel', 'over']);
  assert.equal(relay.bytes, 1);
});
