/** What becomes of a request or comes back: tests about filters. */
import assert from 'node:assert/strict';
import { httpRoute, modifier, prefix, to } from './objects.ts';
import type { Echoes, Scenario } from './scenario.ts';

const MODIFIER = modifier('RequestHeaderModifier');
const SENT = { 'x-set': 'original', 'X-ADD': 'original', 'x-remove': 'original', 'x-keep': 'original' };

const modified = (name: string, rule: string): Scenario => ({
  name: `${name} sets, adds and removes request headers, whatever the case of their names`,
  routes: httpRoute('echo:80', `[${rule}]`),
  check: async (mesh) => {
    const { seen } = await mesh.get('/', { headers: SENT });
    assert.equal(seen.headers['x-set'], 'overwritten');
    assert.equal(seen.headers['x-add'], 'original, appended');
    assert.equal(seen.headers['x-remove'], undefined);
    assert.equal(seen.headers['x-keep'], 'original');
    const bare = await mesh.get('/');
    assert.deepEqual([bare.seen.headers['x-set'], bare.seen.headers['x-add']], ['overwritten', 'appended']);
  },
});

type RedirectRow = readonly [path: string, filter: string, asked: string, status: number, location: string];

/** Each row is a rule of its own. */
const redirected = (name: string, rows: readonly RedirectRow[]): Scenario => ({
  name,
  routes: httpRoute(
    'echo:80',
    `[${rows.map(([path, filter]) => `{ ${prefix(path)}, filters: [{ type: RequestRedirect, requestRedirect: { ${filter} } }] }`).join(', ')}]`,
  ),
  check: async (mesh) => {
    for (const [, , asked, status, location] of rows) {
      const answer = await mesh.get(asked);
      assert.deepEqual([answer.status, answer.headers.location], [status, location], asked);
    }
  },
});

const replacedPrefix = (value: string) => `path: { type: ReplacePrefixMatch, replacePrefixMatch: ${value} }`;
const replacedPath = (value: string) => `path: { type: ReplaceFullPath, replaceFullPath: ${value} }`;
const rewrite = (path: string) => `{ type: URLRewrite, urlRewrite: { ${path} } }`;
const HEADERS = `{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: X-Set, value: new }], remove: [X-Remove] } }`;
const rewritten = (path: string, filters: string) =>
  `{ ${prefix(path)}, filters: [${filters}], backendRefs: [${to('echo-v1')}] }`;
const REWRITES = [
  rewritten('/prefix/one', rewrite(replacedPrefix('/one'))),
  rewritten('/strip', rewrite(replacedPrefix('/'))),
  rewritten('/full/one', rewrite(replacedPath('/one'))),
  rewritten('/full/headers', `${rewrite(replacedPath('/test'))}, ${HEADERS}`),
  rewritten('/prefix/headers', `${rewrite(replacedPrefix('/prefix'))}, ${HEADERS}`),
];

async function checkRewrites(mesh: Echoes): Promise<void> {
  const rows: readonly [string, string][] = [
    ['/prefix/one/two?q=1', '/one/two?q=1'],
    ['/strip/three', '/three'],
    ['/strip', '/'],
    ['/full/one/two', '/one'],
    ['/full/headers/x', '/test'],
    ['/prefix/headers/x', '/prefix/x'],
  ];
  for (const [asked, path] of rows) {
    const { seen } = await mesh.get(asked, { headers: { 'x-remove': '1' } });
    assert.equal(seen.path, path, asked);
    if (!asked.includes('headers')) continue;
    assert.deepEqual([seen.headers['x-set'], seen.headers['x-remove']], ['new', undefined], asked);
  }
}

const ORG = 'hostname: example.org';

export const FILTERS: readonly Scenario[] = [
  modified('MeshHTTPRouteRequestHeaderModifier: a rule', `{ filters: ${MODIFIER}, backendRefs: [${to('echo-v1')}] }`),
  modified(
    'MeshHTTPRouteBackendRequestHeaderModifier: a backend',
    `{ backendRefs: [${to('echo-v1', 80, `, filters: ${MODIFIER}`)}] }`,
  ),
  redirected('MeshHTTPRouteRedirectHostAndStatus: callers are sent to another host', [
    ['/host', ORG, '/host?a=b', 302, 'http://example.org/host?a=b'],
    ['/host-and-status', `${ORG}, statusCode: 301`, '/host-and-status', 301, 'http://example.org/host-and-status'],
  ]),
  redirected('MeshHTTPRouteRedirectPath: callers are sent to another path', [
    ['/original', replacedPrefix('/replaced'), '/original/lemon', 302, 'http://echo/replaced/lemon'],
    ['/full', replacedPath('/new'), '/full/path', 302, 'http://echo/new'],
    ['/path-and-host', `${ORG}, ${replacedPrefix('/replaced')}`, '/path-and-host', 302, 'http://example.org/replaced'],
    [
      '/path-and-status',
      `statusCode: 301, ${replacedPrefix('/replaced')}`,
      '/path-and-status',
      301,
      'http://echo/replaced',
    ],
    ['/full-and-host', `${ORG}, ${replacedPath('/new')}`, '/full-and-host', 302, 'http://example.org/new'],
    ['/full-and-status', `statusCode: 301, ${replacedPath('/new')}`, '/full-and-status', 301, 'http://echo/new'],
  ]),
  redirected('MeshHTTPRouteRedirectPort: callers are sent to another port', [
    ['/port', 'port: 8083', '/port', 302, 'http://echo:8083/port'],
    ['/port-and-host', `port: 8083, ${ORG}`, '/port-and-host', 302, 'http://example.org:8083/port-and-host'],
    ['/port-and-status', 'port: 8083, statusCode: 301', '/port-and-status', 301, 'http://echo:8083/port-and-status'],
  ]),
  redirected('MeshHTTPRouteSchemeRedirect: callers are sent to another scheme, without its own port', [
    ['/scheme', 'scheme: https', '/scheme', 302, 'https://echo/scheme'],
    ['/scheme-and-host', `scheme: https, ${ORG}`, '/scheme-and-host', 302, 'https://example.org/scheme-and-host'],
    [
      '/scheme-and-status',
      'scheme: https, statusCode: 301',
      '/scheme-and-status',
      301,
      'https://echo/scheme-and-status',
    ],
  ]),
  redirected(
    'MeshHTTPRoute303Redirect, 307, 308: callers are sent with each status',
    [303, 307, 308].map(
      (code) => [`/${code}`, `scheme: https, statusCode: ${code}`, `/${code}`, code, `https://echo/${code}`] as const,
    ),
  ),
  {
    name: 'MeshHTTPRouteRewritePath: the path is another one upstream',
    routes: httpRoute('echo:80', `[${REWRITES.join(', ')}]`),
    check: checkRewrites,
  },
];
