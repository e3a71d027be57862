/** Rows: routes of a client's namespace come before the policies of a service, and its own after them. */
import { ap, type Case, OPEN, object, policy, tokens, when } from './case.ts';
import { KEYS } from './mesh.ts';

type Json = Readonly<Record<string, unknown>>;

const setting = (name: string, value: string) => ({
  type: 'RequestHeaderModifier',
  requestHeaderModifier: { set: [{ name, value }] },
});
const removing = (name: string) => ({ type: 'RequestHeaderModifier', requestHeaderModifier: { remove: [name] } });
const rewriting = (to: string) => ({
  type: 'URLRewrite',
  urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: to } },
});
const to = (name: string, more: Json = {}) => ({ name, namespace: 'shop', port: 80, ...more });

/** About the cart; of namespace `web` it is about what that namespace sends. */
const route = (path: string, ...rules: readonly Json[]) =>
  object('gateway.networking.k8s.io/v1', 'HTTPRoute', path, {
    spec: { parentRefs: [{ group: '', kind: 'Service', name: 'cart', namespace: 'shop' }], rules },
  });
const OTHER = { targetRefs: [{ kind: 'Service', name: 'other' }] };
const ADMINS = when('request.headers[x-role]', ['admin']);
const MISSED = 'deny no-allow-match (nearest shop/p#0 request.headers[x-role])';

export const CLIENT_ROUTES: readonly Case[] = [
  {
    name: 'a header that a route of the client sets is judged by the policies of the service',
    objects: [
      route('web/r', { filters: [setting('x-role', 'admin')], backendRefs: [to('cart')] }),
      policy('ALLOW', ADMINS),
    ],
    requests: { 'GET /': 'allow shop/p#0', 'boss GET /': MISSED, 'boss GET / | x-role: admin': 'allow shop/p#0' },
  },
  {
    name: 'a header that a route of the client takes away is not there for the policies of the service',
    objects: [route('web/r', { filters: [removing('x-role')], backendRefs: [to('cart')] }), policy('ALLOW', ADMINS)],
    requests: { 'GET / | x-role: admin': MISSED },
  },
  {
    name: 'a header that a backend of a route of the client sets',
    objects: [
      route('web/r', { backendRefs: [to('cart', { filters: [setting('x-role', 'admin')] })] }),
      policy('ALLOW', ADMINS),
    ],
    requests: { 'GET /': 'allow shop/p#0' },
  },
  {
    name: 'a path that a route of the client rewrites',
    objects: [
      route('web/r', { filters: [rewriting('/x/../admin')], backendRefs: [to('cart')] }),
      policy('DENY', { to: [{ operation: { paths: ['/admin'] } }] }),
    ],
    requests: { 'GET /': 'deny shop/p#0', 'boss GET /': OPEN },
  },
  {
    name: 'what a route of the client answers itself, the policies of the service are not asked about',
    objects: [
      route(
        'web/r',
        {
          matches: [{ path: { value: '/old' } }],
          filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'new' } }],
        },
        { matches: [{ path: { value: '/known' } }], backendRefs: [to('cart')] },
      ),
      tokens('jwt', [{ issuer: 'me', jwks: KEYS, presence: 'REQUIRED' }]),
      policy('DENY', {}),
    ],
    requests: {
      'GET /old': 'answers 302',
      'GET /unknown': 'answers 404',
      'GET /known': 'refused 401',
      'GET /known | token alice': 'deny shop/p#0',
      'boss GET /old': 'refused 401',
    },
  },
  {
    name: 'what a route of the service answers comes after its policies',
    objects: [
      route('r', { filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'new', statusCode: 301 } }] }),
      policy('DENY', { to: [{ operation: { methods: ['POST'] } }] }),
    ],
    requests: { 'GET /': 'answers 301', 'POST /': 'deny shop/p#0' },
  },
  {
    name: 'a route of the client can not forge what a token says',
    objects: [
      route('web/r', { filters: [setting('x-role', 'admin')], backendRefs: [to('cart')] }),
      tokens('jwt', [{ issuer: 'me', jwks: KEYS, outputClaimToHeaders: [{ header: 'x-role', claim: 'realm.role' }] }]),
      policy('ALLOW', ADMINS),
    ],
    requests: { 'GET /': MISSED, 'GET / | token bob': MISSED, 'GET / | token alice': 'allow shop/p#0' },
  },
  {
    name: 'a header that a route of the service sets comes after its policies',
    objects: [
      route('r', { filters: [setting('x-role', 'admin')], backendRefs: [to('cart')] }),
      policy('ALLOW', ADMINS),
    ],
    requests: { 'GET /': MISSED },
  },
  {
    name: 'a route of the service goes by what a token has said',
    objects: [
      tokens('jwt', [{ issuer: 'me', jwks: KEYS, outputClaimToHeaders: [{ header: 'x-role', claim: 'realm.role' }] }]),
      route(
        'r',
        { matches: [{ headers: [{ name: 'x-role', value: 'admin' }] }], backendRefs: [to('other')] },
        { backendRefs: [to('cart')] },
      ),
      ap('o', { ...OTHER, action: 'DENY', rules: [{}] }),
    ],
    requests: { 'GET / | token alice': 'deny shop/o#0', 'GET / | x-role: admin': OPEN, 'GET /': OPEN },
  },
];
