import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bodyOf,
  type ClientRequest,
  Deadlines,
  HeaderFields,
  HttpError,
  type HttpResponse,
  NO_BODY,
} from '../../core/http/index.ts';
import { clause, given, policy } from '../../mesh/http-policy/test-policies.ts';
import { compileHttpPolicies, type ExternalAuthorizer, type HttpAuthorizer } from '../../mesh/index.ts';
import type { Exchange } from '../exchange.ts';
import { exchange, pass, type TestExchange, textOf } from '../test-exchange.ts';
import { type AskParts, askOthers } from './ask-others.ts';

const custom = (provider: string, path = '/*') =>
  policy(`ask-${provider}`, { action: 'CUSTOM', provider, rule: [clause(given('PATH', path))] });
const http: HttpAuthorizer = {
  pathPrefix: '',
  requestHeaders: [],
  additionalHeaders: [],
  toUpstreamOnAllow: [],
  toDownstreamOnDeny: [],
  toDownstreamOnAllow: [],
};
const authorizer = (fields: Partial<ExternalAuthorizer> = {}): ExternalAuthorizer => ({
  name: 'authz',
  service: 'shop/authz.shop.svc',
  port: 9000,
  timeoutMs: 5_000,
  failOpen: false,
  statusOnError: 403,
  http,
  ...fields,
});
const exactly = (value: string) => ({ kind: 'EXACT', value }) as const;

type Asked = Pick<ClientRequest, 'method' | 'target' | 'authority'> & {
  readonly headers: readonly string[];
  readonly body: string;
};
type Answers = (asked: Asked) => HttpResponse | Promise<HttpResponse>;
const answer = (status: number, headers: Readonly<Record<string, string>> = {}, body = ''): HttpResponse => ({
  status,
  headers: HeaderFields.of(headers),
  body: body === '' ? NO_BODY : bodyOf(body),
});

/** An authorizer in memory; `seen` is what the application got. */
async function ask(
  answers: Answers,
  authorizers: readonly ExternalAuthorizer[],
  o: TestExchange = {},
  providers = ['authz'],
) {
  const asked: Asked[] = [];
  const connection = {
    send: (request: ClientRequest) => ({
      cancel: () => {},
      response: (async () => {
        const { method, target, authority, headers, body } = request;
        const one = { method, target, authority, headers: headers.list, body: await textOf(body) };
        asked.push(one);
        return answers(one);
      })(),
    }),
  };
  const parts = {
    endpoints: { choose: () => ({}), done: () => {} },
    pool: { take: () => connection },
    deadlines: new Deadlines(),
    own: () => ({}),
    watch: { denied: () => 'receipt', noticed: () => {} },
    receiptHeader: false,
  } as unknown as AskParts;
  const scope = compileHttpPolicies(
    providers.map((name) => custom(name)),
    'http',
  );
  const x = exchange(o);
  let seen: string | undefined;
  const leaf = async (sent: Exchange) => {
    seen = await textOf(sent.body);
    return answer(200, { 'x-app': '1' });
  };
  const passed = await pass(askOthers(scope, authorizers, parts), x, leaf);
  return { asked, x, seen, ...passed };
}

test('an authorizer over HTTP is shown the request under its prefix, and no more headers than it is to see', async () => {
  const seeing = {
    ...http,
    pathPrefix: '/check',
    requestHeaders: [exactly('x-user')],
    additionalHeaders: [{ name: 'x-from', value: 'waypoint' }],
  };
  const headers = { authorization: 'Bearer t', 'x-user': 'joe', cookie: 'secret', 'x-from': 'me' };
  const { asked, wasSent } = await ask(() => answer(200), [authorizer({ http: seeing })], {
    method: 'POST',
    target: '/a?b=1',
    authority: 'cart.shop',
    headers,
  });
  assert.equal(wasSent, true);
  assert.deepEqual(asked, [
    {
      method: 'POST',
      target: '/check/a?b=1',
      authority: 'cart.shop',
      headers: ['authorization', 'Bearer t', 'x-user', 'joe', 'x-from', 'waypoint', 'content-length', '0'],
      body: '',
    },
  ]);
});

test('what a yes brings along reaches application and caller, as far as it is listed', async () => {
  const listing = { ...http, toUpstreamOnAllow: [exactly('x-user')], toDownstreamOnAllow: [exactly('x-seen')] };
  const said = { 'x-user': 'joe', 'x-seen': 'yes', 'x-other': 'no', 'ambit-source': 'evil' };
  const { x, response } = await ask(() => answer(200, said), [authorizer({ http: listing })], {
    headers: { 'x-user': 'root' },
  });
  assert.deepEqual(x.request.headers.list, ['x-user', 'joe']);
  assert.deepEqual(response.headers.list, ['x-app', '1', 'x-seen', 'yes']);
});

test('a no is passed on as it was said, and the application sees nothing', async () => {
  const said = { location: 'https://login', 'set-cookie': 'a=1', 'x-why': 'because', connection: 'close' };
  const { response, body, wasSent, x } = await ask(() => answer(302, said, 'go there'), [authorizer()]);
  assert.deepEqual(
    [response.status, body, wasSent, x.flags, x.details],
    [302, 'go there', false, 'UAEX', 'ext_authz_denied'],
  );
  assert.equal(response.headers.get('location'), 'https://login');
  assert.equal(response.headers.has('connection'), false);
  assert.equal(x.receipt, 'receipt');
  assert.match(x.because, /policy app\/ask-authz, rule 0, asks authz: it answered 302/);
  const listed = { ...http, toDownstreamOnDeny: [exactly('x-why')] };
  const second = await ask(
    () => answer(401, { ...said, 'www-authenticate': 'Bearer' }),
    [authorizer({ http: listed })],
  );
  assert.deepEqual(
    ['x-why', 'www-authenticate', 'location', 'set-cookie'].map((name) => second.response.headers.get(name)),
    ['because', 'Bearer', 'https://login', undefined],
  );
});

test('without an answer it is no, unless the configuration says otherwise', async () => {
  const lost: Answers = () => Promise.reject(new HttpError('closed', 'gone'));
  const never: Answers = () => new Promise(() => {});
  const rows: readonly [string, Answers, Partial<ExternalAuthorizer>, number, boolean][] = [
    ['it is gone', lost, {}, 403, false],
    ['its own error', () => answer(500), {}, 403, false],
    ['another status for that', () => answer(503), { statusOnError: 503 }, 503, false],
    ['it fails open', lost, { failOpen: true }, 200, true],
    ['its own error, and it fails open', () => answer(500), { failOpen: true }, 200, true],
    ['it takes too long', never, { timeoutMs: 50 }, 403, false],
    ['it says too much', () => answer(200, {}, 'x'.repeat(100_000)), {}, 403, false],
    ['it speaks nothing that we do', () => answer(200), { http: undefined as never }, 403, false],
  ];
  for (const [name, answers, fields, status, sent] of rows) {
    const { response, wasSent, x } = await ask(answers, [authorizer(fields)]);
    assert.deepEqual([response.status, wasSent], [status, sent], name);
    if (!sent) assert.deepEqual([x.flags, x.details], ['UAEX', 'ext_authz_error'], name);
  }
});

test('a provider that nobody has configured says no, whatever others say', async () => {
  const { response, body, wasSent, asked } = await ask(() => answer(200), [authorizer()], {}, ['authz', 'nobody']);
  assert.deepEqual([response.status, body, wasSent, asked.length], [403, 'RBAC: access denied', false, 1]);
});

test('all who are to be asked must say yes, in the order of their names', async () => {
  const two = [
    authorizer({ name: 'b', service: 'b/b' }),
    authorizer({ name: 'a', http: { ...http, pathPrefix: '/a' } }),
  ];
  const yes = await ask(() => answer(200), two, {}, ['b', 'a']);
  assert.deepEqual([yes.wasSent, yes.asked.map(({ target }) => target)], [true, ['/a/', '/']]);
  const no = await ask(({ target }) => answer(target === '/a/' ? 403 : 200), two, {}, ['b', 'a']);
  assert.deepEqual([no.wasSent, no.asked.length], [false, 1]);
});

test('of a body as much is shown as is asked for, and all of it goes on', async () => {
  const show = (fields: Partial<NonNullable<ExternalAuthorizer['body']>>) =>
    authorizer({ body: { maxBytes: 4, allowPartial: false, asBytes: false, ...fields } });
  const rows: readonly [string, ExternalAuthorizer, string, number, string | undefined, string | undefined][] = [
    ['none is asked for', authorizer(), 'hello', 200, '', 'hello'],
    ['it fits', show({}), 'hell', 200, 'hell', 'hell'],
    ['it is too long', show({}), 'hello', 413, undefined, undefined],
    ['a part will do', show({ allowPartial: true }), 'hello', 200, 'hell', 'hello'],
    ['there is none', show({}), '', 200, '', ''],
  ];
  for (const [name, one, sent, status, shown, seen] of rows) {
    const found = await ask(() => answer(200), [one], { method: 'POST', body: sent === '' ? NO_BODY : bodyOf(sent) });
    assert.deepEqual([found.response.status, found.asked[0]?.body, found.seen], [status, shown, seen], name);
  }
});
