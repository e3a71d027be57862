import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileCors } from './cors.ts';
import { modifyHeaders } from './header-modifier.ts';
import type { Cors, PathRewrite, Redirect } from './model.ts';
import { hostOf, redirectLocation, rewriteTarget } from './rewrite.ts';
import { isMirrored, pickByWeight } from './share.ts';
import { backend, exactly, pattern } from './test-routes.ts';

test('a path is rewritten as the examples of the specification say', () => {
  const rows: readonly [target: string, kind: PathRewrite['kind'], prefix: string, value: string, result: string][] = [
    ['/foo/bar', 'SEGMENTS', '/foo', '/xyz', '/xyz/bar'],
    ['/foo/bar', 'SEGMENTS', '/foo', '/xyz/', '/xyz/bar'],
    ['/foo/bar', 'SEGMENTS', '/foo/', '/xyz', '/xyz/bar'],
    ['/foo/bar', 'SEGMENTS', '/foo/', '/xyz/', '/xyz/bar'],
    ['/foo', 'SEGMENTS', '/foo', '/xyz', '/xyz'],
    ['/foo/', 'SEGMENTS', '/foo', '/xyz', '/xyz/'],
    ['/foo/bar', 'SEGMENTS', '/foo', '', '/bar'],
    ['/foo/', 'SEGMENTS', '/foo', '', '/'],
    ['/foo', 'SEGMENTS', '/foo', '', '/'],
    ['/foo/', 'SEGMENTS', '/foo', '/', '/'],
    ['/foo', 'SEGMENTS', '/foo', '/', '/'],
    ['/bar', 'SEGMENTS', '/', '/xyz', '/xyz/bar'],
    ['/foo/bar?a=/b&c', 'SEGMENTS', '/foo', '/x', '/x/bar?a=/b&c'],
    ['/foo?a', 'SEGMENTS', '/foo', '', '/?a'],
    ['/foo/bar?a', 'FULL', '', '/one', '/one?a'],
    ['/foo', 'FULL', '', '', '/'],
    ['/foobar', 'PREFIX', '/foo', '/', '/bar'],
    ['/foo/bar', 'PREFIX', '/foo/', '/', '/bar'],
    ['/foo', 'PREFIX', '/foo', '', '/'],
  ];
  for (const [target, kind, prefix, value, result] of rows) {
    assert.equal(rewriteTarget({ kind, prefix, value }, target), result, `${target} (${prefix} -> ${value}, ${kind})`);
  }
});

test('a redirect leads where scheme, host, port and path say, and names no port that the scheme implies', () => {
  const full = (value: string): PathRewrite => ({ kind: 'FULL', prefix: '', value });
  const prefix = (from: string, value: string): PathRewrite => ({ kind: 'SEGMENTS', prefix: from, value });
  const rows: readonly [string, Partial<Redirect>, port: number, location: string][] = [
    ['another host', { hostname: 'example.org' }, 80, 'http://example.org/a/b?c=d'],
    ['nothing but the status', {}, 80, 'http://svc/a/b?c=d'],
    ['on another port, the service’s port stays', { hostname: 'example.org' }, 8080, 'http://example.org:8080/a/b?c=d'],
    ['a scheme brings its port', { scheme: 'https' }, 8080, 'https://svc/a/b?c=d'],
    ['http as a scheme, too', { scheme: 'http' }, 8080, 'http://svc/a/b?c=d'],
    ['a port', { port: 8083 }, 80, 'http://svc:8083/a/b?c=d'],
    ['port 80 of http', { port: 80 }, 8080, 'http://svc/a/b?c=d'],
    ['port 443 of http', { port: 443 }, 80, 'http://svc:443/a/b?c=d'],
    ['port 443 of https', { scheme: 'https', port: 443 }, 80, 'https://svc/a/b?c=d'],
    ['port 80 of https', { scheme: 'https', port: 80 }, 80, 'https://svc:80/a/b?c=d'],
    ['scheme and port', { scheme: 'https', port: 8443 }, 80, 'https://svc:8443/a/b?c=d'],
    ['a whole path', { path: full('/x') }, 80, 'http://svc/x?c=d'],
    ['a prefix', { path: prefix('/a', '/x') }, 80, 'http://svc/x/b?c=d'],
    ['a path that looks like a host', { path: full('//evil') }, 80, 'http://svc//evil?c=d'],
  ];
  for (const [name, fields, port, location] of rows) {
    const redirect = { scheme: '', hostname: '', port: 0, status: 302, ...fields };
    const request = { target: '/a/b?c=d', authority: 'svc:1234', scheme: 'http', port };
    assert.equal(redirectLocation(redirect, request), location, name);
  }
  const anyTarget = { target: '*', authority: '[fd00::1]:80', scheme: 'http', port: 80 };
  const toSame = { scheme: '', hostname: '', port: 0, status: 302 };
  assert.equal(redirectLocation(toSame, anyTarget), 'http://[fd00::1]/');
  assert.deepEqual(['a', 'a:1', '[::1]', '[::1]:2'].map(hostOf), ['a', 'a', '[::1]', '[::1]']);
});

test('headers are removed, then set, then added', () => {
  const done: string[] = [];
  const headers = {
    set: (name: string, value: string) => void done.push(`set ${name} ${value}`),
    append: (name: string, value: string) => void done.push(`add ${name} ${value}`),
    remove: (name: string) => void done.push(`remove ${name}`),
  };
  modifyHeaders({ set: [{ name: 'a', value: '1' }], add: [{ name: 'b', value: '2' }], remove: ['c', 'a'] }, headers);
  assert.deepEqual(done, ['remove c', 'remove a', 'set a 1', 'add b 2']);
});

test('backends get their share, by weight', () => {
  const [a, b, none] = [backend('a', { weight: 9 }), backend('b', { weight: 1 }), backend('none', { weight: 0 })];
  const rows: readonly [string, readonly (typeof a)[], random: number, picked: string | undefined][] = [
    ['the first of nine tenths', [a, b], 0, 'a'],
    ['the last of nine tenths', [a, b], 0.8999, 'a'],
    ['the tenth tenth', [a, b], 0.9, 'b'],
    ['just below one', [a, b], 0.999_999_999, 'b'],
    ['what weighs nothing', [none, a], 0, 'a'],
    ['nothing but what weighs nothing', [none], 0, undefined],
    ['nobody', [], 0.5, undefined],
  ];
  for (const [name, backends, random, picked] of rows) {
    assert.equal(pickByWeight(backends, random)?.service, picked, name);
  }
});

test('a share of the requests is mirrored', () => {
  const mirror = (numerator: number, denominator = 100) => ({ service: 's', port: 1, numerator, denominator });
  assert.ok(isMirrored(mirror(100), 0.999_999_999));
  assert.ok(!isMirrored(mirror(0), 0));
  assert.ok(isMirrored(mirror(1, 1000), 0.0009));
  assert.ok(!isMirrored(mirror(1, 1000), 0.001));
});

test('requests of other origins are permitted, answered or left alone as CORS says', () => {
  const cors = (fields: Partial<Cors> = {}): Cors => ({
    allowOrigins: [exactly('https://www.foo.com'), pattern('https://.+\\.bar\\.com')],
    allowMethods: ['GET', 'OPTIONS'],
    allowHeaders: ['x-1', 'x-2'],
    exposeHeaders: ['x-3'],
    allowCredentials: false,
    maxAgeSeconds: 3600,
    forwardsUnmatched: false,
    ...fields,
  });
  const any: Cors['allowOrigins'] = [{ kind: 'PRESENT', value: '', ignoreCase: false }];
  const preflight = {
    origin: 'https://www.foo.com',
    'access-control-request-method': 'PUT',
    'access-control-request-headers': 'x-9',
  };
  const rows: readonly [string, Cors, method: string, Record<string, string>, kind: string, Record<string, string>][] =
    [
      ['no origin', cors(), 'GET', {}, 'pass', {}],
      ['an origin without permission', cors(), 'GET', { origin: 'https://evil.com' }, 'pass', {}],
      ['an origin that only begins like one', cors(), 'GET', { origin: 'https://www.foo.com.evil.com' }, 'pass', {}],
      [
        'an origin with permission',
        cors(),
        'GET',
        { origin: 'https://www.foo.com' },
        'permit',
        {
          'access-control-allow-origin': 'https://www.foo.com',
          vary: 'origin',
          'access-control-expose-headers': 'x-3',
        },
      ],
      [
        'an origin by pattern, with credentials',
        cors({ allowCredentials: true, exposeHeaders: [] }),
        'POST',
        { origin: 'https://a.b.bar.com' },
        'permit',
        {
          'access-control-allow-origin': 'https://a.b.bar.com',
          vary: 'origin',
          'access-control-allow-credentials': 'true',
        },
      ],
      [
        'OPTIONS that is no preflight',
        cors({ exposeHeaders: [] }),
        'OPTIONS',
        { origin: 'https://www.foo.com' },
        'permit',
        { 'access-control-allow-origin': 'https://www.foo.com', vary: 'origin' },
      ],
      [
        'a preflight',
        cors(),
        'OPTIONS',
        preflight,
        'answer',
        {
          'access-control-allow-origin': 'https://www.foo.com',
          vary: 'origin',
          'access-control-allow-methods': 'GET, OPTIONS',
          'access-control-allow-headers': 'x-1, x-2',
          'access-control-max-age': '3600',
        },
      ],
      [
        'a preflight where everything is permitted, with credentials',
        cors({ allowOrigins: any, allowMethods: ['*'], allowHeaders: ['*'], allowCredentials: true }),
        'OPTIONS',
        preflight,
        'answer',
        {
          'access-control-allow-origin': 'https://www.foo.com',
          vary: 'origin',
          'access-control-allow-credentials': 'true',
          'access-control-allow-methods': 'PUT',
          'access-control-allow-headers': 'x-9',
          'access-control-max-age': '3600',
        },
      ],
      [
        'a preflight where nothing is said of methods and headers',
        cors({ allowMethods: [], allowHeaders: [] }),
        'OPTIONS',
        preflight,
        'answer',
        { 'access-control-allow-origin': 'https://www.foo.com', vary: 'origin', 'access-control-max-age': '3600' },
      ],
      ['a preflight of another origin', cors(), 'OPTIONS', { ...preflight, origin: 'https://evil.com' }, 'answer', {}],
      [
        'a preflight of another origin that goes on',
        cors({ forwardsUnmatched: true }),
        'OPTIONS',
        { ...preflight, origin: 'https://evil.com' },
        'pass',
        {},
      ],
    ];
  for (const [name, rules, method, headers, kind, expected] of rows) {
    const decision = compileCors(rules)({ method, headers: new Map(Object.entries(headers)) });
    assert.equal(decision.kind, kind, name);
    const got = decision.kind === 'pass' ? [] : decision.headers.map((one) => [one.name, one.value]);
    assert.deepEqual(Object.fromEntries(got), expected, name);
  }
});
