import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError, readBody } from '../../core/http/index.ts';
import type { HttpAction, HttpBackend } from '../../mesh/index.ts';
import type { Exchange, Next } from '../exchange.ts';
import { answer, exchange, FedBody, Hand, ruleOf, Sink, type TestRequest } from '../test-request.ts';
import { cors } from './cors.ts';
import { mirror, shadow } from './mirror.ts';
import { routeRequest } from './route-request.ts';

const backend = (fields: Partial<HttpBackend> = {}): HttpBackend => ({
  service: 'shop/v1',
  port: 8080,
  weight: 1,
  invalidStatus: 0,
  ...fields,
});

/** The exchange as it came out at the other end, and the answer. */
async function routed(action: Partial<HttpAction> | 'not-found' | 'default', x = exchange(), random = 0) {
  x.route = typeof action === 'string' ? action : ruleOf(action);
  let sent: Exchange | undefined;
  const next: Next = (one) => {
    sent = one;
    return answer(200, { 'x-from': 'upstream' });
  };
  const response = await routeRequest({
    random: () => random,
    wallClock: () => 0,
    endpoints: { marked: () => undefined },
  })(next)(x);
  return { response, sent };
}

test('a rule turns a request to its backend, changed as rule and backend say', async () => {
  const x = exchange({ target: '/a/b?c=d', headers: { x: '1', gone: '1' } });
  const { response, sent } = await routed(
    {
      backends: [
        backend({
          requestHeaders: { set: [{ name: 'x', value: '3' }], add: [], remove: [] },
          responseHeaders: { set: [], add: [{ name: 'y', value: '4' }], remove: [] },
        }),
      ],
      rewrite: { hostname: 'other.example', path: { kind: 'SEGMENTS', prefix: '/a', value: '/z' } },
      requestHeaders: { set: [{ name: 'x', value: '2' }], add: [], remove: ['gone'] },
      responseHeaders: { set: [], add: [], remove: ['x-from'] },
    },
    x,
  );
  assert.deepEqual(sent?.target, { kind: 'service', service: 'shop/v1', port: 8080 });
  assert.deepEqual([x.request.target, x.request.authority], ['/z/b?c=d', 'other.example']);
  assert.deepEqual(x.request.headers.list, ['x', '3']);
  assert.deepEqual(response.headers.list, ['y', '4']);
});

test('what a rule answers itself goes to nobody else', async () => {
  const redirect = { scheme: 'https', hostname: '', port: 0, status: 308 };
  const rows: readonly [
    string,
    Partial<HttpAction> | 'not-found',
    status: number,
    flags: string,
    details: string,
    location?: string,
  ][] = [
    ['no rule matches', 'not-found', 404, 'NR', 'route_not_found'],
    ['a redirect', { redirect }, 308, '', 'direct_response', 'https://cart/'],
    ['a direct response', { directResponse: { status: 418, body: 'tea' } }, 418, '', 'direct_response'],
    ['no backend', {}, 500, '', 'direct_response'],
    ['only backends of no weight', { backends: [backend({ weight: 0 })] }, 500, '', 'direct_response'],
    [
      'a backend that can not be had',
      { backends: [backend({ service: '', invalidStatus: 500 })] },
      500,
      '',
      'direct_response',
    ],
    ['a backend that redirects', { backends: [backend({ redirect })] }, 308, '', 'direct_response', 'https://cart/'],
  ];
  for (const [name, action, status, flags, details, location] of rows) {
    const x = exchange();
    const { response, sent } = await routed(action, x);
    assert.equal(sent, undefined, name);
    assert.deepEqual(
      [response.status, x.flags, x.details, response.headers.first('location')],
      [status, flags, details, location],
      name,
    );
  }
});

test('a path is replaced as it was matched, not as it was written', async () => {
  const x = exchange({ target: '/x/../a/b?c' });
  x.path = '/a/b'; // as path normalisation leaves it
  await routed(
    { backends: [backend()], rewrite: { hostname: '', path: { kind: 'SEGMENTS', prefix: '/a', value: '/z' } } },
    x,
  );
  assert.equal(x.request.target, '/z/b?c');
  const redirected = exchange({ target: '/x/../a/b?c' });
  redirected.path = '/a/b';
  const { response } = await routed(
    {
      redirect: {
        scheme: '',
        hostname: 'h',
        port: 0,
        status: 302,
        path: { kind: 'SEGMENTS', prefix: '/a', value: '/z' },
      },
    },
    redirected,
  );
  assert.equal(response.headers.first('location'), 'http://h/z/b?c');
});

test('without routes a request goes where it was going', async () => {
  const { response, sent } = await routed('default');
  assert.deepEqual([response.status, sent?.target], [200, { kind: 'service', service: 'shop/cart', port: 80 }]);
});

test('a permitted origin gets the backend’s answer with the permission, a preflight gets its own', async () => {
  const rule = ruleOf({
    cors: {
      allowOrigins: [{ kind: 'EXACT', value: 'https://a.com', ignoreCase: false }],
      allowMethods: ['GET'],
      allowHeaders: [],
      exposeHeaders: [],
      allowCredentials: false,
      maxAgeSeconds: 5,
      forwardsUnmatched: false,
    },
  });
  const ask = async (method: string, headers: Record<string, string>) => {
    const x = exchange({ method, headers });
    x.route = rule;
    return await cors(() => answer(201, { vary: 'accept' }))(x);
  };
  const simple = await ask('GET', { origin: 'https://a.com' });
  assert.equal(simple.status, 201);
  assert.equal(simple.headers.first('access-control-allow-origin'), 'https://a.com');
  assert.equal(simple.headers.get('vary'), 'accept, origin', 'caches go on to know what the backend said');
  const preflight = { origin: 'https://a.com', 'access-control-request-method': 'GET' };
  assert.equal((await ask('OPTIONS', preflight)).status, 204);
  const denied = await ask('OPTIONS', { ...preflight, origin: 'https://b.com' });
  assert.deepEqual([denied.status, denied.headers.list], [204, []]);
  assert.equal((await ask('GET', {})).status, 201);
});

test('a copy goes to the mirror with the whole request, and its answer to nobody', async () => {
  const hand = new Hand();
  const to = { service: 'shop/next', port: 80, numerator: 1, denominator: 1 };
  const copies: { readonly x: Exchange; readonly body: Promise<Buffer> }[] = [];
  const answers: FedBody[] = [];
  const send: Next = (x) => {
    copies.push({ x, body: readBody(x.body, 10_000) });
    const body = new FedBody();
    answers.push(body);
    return { ...answer(500), body };
  };
  const layer = mirror({ send, random: () => 0, bodyBytes: 8, deadlines: hand.deadlines });
  const pass = async (fields: ConstructorParameters<typeof TestRequest>[0], mirrors = [to]) => {
    const x = exchange(fields);
    x.route = ruleOf({ backends: [backend()], mirrors });
    return await layer((one) => {
      Sink.of(one.body);
      return answer(200);
    })(x);
  };
  assert.equal((await pass({ target: '/a?b', headers: { x: '1' } })).status, 200);
  const [first] = copies;
  assert.deepEqual(first?.x.target, { kind: 'service', service: 'shop/next', port: 80 });
  assert.deepEqual(
    [first?.x.request.target, first?.x.request.authority, first?.x.request.headers.first('x')],
    ['/a?b', 'cart-shadow', '1'],
  );
  await new Promise(setImmediate);
  assert.ok(answers[0]?.isCancelled, 'what it answers is not read');

  const body = new FedBody();
  await pass({ method: 'POST', body });
  body.feed('12345678');
  assert.equal(copies.length, 1, 'it waits for the whole request');
  body.finish();
  assert.equal((await copies[1]?.body)?.toString(), '12345678');
  const large = new FedBody();
  await pass({ method: 'POST', body: large });
  large.feed('123456789');
  large.finish();
  assert.equal(copies.length, 2, 'a large one is not copied');
  await pass({ upgrade: 'websocket' });
  assert.equal(copies.length, 2, 'nor an upgrade');
  await pass({}, [to, to]);
  assert.equal(copies.length, 4);
  assert.deepEqual(['a', 'a:80', '[::1]:80'].map(shadow), ['a-shadow', 'a-shadow:80', '[::1]-shadow:80']);
});

test('a copy that fails, or never ends, is nobody’s concern', async () => {
  const hand = new Hand();
  const mirrors = [{ service: 'shop/next', port: 80, numerator: 1, denominator: 1 }];
  const withdrawn: string[] = [];
  let isHanging = false;
  const send: Next = (x) => {
    x.onAbort((error) => withdrawn.push(error.kind));
    return isHanging ? new Promise(() => {}) : Promise.reject(new HttpError('connect-failed', 'no'));
  };
  const layer = mirror({ send, random: () => 0, bodyBytes: 8, deadlines: hand.deadlines });
  const pass = async () => {
    const x = exchange();
    x.route = ruleOf({ backends: [backend()], mirrors });
    return await layer(() => answer(200))(x);
  };
  assert.equal((await pass()).status, 200);
  isHanging = true;
  assert.equal((await pass()).status, 200);
  hand.advance(16_000);
  assert.deepEqual(withdrawn, ['timeout']);
});
