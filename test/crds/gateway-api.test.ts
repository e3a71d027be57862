/** What an API server with our definitions takes of Gateway API and what it refuses; the lab's API server is the judge. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BACKEND_TLS_POLICY_CRD,
  GATEWAY_CLASS_CRD,
  GATEWAY_CRD,
  GRPC_ROUTE_CRD,
  HTTP_ROUTE_CRD,
  REFERENCE_GRANT_CRD,
  REQUEST_AUTHENTICATION_CRD,
  TCP_ROUTE_CRD,
  TELEMETRY_CRD,
  TLS_ROUTE_CRD,
} from '../../core/kube/crds/index.ts';
import { type CompiledSchema, compileSchema, type Json, structuralProblems } from '../../lab/api/pure/index.ts';
import type { KubeObject } from '../../mesh/index.ts';

const CRDS = {
  GatewayClass: GATEWAY_CLASS_CRD,
  Gateway: GATEWAY_CRD,
  HTTPRoute: HTTP_ROUTE_CRD,
  GRPCRoute: GRPC_ROUTE_CRD,
  TCPRoute: TCP_ROUTE_CRD,
  TLSRoute: TLS_ROUTE_CRD,
  ReferenceGrant: REFERENCE_GRANT_CRD,
  BackendTLSPolicy: BACKEND_TLS_POLICY_CRD,
  RequestAuthentication: REQUEST_AUTHENTICATION_CRD,
  Telemetry: TELEMETRY_CRD,
} as const;
type Kind = keyof typeof CRDS;

type Version = {
  readonly name: string;
  readonly storage: boolean;
  readonly schema: { readonly openAPIV3Schema: Json };
};
const versionsOf = (crd: KubeObject): readonly Version[] => (crd['spec'] as { versions: Version[] }).versions;

function schemaOf(kind: Kind): Json {
  const [first] = versionsOf(CRDS[kind]);
  assert.ok(first);
  return first.schema.openAPIV3Schema;
}

const compiled = new Map<Kind, CompiledSchema>();
function schema(kind: Kind): CompiledSchema {
  const known = compiled.get(kind) ?? compileSchema(schemaOf(kind));
  compiled.set(kind, known);
  return known;
}

/** As the API server stores it, or what it says. */
function written(kind: Kind, spec: Json): { readonly stored: Json; readonly problems: readonly string[] } {
  const given = { apiVersion: 'v1', kind, metadata: { name: 'x' }, spec };
  const stored = schema(kind).default(schema(kind).prune(given, false).object);
  return {
    stored,
    problems: schema(kind)
      .validate(stored)
      .map(({ field, message }) => `${field}: ${message}`),
  };
}
const specOf = (kind: Kind, spec: Json) => (written(kind, spec).stored as { spec: Json }).spec;

for (const kind of Object.keys(CRDS) as Kind[]) {
  test(`the definition of ${kind} is structural, and its rules can be read`, () => {
    assert.deepEqual(structuralProblems(schemaOf(kind)), []);
  });
}

test('each kind is served in the versions of the standard channel, and stored in its one', () => {
  const rows = Object.entries(CRDS).map(([kind, crd]) => [
    kind,
    ...versionsOf(crd).map(({ name, storage }) => (storage ? `${name}*` : name)),
  ]);
  assert.deepEqual(rows, [
    ['GatewayClass', 'v1*', 'v1beta1'],
    ['Gateway', 'v1*', 'v1beta1'],
    ['HTTPRoute', 'v1*', 'v1beta1'],
    ['GRPCRoute', 'v1*'],
    ['TCPRoute', 'v1*'],
    ['TLSRoute', 'v1*'],
    ['ReferenceGrant', 'v1', 'v1beta1*'],
    ['BackendTLSPolicy', 'v1*'],
    ['RequestAuthentication', 'v1*', 'v1beta1'],
    ['Telemetry', 'v1*', 'v1alpha1'],
  ]);
});

const backendRefs = [{ name: 'a', port: 80 }];
const parent = (more: Record<string, Json> = {}) => ({ group: '', kind: 'Service', name: 'a', ...more });
const service = (name: string) => ({ group: '', kind: 'Service', name });
const tls = (validation: Record<string, Json>, targetRefs: Json[] = [service('a')]): Json => ({
  targetRefs,
  validation: { hostname: 'a.b', ...validation },
});
const http = (rule: Record<string, Json>): Json => ({ rules: [{ backendRefs, ...rule }] });
const path = (type: string, value: string): Json => http({ matches: [{ path: { type, value } }] });
const listeners = (...all: Record<string, Json>[]): Json => ({ gatewayClassName: 'istio-waypoint', listeners: all });
const override = (one: Record<string, Json>): Json => ({ metrics: [{ overrides: [one] }] });
const labels = (tagOverrides: Record<string, Json>): Json => override({ tagOverrides });
const MESH = { name: 'mesh', port: 15008, protocol: 'HBONE' };
const prefixRewrite = {
  type: 'URLRewrite',
  urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } },
};

/** Name, kind, spec; and what the refusal says, none for what is taken. */
const rows: readonly (readonly [name: string, kind: Kind, spec: Json, refusal?: RegExp])[] = [
  ['a waypoint', 'Gateway', listeners(MESH)],
  ['a gateway without listeners', 'Gateway', listeners(), /listeners.* at least 1/],
  ['two listeners of one name', 'Gateway', listeners(MESH, { ...MESH, port: 15009 }), /Duplicate|unique/],
  ['two listeners on one port', 'Gateway', listeners(MESH, { ...MESH, name: 'b' }), /Combination of port/],
  [
    'TLS on a plaintext listener',
    'Gateway',
    listeners({ name: 'a', port: 80, protocol: 'HTTP', tls: { mode: 'Passthrough' } }),
    /tls must not/,
  ],
  [
    'a TLS listener without certificates',
    'Gateway',
    listeners({ name: 'a', port: 443, protocol: 'HTTPS', tls: {} }),
    /certificateRefs or options/,
  ],
  [
    'a TLS listener that passes through',
    'Gateway',
    listeners({ name: 'a', port: 443, protocol: 'TLS', tls: { mode: 'Passthrough' } }),
  ],
  [
    'a name on a TCP listener',
    'Gateway',
    listeners({ name: 'a', port: 1, protocol: 'TCP', hostname: 'a.b' }),
    /hostname must not/,
  ],
  ['a port of a gateway that is none', 'Gateway', listeners({ ...MESH, port: 0 }), /port/],
  [
    'an unknown word for namespaces',
    'Gateway',
    listeners({ ...MESH, allowedRoutes: { namespaces: { from: 'Any' } } }),
    /from/,
  ],
  [
    'labels for the objects of a gateway',
    'Gateway',
    { ...(listeners(MESH) as object), infrastructure: { labels: { 'a.b/c': 'd' } } },
  ],
  [
    'a label key that is none',
    'Gateway',
    { ...(listeners(MESH) as object), infrastructure: { labels: { '/c': 'd' } } },
    /keys must be/,
  ],
  [
    'an address that is none',
    'Gateway',
    { ...(listeners(MESH) as object), addresses: [{ value: 'a.b' }] },
    /must be an IP/,
  ],
  [
    'one address twice',
    'Gateway',
    { ...(listeners(MESH) as object), addresses: [{ value: '::1' }, { value: '::1' }] },
    /unique/,
  ],
  ['a class', 'GatewayClass', { controllerName: 'istio.io/mesh-controller' }],
  ['a class whose controller has no domain', 'GatewayClass', { controllerName: 'mesh' }, /controllerName/],
  ['a route without rules', 'HTTPRoute', {}],
  ['one parent on two ports', 'HTTPRoute', { parentRefs: [parent({ port: 80 }), parent({ port: 81 })] }],
  ['one parent twice', 'HTTPRoute', { parentRefs: [parent(), parent()] }, /unique/],
  ['one parent, once without a port', 'HTTPRoute', { parentRefs: [parent(), parent({ port: 80 })] }, /in every entry/],
  ['two namespaces of one name of a parent', 'HTTPRoute', { parentRefs: [parent(), parent({ namespace: 'other' })] }],
  ['a backend without a port', 'HTTPRoute', { rules: [{ backendRefs: [{ name: 'a' }] }] }, /Must have port/],
  [
    'a backend of another kind without a port',
    'HTTPRoute',
    { rules: [{ backendRefs: [{ name: 'a', group: 'x.y', kind: 'Z' }] }] },
  ],
  ['a weight below nothing', 'HTTPRoute', { rules: [{ backendRefs: [{ name: 'a', port: 1, weight: -1 }] }] }, /weight/],
  ['a host that is an address of all', 'HTTPRoute', { hostnames: ['*'] }, /hostnames/],
  ['a path', 'HTTPRoute', path('Exact', '/a%20b/~c')],
  ['a relative path', 'HTTPRoute', path('Exact', 'a'), /absolute path/],
  ['a path that goes up', 'HTTPRoute', path('PathPrefix', '/a/../b'), /must not contain '\/\.\.\/'/],
  ['a path that ends by going up', 'HTTPRoute', path('PathPrefix', '/a/..'), /must not end/],
  ['a path with a hidden slash', 'HTTPRoute', path('PathPrefix', '/a%2fb'), /%2f/],
  ['a path with a blank', 'HTTPRoute', path('Exact', '/a b'), /characters of a path/],
  ['an expression for paths', 'HTTPRoute', path('RegularExpression', 'a b|..')],
  [
    'too many matches',
    'HTTPRoute',
    { rules: [64, 64, 1].map((n) => ({ matches: Array.from({ length: n }, () => ({})) })) },
    /total number of matches/,
  ],
  ['retries', 'HTTPRoute', http({ retry: { codes: [500, 503], attempts: 2, backoff: '100ms' } })],
  [
    'a session that lasts',
    'HTTPRoute',
    http({
      sessionPersistence: {
        type: 'Cookie',
        sessionName: 'shop',
        absoluteTimeout: '1h',
        idleTimeout: '10m',
        cookieConfig: { lifetimeType: 'Permanent' },
      },
    }),
  ],
  [
    'a cookie that lasts, nobody knows how long',
    'HTTPRoute',
    http({ sessionPersistence: { cookieConfig: { lifetimeType: 'Permanent' } } }),
    /AbsoluteTimeout must be specified/,
  ],
  ['a retry of what went well', 'HTTPRoute', http({ retry: { codes: [200] } }), /codes/],
  ['timeouts', 'HTTPRoute', http({ timeouts: { request: '10s', backendRequest: '1500ms' } })],
  [
    'an attempt that may take longer than all',
    'HTTPRoute',
    http({ timeouts: { request: '1s', backendRequest: '2s' } }),
    /cannot be longer/,
  ],
  ['an attempt, and no end of all', 'HTTPRoute', http({ timeouts: { request: '0s', backendRequest: '2s' } })],
  ['a time with decimals', 'HTTPRoute', http({ timeouts: { request: '1.5s' } }), /request/],
  [
    'a filter',
    'HTTPRoute',
    http({ filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'a', value: 'b' }] } }] }),
  ],
  ['a filter without content', 'HTTPRoute', http({ filters: [{ type: 'CORS' }] }), /filter.cors must be/],
  [
    'a filter with content of another',
    'HTTPRoute',
    http({ filters: [{ type: 'CORS', cors: {}, urlRewrite: {} }] }),
    /filter.urlRewrite must be/,
  ],
  [
    'a filter that may be once, twice',
    'HTTPRoute',
    http({
      filters: [
        { type: 'CORS', cors: {} },
        { type: 'CORS', cors: {} },
      ],
    }),
    /CORS filter cannot/,
  ],
  [
    'two mirrors',
    'HTTPRoute',
    http({
      filters: [1, 2].map((percent) => ({
        type: 'RequestMirror',
        requestMirror: { backendRef: { name: 'a', port: 1 }, percent },
      })),
    }),
  ],
  [
    'a mirror of more than all',
    'HTTPRoute',
    http({
      filters: [
        { type: 'RequestMirror', requestMirror: { backendRef: { name: 'a', port: 1 }, fraction: { numerator: 101 } } },
      ],
    }),
    /numerator must/,
  ],
  [
    'a redirect',
    'HTTPRoute',
    { rules: [{ filters: [{ type: 'RequestRedirect', requestRedirect: { statusCode: 308 } }] }] },
  ],
  [
    'a redirect with a backend',
    'HTTPRoute',
    http({ filters: [{ type: 'RequestRedirect', requestRedirect: {} }] }),
    /must not be used together/,
  ],
  [
    'a redirect with a status of its own',
    'HTTPRoute',
    { rules: [{ filters: [{ type: 'RequestRedirect', requestRedirect: { statusCode: 304 } }] }] },
    /statusCode/,
  ],
  [
    'a rewrite of a prefix that is matched',
    'HTTPRoute',
    http({ matches: [{ path: { value: '/a' } }], filters: [prefixRewrite] }),
  ],
  [
    'a rewrite of a prefix where two are matched',
    'HTTPRoute',
    http({ matches: [{}, { path: { value: '/a' } }], filters: [prefixRewrite] }),
    /exactly one PathPrefix/,
  ],
  [
    'a rewrite at a backend of a prefix that is not matched',
    'HTTPRoute',
    {
      rules: [
        {
          matches: [{ path: { type: 'Exact', value: '/a' } }],
          backendRefs: [{ name: 'a', port: 1, filters: [prefixRewrite] }],
        },
      ],
    },
    /Within backendRefs/,
  ],
  [
    'all origins and one more',
    'HTTPRoute',
    http({ filters: [{ type: 'CORS', cors: { allowOrigins: ['*', 'https://a.b'] } }] }),
    /alongside/,
  ],
  ['calls of a method', 'GRPCRoute', { rules: [{ matches: [{ method: { service: 'a.b.C', method: 'D' } }] }] }],
  ['calls of nothing', 'GRPCRoute', { rules: [{ matches: [{ method: {} }] }] }, /One or both/],
  [
    'calls of a service that has no name',
    'GRPCRoute',
    { rules: [{ matches: [{ method: { service: 'a/b' } }] }] },
    /service must only/,
  ],
  ['connections', 'TCPRoute', { parentRefs: [parent()], rules: [{ backendRefs }] }],
  ['connections by two rules', 'TCPRoute', { rules: [{ backendRefs }, { backendRefs }] }, /at most 1/],
  ['connections to nowhere', 'TCPRoute', { rules: [{ backendRefs: [] }] }, /at least 1/],
  ['server names', 'TLSRoute', { hostnames: ['*.a.b'], rules: [{ backendRefs }] }],
  ['no server name', 'TLSRoute', { rules: [{ backendRefs }] }, /hostnames: Required/],
  [
    'a server name that is an address',
    'TLSRoute',
    { hostnames: ['10.0.0.1'], rules: [{ backendRefs }] },
    /cannot contain an IP/,
  ],
  [
    'a grant',
    'ReferenceGrant',
    {
      from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'a' }],
      to: [{ group: '', kind: 'Service' }],
    },
  ],
  ['a grant to nobody', 'ReferenceGrant', { from: [], to: [{ group: '', kind: 'Service' }] }, /from/],
  ['TLS with a service', 'BackendTLSPolicy', tls({ wellKnownCACertificates: 'System' })],
  [
    'TLS by authorities',
    'BackendTLSPolicy',
    tls({ caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] }),
  ],
  ['TLS that trusts nobody', 'BackendTLSPolicy', tls({}), /must specify either/],
  [
    'TLS that trusts the web and others',
    'BackendTLSPolicy',
    tls({ wellKnownCACertificates: 'System', caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] }),
    /must not contain both/,
  ],
  [
    'TLS with whoever is below a domain',
    'BackendTLSPolicy',
    tls({ wellKnownCACertificates: 'System', subjectAltNames: [{ type: 'Hostname', hostname: '*.a.b' }] }),
  ],
  [
    'a name of the wrong type',
    'BackendTLSPolicy',
    tls({ wellKnownCACertificates: 'System', subjectAltNames: [{ type: 'URI', hostname: 'a.b' }] }),
    /type URI needs uri/,
  ],
  [
    'TLS with one port and with all',
    'BackendTLSPolicy',
    tls({ wellKnownCACertificates: 'System' }, [service('a'), { ...service('a'), sectionName: 'b' }]),
    /sectionName must be specified/,
  ],
  [
    'TLS with two ports',
    'BackendTLSPolicy',
    tls({ wellKnownCACertificates: 'System' }, [
      { ...service('a'), sectionName: 'a' },
      { ...service('a'), sectionName: 'b' },
    ]),
  ],
  ['one in a hundred', 'Telemetry', { tracing: [{ providers: [{ name: 'otel' }], randomSamplingPercentage: 1 }] }],
  ['more than all', 'Telemetry', { tracing: [{ randomSamplingPercentage: 101 }] }, /randomSamplingPercentage/],
  ['a label made of nothing', 'Telemetry', labels({ a: { operation: 'UPSERT' } }), /value must be set/],
  ['a label taken away', 'Telemetry', labels({ a: { operation: 'REMOVE' } })],
  [
    'two metrics in one',
    'Telemetry',
    override({ match: { metric: 'REQUEST_COUNT', customMetric: 'x' } }),
    /only one of/,
  ],
  ['an issuer', 'RequestAuthentication', { jwtRules: [{ issuer: 'i', jwksUri: 'https://a.b/keys', timeout: '1s' }] }],
  [
    'keys twice',
    'RequestAuthentication',
    { jwtRules: [{ issuer: 'i', jwks: '{}', jwksUri: 'https://a.b' }] },
    /only one of jwks/,
  ],
  [
    'keys from a file',
    'RequestAuthentication',
    { jwtRules: [{ issuer: 'i', jwksUri: 'file:///etc/passwd' }] },
    /http or https/,
  ],
  [
    'a header that is none',
    'RequestAuthentication',
    { jwtRules: [{ outputClaimToHeaders: [{ header: 'a b', claim: 'c' }] }] },
    /header/,
  ],
  [
    'two ways to say whom it is about',
    'RequestAuthentication',
    { selector: {}, targetRefs: [] },
    /only one of targetRefs/,
  ],
];

for (const [name, kind, spec, refusal] of rows) {
  test(`${kind}: ${name} is ${refusal === undefined ? 'taken' : 'refused'}`, () => {
    const { problems } = written(kind, spec);
    if (refusal === undefined) assert.deepEqual(problems, []);
    else assert.match(problems.join('\n'), refusal);
  });
}

test('what a route leaves out is filled in', () => {
  assert.deepEqual(specOf('HTTPRoute', { parentRefs: [{ name: 'a' }], rules: [{ backendRefs }] }), {
    parentRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'a' }],
    rules: [
      {
        matches: [{ path: { type: 'PathPrefix', value: '/' } }],
        backendRefs: [{ group: '', kind: 'Service', name: 'a', port: 80, weight: 1 }],
      },
    ],
  });
  assert.deepEqual(specOf('HTTPRoute', {}), { rules: [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }] }] });
});

test('a gateway that nobody has looked at says that it waits, and lets in its own namespace', () => {
  const { spec, status } = written('Gateway', listeners(MESH)).stored as {
    spec: { listeners: { allowedRoutes: Json }[] };
    status: { conditions: { type: string; status: string }[] };
  };
  assert.deepEqual(spec.listeners[0]?.allowedRoutes, { namespaces: { from: 'Same' } });
  assert.deepEqual(
    status.conditions.map(({ type, status: is }) => `${type} ${is}`),
    ['Accepted Unknown', 'Programmed Unknown'],
  );
});

test('conditions are told apart by their type, so that controllers write their own alone', () => {
  const lists: Json[] = [];
  const walk = (value: Json, name: string): void => {
    if (typeof value !== 'object' || value === null) return;
    if (name === 'conditions' && 'items' in value)
      lists.push((value as Record<string, Json>)['x-kubernetes-list-map-keys'] ?? null);
    for (const [word, inner] of Object.entries(value)) walk(inner as Json, word);
  };
  for (const kind of ['Gateway', 'GatewayClass', 'HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute'] as const)
    walk(schemaOf(kind), '');
  assert.deepEqual(
    lists,
    Array.from({ length: 7 }, () => ['type']),
  );
});

test('the controller of a class stays', () => {
  const of = (controllerName: string): Json => ({
    apiVersion: 'v1',
    kind: 'GatewayClass',
    metadata: { name: 'x' },
    spec: { controllerName },
  });
  assert.deepEqual(schema('GatewayClass').validate(of('a.b/c'), of('a.b/c')), []);
  assert.match(schema('GatewayClass').validate(of('a.b/d'), of('a.b/c'))[0]?.message ?? '', /immutable/);
});
