/** Rows: routes that lead to another service of the same waypoint, whose own policies judge what is sent there. */
import type { KubeObject } from '../../../mesh/index.ts';
import { ap, type Case, dry, OPEN, object, operation, policy, source, when } from './case.ts';

type Json = Readonly<Record<string, unknown>>;

const OTHER = [{ kind: 'Service', name: 'other' }];
const onOther = (spec: Json) => ap('o', { targetRefs: OTHER, ...spec });
const GROUP = 'gateway.networking.k8s.io';
const toOther = { name: 'other', namespace: 'shop', port: 80 };

/** From the cart to the other service. */
const route = (rule: Json = {}, path = 'r'): KubeObject =>
  object(`${GROUP}/v1`, 'HTTPRoute', path, {
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 'cart', namespace: 'shop' }],
      rules: [{ backendRefs: [toOther], ...rule }],
    },
  });
const rewrite = (urlRewrite: Json) => ({ filters: [{ type: 'URLRewrite', urlRewrite }] });
const headers = (set: Json) => ({ filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: set }] });

/** Lets routes of namespace web name services of the shop. */
const GRANT = object(`${GROUP}/v1beta1`, 'ReferenceGrant', 'grant', {
  spec: {
    from: [{ group: GROUP, kind: 'HTTPRoute', namespace: 'web' }],
    to: [{ group: '', kind: 'Service' }],
  },
});

export const ROUTES: readonly Case[] = [
  {
    name: 'a route to a service without policies',
    objects: [route()],
    requests: { 'GET /': OPEN, 'boss POST /': OPEN },
  },
  {
    name: 'a route is no way around a DENY of what it leads to',
    objects: [route(), onOther({ action: 'DENY', rules: [operation({ paths: ['/admin*'] })] })],
    requests: { 'GET /admin': 'deny shop/o#0', 'GET /a/../admin': 'deny shop/o#0', 'GET /': OPEN },
  },
  {
    name: 'an ALLOW of what a route leads to is asked besides that of what is called',
    objects: [
      route(),
      policy('ALLOW', operation({ methods: ['GET', 'PUT'] })),
      onOther({ rules: [operation({ methods: ['GET', 'POST'] })] }),
    ],
    requests: {
      'GET /': 'allow shop/o#0',
      'POST /': 'deny no-allow-match (nearest shop/p#0 methods)',
      'PUT /': 'deny no-allow-match (nearest shop/o#0 methods)',
      'POST / to other': 'allow shop/o#0',
    },
  },
  {
    name: 'what a route leads to still knows who calls',
    objects: [route(), onOther({ rules: [source({ principals: ['cluster.local/ns/office/sa/boss'] })] })],
    requests: { 'boss GET /': 'allow shop/o#0', 'GET /': 'deny no-allow-match (nearest shop/o#0 principals)' },
  },
  {
    name: 'what a route leads to still knows from where',
    objects: [route(), onOther({ rules: [source({ ipBlocks: ['10.0.0.201'] })] })],
    requests: { 'boss GET /': 'allow shop/o#0', 'GET /': 'deny no-allow-match (nearest shop/o#0 ipBlocks)' },
  },
  {
    name: 'the port is the one that the route names',
    objects: [route(), onOther({ rules: [operation({ ports: ['80'] })] })],
    requests: { 'GET / to cart:81': 'allow shop/o#0', 'GET /': 'allow shop/o#0' },
  },
  {
    name: 'the address of what a route leads to was not called',
    objects: [route(), onOther({ rules: [when('destination.ip', ['10.0.0.101'])] })],
    requests: {
      'GET /': 'deny no-allow-match (nearest shop/o#0 destination.ip)',
      'GET / to other': 'allow shop/o#0',
    },
  },
  {
    name: 'each of the two judges the path that it is asked for',
    objects: [
      route(rewrite({ path: { type: 'ReplaceFullPath', replaceFullPath: '/inner' } })),
      policy('ALLOW', operation({ paths: ['/outer'] })),
      onOther({ rules: [operation({ paths: ['/inner'] })] }),
    ],
    requests: { 'GET /outer': 'allow shop/o#0', 'GET /inner': 'deny no-allow-match (nearest shop/p#0 paths)' },
  },
  {
    name: 'a prefix that a route replaces',
    objects: [
      route({
        matches: [{ path: { type: 'PathPrefix', value: '/v1' } }],
        ...rewrite({ path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/v2' } }),
      }),
      onOther({ action: 'DENY', rules: [operation({ paths: ['/v2/secret'] })] }),
    ],
    requests: { 'GET /v1/secret': 'deny shop/o#0', 'GET /v1/open': OPEN },
  },
  {
    name: 'a host that a route gives',
    objects: [
      route(rewrite({ hostname: 'inner.example' })),
      onOther({ rules: [operation({ hosts: ['inner.example'] })] }),
    ],
    requests: { 'GET /': 'allow shop/o#0', 'GET / to other': 'deny no-allow-match (nearest shop/o#0 hosts)' },
  },
  {
    name: 'headers that a route sets and takes',
    objects: [
      route(headers({ set: [{ name: 'x-team', value: 'a' }], remove: ['x-role'] })),
      ap('d', { targetRefs: OTHER, action: 'DENY', rules: [when('request.headers[x-role]', ['*'])] }),
      onOther({ rules: [when('request.headers[x-team]', ['a'])] }),
    ],
    requests: {
      'GET / | x-team: b | x-role: root': 'allow shop/o#0',
      'GET / to other | x-team: a | x-role: root': 'deny shop/d#0',
      'GET / to other | x-team: b': 'deny no-allow-match (nearest shop/o#0 request.headers[x-team])',
    },
  },
  {
    name: 'the authorizer of what a route leads to is not asked on that way',
    objects: [
      route(),
      onOther({ action: 'CUSTOM', provider: { name: 'yes' }, rules: [operation({ paths: ['/ask'] })] }),
    ],
    requests: { 'GET /ask': 'deny shop/o#0', 'GET /': OPEN },
  },
  {
    name: 'what is tried out, and marked, on what a route leads to',
    objects: [
      route(),
      ap('a', { targetRefs: OTHER, action: 'AUDIT', rules: [operation({ methods: ['GET'] })] }),
      dry('t', { targetRefs: OTHER, action: 'DENY', rules: [operation({ methods: ['POST'] })] }),
    ],
    requests: {
      'GET /': `${OPEN}, audited: shop/a#0`,
      'POST /': `${OPEN}, tried: shop/t#0 would deny`,
    },
  },
  {
    name: "a route of the caller's own namespace is of that namespace alone, and judged where it leads to",
    objects: [route({}, 'web/r'), GRANT, onOther({ action: 'DENY', rules: [operation({ methods: ['POST'] })] })],
    requests: { 'POST /': 'deny shop/o#0', 'boss POST /': OPEN },
  },
];
