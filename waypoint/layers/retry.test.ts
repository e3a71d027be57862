import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError, type HttpResponse, readBody } from '../../core/http/index.ts';
import type { HttpAction } from '../../mesh/index.ts';
import type { Exchange, Next } from '../exchange.ts';
import { RetryBudget } from '../retry/budget.ts';
import { answer, exchange, FedBody, Hand, ruleOf, Sink, TestRequest } from '../test-request.ts';
import { retry } from './retry.ts';
import { grpcTimeoutMs, timeout } from './timeout.ts';

type Attempt = (x: Exchange) => HttpResponse | Promise<HttpResponse>;

/** Runs a request over the given attempts, one after the other; what came of it, and how many were used. */
async function tried(
  attempts: readonly Attempt[],
  o: {
    readonly x?: Exchange;
    readonly action?: Partial<HttpAction>;
    readonly hand?: Hand;
    readonly budget?: RetryBudget;
    readonly bodyBytes?: number;
  } = {},
) {
  const { x = exchange(), action, hand = new Hand(), budget = new RetryBudget() } = o;
  if (action !== undefined) x.route = ruleOf(action);
  let used = 0;
  const pauses: number[] = [];
  const next: Next = async (one) => {
    one.begin();
    const attempt = attempts[used++];
    if (attempt === undefined) throw new Error('one attempt too many');
    return attempt(one);
  };
  const pause = async (ms: number) => void pauses.push(ms);
  const layer = retry({ budget, deadlines: hand.deadlines, random: () => 0.5, pause, bodyBytes: o.bodyBytes ?? 1_000 });
  const outcome = await Promise.resolve(layer(next)(x)).then(
    ({ status }) => status,
    (error: HttpError) => error.kind,
  );
  assert.deepEqual([budget.active, budget.retrying], [0, 0], 'the budget is given back');
  return { outcome, used, pauses, x };
}

const fails =
  (kind: HttpError['kind'], isProcessed = false): Attempt =>
  () =>
    Promise.reject(new HttpError(kind, 'm', { isProcessed }));
const gives =
  (status: number): Attempt =>
  () =>
    answer(status);
const RISKY = { retry: { attempts: 2, on: ['RESET', 'TRY_TIMEOUT'], codes: [503], backoffMs: 100 } } as const;

test('an attempt that failed is made again until one succeeds, or there are no more', async () => {
  const rows: readonly [
    string,
    readonly Attempt[],
    Partial<HttpAction> | undefined,
    outcome: string | number,
    used: number,
  ][] = [
    ['a success', [gives(200)], undefined, 200, 1],
    ['no connection, then success', [fails('connect-failed'), gives(200)], undefined, 200, 2],
    [
      'no connection, three times',
      [fails('connect-failed'), fails('connect-failed'), fails('connect-failed')],
      undefined,
      'connect-failed',
      3,
    ],
    ['503 by default', [gives(503)], undefined, 503, 1],
    ['503 where the route lists it', [gives(503), gives(503), gives(200)], RISKY, 200, 3],
    ['503 to the end', [gives(503), gives(503), gives(503)], RISKY, 503, 3],
    [
      'retries switched off',
      [fails('connect-failed')],
      { retry: { ...RISKY.retry, attempts: 0 } },
      'connect-failed',
      1,
    ],
    ['what is not to be tried again', [fails('malformed', true)], RISKY, 'malformed', 1],
  ];
  for (const [name, attempts, action, outcome, used] of rows) {
    const got = await tried(attempts, action && { action });
    assert.deepEqual([got.outcome, got.used], [outcome, used], name);
    assert.equal(got.x.flags, used === 3 && outcome !== 200 ? 'URX' : '', name);
  }
  assert.deepEqual((await tried([gives(503), gives(503), gives(200)], { action: RISKY })).pauses, [50, 150]);
});

test('a body that was read is sent again whole, while it is small', async () => {
  const reads: Attempt = async (x) => {
    seen.push((await readBody(x.body, 10_000)).toString());
    return answer(503);
  };
  let seen: string[] = [];
  const post = () => {
    const body = new FedBody();
    queueMicrotask(() => {
      body.feed('hello ');
      body.feed('world');
      body.finish();
    });
    return exchange({ method: 'POST', body });
  };
  const small = await tried([reads, reads, reads], { x: post(), action: RISKY });
  assert.deepEqual([small.outcome, seen], [503, ['hello world', 'hello world', 'hello world']]);
  seen = [];
  const large = await tried([reads], { x: post(), action: RISKY, bodyBytes: 8 });
  assert.deepEqual([large.outcome, seen], [503, ['hello world']], 'the answer goes to the caller');
});

test('an upgrade, a caller that left, and a budget that is used up are not tried again', async () => {
  const upgrade = exchange({ upgrade: 'websocket', body: new FedBody() });
  assert.equal((await tried([fails('connect-failed')], { x: upgrade })).used, 1);
  const request = new TestRequest();
  const leaving: Attempt = (x) => {
    request.leave(new HttpError('cancelled', 'gone'));
    return fails('connect-failed')(x);
  };
  assert.equal((await tried([leaving], { x: exchange(request) })).used, 1);
  const budget = new RetryBudget();
  budget.take = () => false;
  assert.equal((await tried([fails('refused')], { budget })).used, 1);
  const elsewhere = await tried([fails('connect-failed'), fails('connect-failed'), gives(200)], { budget });
  assert.deepEqual([elsewhere.outcome, elsewhere.used], [200, 3], 'what has reached nobody needs no budget');
});

test('a try that takes too long is withdrawn and made again', async () => {
  const hand = new Hand();
  const withdrawn: string[] = [];
  const hangs: Attempt = (x) => {
    x.onAbort((error) => withdrawn.push(error.detail));
    setImmediate(() => hand.advance(200));
    return new Promise(() => {});
  };
  const action = { ...RISKY, backendTimeoutMs: 100 };
  const got = await tried([hangs, hangs, gives(200)], { action, hand });
  assert.deepEqual([got.outcome, withdrawn], [200, ['upstream_per_try_timeout', 'upstream_per_try_timeout']]);
  const spent = await tried([hangs, hangs, hangs], { action, hand });
  assert.deepEqual([spent.outcome, spent.used], ['timeout', 3]);
  const once = await tried([hangs], { action: { backendTimeoutMs: 100 }, hand });
  assert.deepEqual([once.outcome, once.used], ['timeout', 1], 'without retries of the route there is one try');
});

test('a withdrawn attempt that comes late does not send anything', () => {
  const x = exchange();
  const mine = x.begin();
  assert.ok(x.isCurrent(mine));
  x.withdraw(new HttpError('timeout', 'late'));
  assert.ok(!x.isCurrent(mine));
  assert.ok(x.isCurrent(x.begin()));
});

test('the time of a request begins when it is complete, and cuts what is on its way', async () => {
  const hand = new Hand();
  const layer = timeout(hand.deadlines);
  const body = new FedBody();
  const x = exchange({ method: 'POST', body });
  x.route = ruleOf({ requestTimeoutMs: 1_000 });
  const pending = layer((one) => {
    Sink.of(one.body);
    return new Promise(() => {});
  })(x);
  hand.advance(5_000);
  body.finish();
  hand.advance(990);
  assert.equal(x.over, undefined, 'not before its time');
  hand.advance(100);
  await assert.rejects(Promise.resolve(pending), { kind: 'timeout', status: 504, detail: 'upstream_response_timeout' });

  const streaming = exchange();
  streaming.route = ruleOf({ requestTimeoutMs: 1_000 });
  const upstream = new FedBody();
  const response = await layer(() => ({ ...answer(200), body: upstream }))(streaming);
  const sink = Sink.of(response.body);
  upstream.feed('some');
  hand.advance(1_100);
  assert.ok(sink.end instanceof HttpError && sink.end.kind === 'timeout');
  assert.deepEqual([sink.text, upstream.isCancelled], ['some', true]);
});

test('a response that ended in time is not touched by the time that follows', async () => {
  const hand = new Hand();
  const x = exchange({ method: 'POST', body: new FedBody() });
  x.route = ruleOf({ requestTimeoutMs: 1_000 });
  const response = await timeout(hand.deadlines)((one) => {
    Sink.of(one.body);
    return answer(413, {}, 'too large');
  })(x);
  const sink = Sink.of(response.body);
  (x.request.body as FedBody).finish(); // the request ends after its response
  hand.advance(10_000);
  assert.deepEqual([sink.text, sink.end, x.over], ['too large', 'ended', undefined]);
});

test('a gRPC caller’s own limit counts, within that of the route', async () => {
  const rows: readonly [string, number][] = [
    ['100m', 100],
    ['2S', 2_000],
    ['1M', 60_000],
    ['1H', 3_600_000],
    ['5u', 1],
    ['999999n', 1],
    ['', 0],
    ['1', 0],
    ['1s', 0],
    ['123456789m', 0],
  ];
  for (const [written, ms] of rows) assert.equal(grpcTimeoutMs(written), ms, written);
  const limitOf = async (ofRoute: number, ofCaller?: string): Promise<number | undefined> => {
    const hand = new Hand();
    const x = exchange({
      headers: ofCaller === undefined ? {} : { 'grpc-timeout': ofCaller, 'content-type': 'application/grpc' },
    });
    x.route = ruleOf({ requestTimeoutMs: ofRoute });
    void Promise.resolve(timeout(hand.deadlines)(() => new Promise(() => {}))(x)).catch(() => {});
    for (let ms = 100; ms < 4_000; ms += 100) {
      hand.advance(100);
      if (x.over !== undefined) return ms;
    }
    return undefined;
  };
  assert.equal(await limitOf(0), undefined);
  assert.equal(await limitOf(2_000), 2_000);
  assert.equal(await limitOf(0, '1S'), 1_000);
  assert.equal(await limitOf(2_000, '1S'), 1_000);
  assert.equal(await limitOf(1_000, '2S'), 1_000);
});
