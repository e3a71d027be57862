import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderFields, HttpError, type HttpErrorKind } from '../../core/http/index.ts';
import { DEFAULT_RETRY, type RetryPolicy } from '../../mesh/index.ts';
import { answer, FedBody, Sink } from '../test-request.ts';
import { RetryBudget } from './budget.ts';
import { backoffMs, isRetriedError, isRetriedResponse, TRY_TIMEOUT } from './decide.ts';
import { ReplayBody } from './replay-body.ts';

const policy = (fields: Partial<RetryPolicy>): RetryPolicy => ({ ...DEFAULT_RETRY, on: [], ...fields });

test('a response is tried again for what its status, or its gRPC status in the head, says', () => {
  const rows: readonly [string, RetryPolicy, status: number, headers: Record<string, string>, retried: boolean][] = [
    ['503 by default', DEFAULT_RETRY, 503, {}, false],
    ['UNAVAILABLE by default', DEFAULT_RETRY, 200, { 'grpc-status': '14' }, true],
    ['CANCELLED by default', DEFAULT_RETRY, 200, { 'grpc-status': '1' }, true],
    ['INTERNAL by default', DEFAULT_RETRY, 200, { 'grpc-status': '13' }, false],
    ['OK', DEFAULT_RETRY, 200, { 'grpc-status': '0' }, false],
    ['a listed code', policy({ codes: [500, 503] }), 503, {}, true],
    ['another code', policy({ codes: [500, 503] }), 502, {}, false],
    ['any 5xx', policy({ on: ['SERVER_ERROR'] }), 501, {}, true],
    ['a gateway’s error', policy({ on: ['GATEWAY_ERROR'] }), 504, {}, true],
    ['no gateway’s error', policy({ on: ['GATEWAY_ERROR'] }), 500, {}, false],
    ['a conflict', policy({ on: ['CONFLICT'] }), 409, {}, true],
    ['DEADLINE_EXCEEDED', policy({ on: ['GRPC_DEADLINE_EXCEEDED'] }), 200, { 'grpc-status': '4' }, true],
  ];
  for (const [name, rules, status, headers, retried] of rows) {
    assert.equal(isRetriedResponse(rules, answer(status, headers)), retried, name);
  }
});

test('an error is tried again when it says that nothing was done, or when the route takes the risk', () => {
  const all = policy({ on: ['CONNECT_FAILURE', 'REFUSED_STREAM', 'RESET', 'TRY_TIMEOUT'] });
  const rows: readonly [
    string,
    RetryPolicy,
    HttpErrorKind,
    detail: string,
    isProcessed: boolean,
    method: string,
    retried: boolean,
  ][] = [
    ['no connection', DEFAULT_RETRY, 'connect-failed', 'x', false, 'POST', true],
    ['no endpoint', DEFAULT_RETRY, 'connect-failed', 'no_healthy_upstream', false, 'GET', false],
    ['refused', DEFAULT_RETRY, 'refused', 'x', false, 'POST', true],
    ['closed before it was sent', DEFAULT_RETRY, 'closed', 'x', false, 'POST', true],
    ['closed after it was sent, harmless twice', DEFAULT_RETRY, 'closed', 'x', true, 'GET', true],
    ['closed after it was sent, harmful twice', DEFAULT_RETRY, 'closed', 'x', true, 'POST', false],
    ['reset', DEFAULT_RETRY, 'reset', 'x', true, 'GET', false],
    ['reset, and the route takes the risk', all, 'reset', 'x', true, 'POST', true],
    ['a try that took too long', all, 'timeout', TRY_TIMEOUT, true, 'GET', true],
    ['a request that took too long', all, 'timeout', 'upstream_response_timeout', true, 'GET', false],
    ['a try that took too long, by default', DEFAULT_RETRY, 'timeout', TRY_TIMEOUT, true, 'GET', false],
    ['malformed', all, 'malformed', 'x', true, 'GET', false],
    ['the caller left', all, 'cancelled', 'x', false, 'GET', false],
    ['retries switched off', policy({}), 'connect-failed', 'x', false, 'GET', false],
  ];
  for (const [name, rules, kind, detail, isProcessed, method, retried] of rows) {
    assert.equal(isRetriedError(rules, new HttpError(kind, 'm', { detail, isProcessed }), method), retried, name);
  }
});

test('pauses grow to ten times the base, with jitter', () => {
  const most = (attempt: number, base = 0) => backoffMs(policy({ backoffMs: base }), attempt, 1);
  assert.deepEqual(
    [1, 2, 3, 4, 5, 99].map((attempt) => most(attempt)),
    [25, 75, 175, 250, 250, 250],
  );
  assert.equal(most(2, 100), 300);
  assert.equal(backoffMs(policy({}), 3, 0.5), 87.5);
  assert.equal(backoffMs(policy({}), 3, 0), 0);
});

test('no more than a fifth of the requests is on a second try, but ten always may', () => {
  const budget = new RetryBudget();
  const takes = () => {
    let taken = 0;
    while (budget.take()) taken++;
    for (let i = 0; i < taken; i++) budget.giveBack();
    return taken;
  };
  assert.equal(takes(), 10);
  budget.active = 50;
  assert.equal(takes(), 10);
  budget.active = 100;
  assert.equal(takes(), 20);
});

test('a body is seen whole by each attempt, wherever the one before has come', () => {
  for (const upTo of [0, 1, 2, 3]) {
    const source = new FedBody();
    const replay = new ReplayBody(source, 1_000);
    const first = Sink.of(replay.open());
    const pieces = ['one ', 'two ', 'three'];
    for (const piece of pieces.slice(0, upTo)) source.feed(piece);
    if (upTo === 3) source.finish(HeaderFields.of({ t: '1' }));
    const second = Sink.of(replay.open());
    for (const piece of pieces.slice(upTo)) source.feed(piece);
    if (upTo < 3) source.finish(HeaderFields.of({ t: '1' }));
    assert.equal(first.text, pieces.slice(0, upTo).join(''), 'it hears nothing more');
    assert.deepEqual(
      [second.text, second.end, second.trailers?.first('t')],
      ['one two three', 'ended', '1'],
      `after ${upTo}`,
    );
  }
});

test('a body that became too large can not be seen again, and goes on all the same', () => {
  const source = new FedBody();
  const replay = new ReplayBody(source, 8);
  const sink = Sink.of(replay.open());
  source.feed('12345678');
  assert.ok(replay.isWhole);
  source.feed('9');
  assert.ok(!replay.isWhole);
  source.finish();
  assert.deepEqual([sink.text, sink.end], ['123456789', 'ended']);
});

test('an attempt that was paused or cancelled leaves the rest to the next one, and to nobody after the last', () => {
  const source = new FedBody();
  const replay = new ReplayBody(source, 1_000);
  const first = replay.open();
  Sink.of(first);
  source.feed('one ');
  first.pause();
  assert.ok(source.isPaused);
  first.cancel();
  assert.ok(!source.isCancelled, 'another attempt may come');
  const second = replay.open();
  const sink = Sink.of(second);
  assert.deepEqual([sink.text, source.isPaused], ['one ', false]);
  source.feed('two');
  replay.settle();
  assert.ok(!source.isCancelled, 'the last attempt still reads');
  source.feed(' three');
  assert.equal(sink.text, 'one two three');
  second.cancel();
  assert.ok(source.isCancelled);
});

test('a body that nobody began to read is given up with the last attempt', () => {
  const source = new FedBody();
  const replay = new ReplayBody(source, 10);
  replay.open().cancel();
  replay.settle();
  assert.ok(source.isCancelled);
});

test('a body that fails on its way fails for the next attempt, too', () => {
  const source = new FedBody();
  const replay = new ReplayBody(source, 10);
  Sink.of(replay.open());
  source.feed('a');
  const error = new HttpError('closed', 'gone');
  source.fail(error);
  const sink = Sink.of(replay.open());
  assert.deepEqual([sink.text, sink.end], ['a', error]);
});
