import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ambient, object, peers, pod, policy, service } from '../analyze/test-support.ts';
import { coverageOf } from '../authz/coverage.ts';
import type { KubeObject } from '../kube-object.ts';
import { buildModel } from './model.ts';
import { predict } from './predict.ts';
import { decidingRules, type PredictedCase, type Prediction, type Reason, type Verdict } from './prediction.ts';
import { type HttpQuestion, parseCallee, parseCaller } from './question.ts';

const GROUP = 'gateway.networking.k8s.io/v1';
const USES = { 'istio.io/use-waypoint': 'gate' };
const gateLabels = { 'gateway.networking.k8s.io/gateway-name': 'gate' };
const GATE: readonly KubeObject[] = [
  {
    ...object(GROUP, 'Gateway', 'shop/gate', {
      gatewayClassName: 'istio-waypoint',
      listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }],
    }),
    status: { addresses: [{ type: 'Hostname', value: 'gate.shop.svc.cluster.local' }] },
  },
  pod('shop/gate', {
    labels: { ...gateLabels, 'networking.istio.io/tunnel': 'http', 'istio.io/dataplane-mode': 'none' },
    captured: false,
    ip: '10.1.9.9',
  }),
  service(
    'shop/gate',
    { clusterIP: '10.96.0.9', selector: gateLabels, ports: [{ name: 'mesh', port: 15008 }] },
    { labels: { 'gateway.istio.io/managed': 'istio.io-mesh-controller' } },
  ),
];
const SHOP: readonly KubeObject[] = [
  ambient('shop', USES),
  ambient('office'),
  ...GATE,
  pod('shop/web', { ip: '10.1.0.1' }),
  pod('office/boss', { ip: '10.1.0.5' }),
  pod('shop/cart', { ip: '10.1.0.2', labels: { app: 'cart' } }),
  pod('shop/next', { ip: '10.1.0.3', labels: { app: 'next' } }),
  service('shop/cart', {
    clusterIP: '10.96.0.1',
    selector: { app: 'cart' },
    ports: [
      { name: 'http', port: 80, targetPort: 8080 },
      { name: 'tcp-x', port: 90, targetPort: 9090 },
      { name: 'what', port: 70, targetPort: 7070 },
    ],
  }),
  service('shop/next', {
    clusterIP: '10.96.0.2',
    selector: { app: 'next' },
    ports: [{ name: 'http', port: 80, targetPort: 8080 }],
  }),
];
const on = (spec: object, path = 'shop/p', target: object = { group: '', kind: 'Service', name: 'cart' }) =>
  policy(path, { targetRefs: [target], ...spec });
const paths = (...written: readonly string[]) => ({ rules: [{ to: [{ operation: { paths: written } }] }] });
const from = (source: object) => ({ rules: [{ from: [{ source }] }] });
const route = (rules: readonly object[], path = 'shop/r') =>
  object(GROUP, 'HTTPRoute', path, {
    parentRefs: [{ group: '', kind: 'Service', name: 'cart', namespace: 'shop' }],
    rules,
  });
const to = (name: string, weight?: number) => ({
  name,
  namespace: 'shop',
  port: 80,
  ...(weight !== undefined && { weight }),
});
const jwt = (...rules: readonly object[]) =>
  object('security.istio.io/v1', 'RequestAuthentication', 'shop/jwt', {
    targetRefs: [{ group: '', kind: 'Service', name: 'cart' }],
    jwtRules: rules,
  });

function ask(
  objects: readonly KubeObject[],
  http?: HttpQuestion,
  callee = 'svc/cart.shop:80',
  caller = 'pod/web.shop',
): Prediction {
  const [a, b] = [parseCaller(caller), parseCallee(callee)];
  assert(a.ok && b.ok);
  return predict(buildModel([...SHOP, ...objects]), { from: a.value, to: b.value, ...(http && { http }) });
}

type Row = readonly [
  name: string,
  objects: readonly KubeObject[],
  http: HttpQuestion | undefined,
  want: readonly [Verdict, Reason],
  because: RegExp,
  callee?: string,
  caller?: string,
];

const ONLY_WEB = {
  selector: { matchLabels: { app: 'cart' } },
  ...from({ principals: ['cluster.local/ns/shop/sa/web'] }),
};
const ISSUER = 'https://issuer.example';
const NO_ADMIN = on({ action: 'DENY', ...paths('/admin*') });
const rows: readonly Row[] = [
  [
    'nothing is asked of requests, so none has to be named',
    [],
    undefined,
    ['allowed', 'no-allow-policies'],
    /waypoint shop\/gate has no ALLOW policy about it/,
  ],
  [
    'where HTTP is asked about, a request has to be named',
    [NO_ADMIN],
    undefined,
    ['unknown', 'waypoint-decides'],
    /it depends on the request/,
  ],
  [
    'a path that a policy denies',
    [NO_ADMIN],
    { path: '/admin/x' },
    ['denied', 'deny-rule'],
    /AuthorizationPolicy shop\/p, rule 0, denies it at waypoint shop\/gate/,
  ],
  [
    'written otherwise, it is the same path',
    [NO_ADMIN],
    { path: '/x/../%61dmin' },
    ['denied', 'deny-rule'],
    /denies it/,
  ],
  ['another path', [NO_ADMIN], { path: '/items' }, ['allowed', 'no-allow-policies'], /no DENY rule matches/],
  ['a path that is none', [NO_ADMIN], { path: '/%00' }, ['denied', 'request-refused'], /answers 400/],
  [
    'a method that is allowed',
    [on({ rules: [{ to: [{ operation: { methods: ['GET'] } }] }] })],
    { method: 'GET' },
    ['allowed', 'allow-rule'],
    /rule 0, allows it at waypoint/,
  ],
  [
    'a method that is not',
    [on({ rules: [{ to: [{ operation: { methods: ['GET'] } }] }] })],
    { method: 'POST' },
    ['denied', 'no-allow-match'],
    /no rule of them matches/,
  ],
  [
    'a header',
    [on({ rules: [{ when: [{ key: 'request.headers[x-team]', values: ['blue'] }] }] })],
    { headers: { 'X-Team': 'blue' } },
    ['allowed', 'allow-rule'],
    /allows it/,
  ],
  [
    'the host is that of the service',
    [on({ rules: [{ to: [{ operation: { hosts: ['cart.shop.svc.cluster.local'] } }] }] })],
    {},
    ['allowed', 'allow-rule'],
    /allows it/,
  ],
  [
    'the port is that of the service',
    [on({ rules: [{ to: [{ operation: { ports: ['80'] } }] }] })],
    {},
    ['allowed', 'allow-rule'],
    /allows it/,
  ],
  [
    'a policy about the waypoint',
    [on(paths('/x'), 'shop/p', { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gate' })],
    {},
    ['denied', 'no-allow-match'],
    /waypoint shop\/gate/,
  ],
  [
    'a policy for another service',
    [on(paths('/x'), 'shop/p', { group: '', kind: 'Service', name: 'next' })],
    {},
    ['allowed', 'no-allow-policies'],
    /no ALLOW policy/,
  ],
  [
    'a caller is known through the waypoint',
    [on(from({ principals: ['cluster.local/ns/shop/sa/web'] }))],
    {},
    ['allowed', 'allow-rule'],
    /allows it at waypoint/,
  ],
  [
    'another caller is not',
    [on(from({ principals: ['cluster.local/ns/shop/sa/web'] }))],
    {},
    ['denied', 'no-allow-match'],
    /no rule/,
    'svc/cart.shop:80',
    'pod/boss.office',
  ],

  [
    'a token that a policy wants',
    [jwt({ issuer: ISSUER }), on(from({ requestPrincipals: ['*'] }))],
    { claims: { sub: 'alice' } },
    ['allowed', 'allow-rule'],
    /allows it/,
  ],
  [
    'no token',
    [jwt({ issuer: ISSUER }), on(from({ requestPrincipals: ['*'] }))],
    {},
    ['denied', 'no-allow-match'],
    /no rule of them/,
  ],
  [
    'a claim',
    [jwt({ issuer: ISSUER }), on({ rules: [{ when: [{ key: 'request.auth.claims[groups]', values: ['admin'] }] }] })],
    { claims: { sub: 'a', groups: ['user', 'admin'] } },
    ['allowed', 'allow-rule'],
    /allows/,
  ],
  [
    'an issuer that nobody trusts',
    [jwt({ issuer: ISSUER })],
    { claims: { iss: 'https://other.example', sub: 'a' } },
    ['denied', 'token-refused'],
    /answers 401: no RequestAuthentication trusts issuer/,
  ],
  [
    'which of two issuers',
    [jwt({ issuer: ISSUER }, { issuer: 'https://b.example' })],
    { claims: { sub: 'a' } },
    ['denied', 'token-refused'],
    /several issuers/,
  ],
  [
    'an audience that is not wanted',
    [jwt({ issuer: ISSUER, audiences: ['cart'] })],
    { claims: { sub: 'a', aud: 'shop' } },
    ['denied', 'token-refused'],
    /answers 403: the token is for shop, and one of the audiences cart/,
  ],
  [
    'no token, where one is required',
    [jwt({ issuer: ISSUER, presence: 'REQUIRED' })],
    {},
    ['denied', 'token-refused'],
    /answers 401: a RequestAuthentication requires a token of https:\/\/issuer\.example, and the request has none/,
  ],
  [
    'no request, where one with a token is required',
    [jwt({ issuer: ISSUER, presence: 'REQUIRED' })],
    undefined,
    ['denied', 'token-refused'],
    /Jwt is missing/,
  ],
  [
    'no request, where one with a token is required and connections may be something else',
    [jwt({ issuer: ISSUER, presence: 'REQUIRED' })],
    undefined,
    ['unknown', 'waypoint-decides'],
    /it depends on the request/,
    'svc/cart.shop:70',
  ],
  [
    'the token that is required',
    [jwt({ issuer: ISSUER, presence: 'REQUIRED' }, { issuer: 'https://b.example' })],
    { claims: { sub: 'a' } },
    ['allowed', 'no-allow-policies'],
    /no ALLOW policy/,
  ],
  [
    'another token than the one that is required',
    [jwt({ issuer: ISSUER, presence: 'REQUIRED' }, { issuer: 'https://b.example' })],
    { claims: { iss: 'https://b.example', sub: 'a' } },
    ['denied', 'token-refused'],
    /trusts issuer "https:\/\/b\.example", only https:\/\/issuer\.example/,
  ],
  [
    'a token that nobody looks at',
    [on(from({ requestPrincipals: ['*'] }))],
    { claims: { sub: 'alice' } },
    ['denied', 'no-allow-match'],
    /no rule/,
  ],

  [
    'a rule of a route',
    [
      route([
        { matches: [{ path: { type: 'PathPrefix', value: '/v2' } }], backendRefs: [to('next')] },
        { backendRefs: [to('cart')] },
      ]),
    ],
    { path: '/v2/x' },
    ['allowed', 'no-allow-policies'],
    /behind waypoint shop\/gate, no ALLOW policy applies to shop\/next/,
  ],
  [
    'no rule of a route',
    [route([{ matches: [{ path: { type: 'Exact', value: '/v2' } }], backendRefs: [to('next')] }])],
    { path: '/' },
    ['denied', 'no-route'],
    /answers 404/,
  ],
  [
    'a backend that does not exist',
    [route([{ backendRefs: [to('gone')] }])],
    {},
    ['denied', 'route-fails'],
    /all of its requests fail/,
  ],
  [
    'a part that fails',
    [route([{ backendRefs: [to('gone', 1), to('cart', 3)] }])],
    {},
    ['unknown', 'it-depends'],
    /it depends: allowed by shop\/cart at 10\.1\.0\.2:8080, denied/,
  ],
  [
    'a redirect',
    [
      route([
        { filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'new.example', statusCode: 301 } }] },
      ]),
    ],
    {},
    ['allowed', 'waypoint-answers'],
    /a redirect \(301\) to new\.example/,
  ],
  ['a route without backends', [route([{}])], {}, ['denied', 'route-fails'], /500/],
  [
    'a route of the client’s own namespace is for its clients',
    [route([{ matches: [{ path: { type: 'Exact', value: '/x' } }], backendRefs: [to('cart')] }], 'office/r')],
    {},
    ['allowed', 'no-allow-policies'],
    /no ALLOW/,
  ],
  [
    'and for nobody else',
    [route([{ matches: [{ path: { type: 'Exact', value: '/x' } }], backendRefs: [to('cart')] }], 'office/r')],
    {},
    ['denied', 'no-route'],
    /404/,
    'svc/cart.shop:80',
    'pod/boss.office',
  ],
  [
    'a policy is asked before routes',
    [NO_ADMIN, route([{ matches: [{ path: { type: 'Exact', value: '/v2' } }], backendRefs: [to('next')] }])],
    { path: '/admin' },
    ['denied', 'deny-rule'],
    /rule 0, denies/,
  ],

  [
    'HTTP on a TCP port is not seen: an ALLOW rule is left out',
    [on(paths('/x'))],
    { path: '/x' },
    ['denied', 'no-allow-match'],
    /no rule/,
    'svc/cart.shop:90',
  ],
  [
    'a DENY rule denies more there',
    [NO_ADMIN],
    { path: '/items' },
    ['denied', 'deny-rule'],
    /denies it/,
    'svc/cart.shop:90',
  ],
  ['a port that the service does not have', [], {}, ['denied', 'port-not-served'], /no port 81/, 'svc/cart.shop:81'],
  [
    'a port that says nothing, asked about with a request',
    [NO_ADMIN],
    { path: '/admin' },
    ['denied', 'deny-rule'],
    /denies/,
    'svc/cart.shop:70',
  ],

  [
    'endpoints judge the original caller',
    [policy('shop/l4', ONLY_WEB)],
    {},
    ['allowed', 'no-allow-policies'],
    /behind waypoint shop\/gate, AuthorizationPolicy shop\/l4, rule 0, allows it/,
  ],
  [
    'and refuse it as they would without a waypoint',
    [policy('shop/l4', ONLY_WEB)],
    {},
    ['denied', 'no-allow-match'],
    /behind waypoint/,
    'svc/cart.shop:80',
    'pod/boss.office',
  ],
  [
    'whatever is sent, what endpoints refuse is refused',
    [NO_ADMIN, policy('shop/l4', ONLY_WEB)],
    undefined,
    ['denied', 'no-allow-match'],
    /the endpoints behind it refuse: ALLOW/,
    'svc/cart.shop:80',
    'pod/boss.office',
  ],
  [
    'STRICT lets the waypoint in',
    [peers('shop/default', { mtls: { mode: 'STRICT' } })],
    {},
    ['allowed', 'no-allow-policies'],
    /no ALLOW/,
  ],
  [
    'an address that a policy looks at',
    [on(from({ ipBlocks: ['10.1.0.1'] }))],
    {},
    ['allowed', 'allow-rule'],
    /allows/,
  ],
];
for (const [name, objects, http, want, because, callee, caller] of rows) {
  test(`through a waypoint: ${name}`, () => {
    const found = ask(objects, http, callee, caller);
    assert.deepEqual([found.verdict, found.reason], want, found.because);
    assert.match(found.because, because);
  });
}

function only({ cases }: Prediction): PredictedCase {
  const [one] = cases;
  assert(one !== undefined && cases.length === 1);
  return one;
}

test('every backend is a case of its own, with its share', () => {
  const { cases, verdict } = ask([route([{ name: 'canary', backendRefs: [to('cart', 9), to('next', 1)] }])], {});
  assert.equal(verdict, 'allowed');
  assert.deepEqual(
    cases.map(({ route: taken, endpoints }) => [taken?.name, taken?.backend?.share, endpoints]),
    [
      ['canary', 0.9, ['shop/cart at 10.1.0.2:8080']],
      ['canary', 0.1, ['shop/next at 10.1.0.3:8080']],
    ],
  );
});

test('the path is told hop by hop, through the waypoint to the endpoint', () => {
  const { hops } = only(ask([route([{ backendRefs: [to('next')] }])], { path: '/' }));
  assert.deepEqual(
    hops.map(({ kind, outcome }) => `${kind} ${outcome}`),
    [
      'waypoint',
      'identity',
      'encryption',
      'policy',
      'route',
      'endpoint',
      'enrolment',
      'identity',
      'encryption',
      'policy',
    ].map((kind) => `${kind} passes`),
  );
  assert.match(hops[4]?.says ?? '', /rule shop\.r\.0 sends all to next\.shop\.svc\.cluster\.local port 80/);
  assert.match(hops[7]?.says ?? '', /the waypoint shows .*\/sa\/gate/);
});

test('a denial names what came closest, and what to change', () => {
  const { next, cases } = ask([on({ rules: [{ to: [{ operation: { methods: ['GET'], paths: ['/items'] } }] }] })], {
    path: '/other',
  });
  assert.deepEqual(cases[0]?.http?.nearestMiss, {
    policy: 'shop/p',
    rule: 0,
    field: 'paths',
    wanted: '/items',
    got: '/other',
  });
  assert.deepEqual(next, [
    'if this should be allowed, add /other to paths in AuthorizationPolicy shop/p, spec.rules[0]',
  ]);
});

test('an endpoint of a service that is not behind this waypoint does not take its word for who calls', () => {
  const elsewhere = [
    pod('office/far', { ip: '10.1.0.7', labels: { app: 'far' } }),
    service('office/far', { clusterIP: '10.96.0.7', selector: { app: 'far' }, ports: [{ name: 'http', port: 80 }] }),
    object('gateway.networking.k8s.io/v1', 'ReferenceGrant', 'office/g', {
      from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'shop' }],
      to: [{ group: '', kind: 'Service' }],
    }),
    route([{ backendRefs: [{ name: 'far', namespace: 'office', port: 80 }] }]),
    policy('office/l4', from({ principals: ['cluster.local/ns/shop/sa/web'] })),
  ];
  const { verdict, cases } = ask(elsewhere, {});
  assert.equal(verdict, 'denied');
  assert.match(JSON.stringify(cases[0]?.hops), /not believed to call for spiffe/);
});

test('an external authorizer is named, and its answer is not predicted', () => {
  const config = {
    ...object('v1', 'ConfigMap', 'istio-system/istio', {}),
    data: {
      mesh: 'extensionProviders: [{name: opa, envoyExtAuthzHttp: {service: opa.shop.svc.cluster.local, port: 80}}]',
    },
  };
  const custom = on({ action: 'CUSTOM', provider: { name: 'opa' }, ...paths('/ask') });
  const { verdict, reason, because } = ask([config, custom], { path: '/ask' });
  assert.deepEqual([verdict, reason], ['unknown', 'authorizer-decides']);
  assert.match(because, /opa \(AuthorizationPolicy shop\/p, rule 0\)/);
  assert.equal(ask([config, custom], { path: '/other' }).verdict, 'allowed');
});

test('what a route leads to is judged by its own policies, too, by the path that it is asked for there', () => {
  const filters = [
    { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/admin' } } },
  ];
  const matches = [{ path: { type: 'PathPrefix', value: '/old' } }];
  const next = { group: '', kind: 'Service', name: 'next' };
  const objects = [
    route([{ backendRefs: [to('next')] }, { matches, filters, backendRefs: [to('next')] }]),
    on({ action: 'DENY', ...paths('/admin/*') }, 'shop/no-admin', next),
  ];
  assert.equal(ask(objects, { path: '/other' }).verdict, 'allowed');
  for (const path of ['/admin/x', '/old/x']) {
    const { verdict, because } = ask(objects, { path });
    assert.equal(verdict, 'denied', path);
    assert.match(
      because,
      /shop\/no-admin, rule 0, denies it .*for next\.shop\.svc\.cluster\.local, which a route leads to/,
    );
  }
});

test('what the routes of a client’s own namespace make of a request is what the policies of the service judge', () => {
  const filters = [
    { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: '/admin' } } },
  ];
  const objects = [
    route([{ filters, backendRefs: [to('cart')] }], 'office/r'),
    on({ action: 'DENY', ...paths('/admin') }),
  ];
  assert.equal(ask(objects, { path: '/public' }, 'svc/cart.shop:80', 'pod/boss.office').verdict, 'denied');
  assert.equal(ask(objects, { path: '/public' }).verdict, 'allowed');
});

const NEXT = { group: '', kind: 'Service', name: 'next' };
const LED: readonly Row[] = [
  [
    'a backend that is closed to addresses, for a caller whose address is not known',
    [
      route([{ backendRefs: [to('next')] }]),
      on({ action: 'DENY', ...from({ ipBlocks: ['10.1.0.0/16'] }) }, 'shop/n', NEXT),
    ],
    {},
    ['unknown', 'address-matters'],
    /next\.shop\.svc\.cluster\.local, which a route leads to, look at the caller's address/,
    'svc/cart.shop:80',
    'sa/future.shop',
  ],
  [
    'a backend that is open to addresses, likewise',
    [route([{ backendRefs: [to('next')] }]), on(from({ ipBlocks: ['10.1.0.0/16'] }), 'shop/n', NEXT)],
    {},
    ['unknown', 'address-matters'],
    /address/,
    'svc/cart.shop:80',
    'sa/future.shop',
  ],
  [
    'a backend whose policies look at its own address, which was not called',
    [
      route([{ backendRefs: [to('next')] }]),
      on({ rules: [{ when: [{ key: 'destination.ip', values: ['10.96.0.2'] }] }] }, 'shop/n', NEXT),
    ],
    {},
    ['denied', 'no-allow-match'],
    /which a route leads to/,
  ],
  [
    'a backend whose policies look at the port that the route names',
    [
      route([{ backendRefs: [to('next')] }]),
      on({ rules: [{ to: [{ operation: { ports: ['80'] } }] }] }, 'shop/n', NEXT),
    ],
    {},
    ['allowed', 'allow-rule'],
    /AuthorizationPolicy shop\/n, rule 0, allows it at waypoint shop\/gate, for next\.\S+, which a route leads to/,
  ],
];
for (const [name, objects, http, want, because, callee, caller] of LED) {
  test(`a route leads to ${name}`, () => {
    const prediction = ask(objects, http, callee, caller);
    assert.deepEqual([prediction.verdict, prediction.reason], want, prediction.because);
    assert.match(prediction.because, because);
  });
}

test('what decides on the way of a route are the rules of both services, and tests touch both', () => {
  const objects = [
    ...SHOP,
    route([{ backendRefs: [to('next')] }]),
    on({ rules: [{ to: [{ operation: { paths: ['/a'] } }] }, { to: [{ operation: { paths: ['/b'] } }] }] }),
    on({ rules: [{ to: [{ operation: { methods: ['GET'] } }] }] }, 'shop/n', NEXT),
  ];
  const model = buildModel(objects);
  const asks = (http: HttpQuestion) => {
    const [a, b] = [parseCaller('pod/web.shop'), parseCallee('svc/cart.shop:80')];
    assert(a.ok && b.ok);
    return predict(model, { from: a.value, to: b.value, http });
  };
  const [allowed, denied] = [asks({ path: '/a' }), asks({ path: '/b', method: 'POST' })];
  assert.deepEqual(allowed.cases.map(decidingRules), [
    [
      { policy: 'shop/p', rule: 0 },
      { policy: 'shop/n', rule: 0 },
    ],
  ]);
  const [one] = denied.cases;
  assert.deepEqual([one?.verdict, one?.http?.verdict, one?.ledTo?.verdict], ['denied', 'allow', 'deny']);
  const hops = one?.hops.slice(-3).map(({ kind, outcome }) => `${kind} ${outcome}`);
  assert.deepEqual(hops, ['policy passes', 'route passes', 'policy stops']);
  assert.deepEqual(one?.next, [
    'if this should be allowed, add POST to methods in AuthorizationPolicy shop/n, spec.rules[0]',
  ]);
  const states = coverageOf(model, [allowed, denied]).map(({ policy: key, rule, state }) => `${key} ${rule} ${state}`);
  assert.deepEqual(states, ['shop/p 0 decided', 'shop/p 1 matched', 'shop/n 0 decided']);
});

test('what a waypoint reaches by name is told, by a route as well as by the name of the entry', () => {
  const entry = (name: string, spec: object) =>
    object('networking.istio.io/v1', 'ServiceEntry', `shop/${name}`, {
      ports: [{ name: 'http', number: 80, targetPort: 443, protocol: 'HTTP' }],
      location: 'MESH_EXTERNAL',
      ...spec,
    });
  const api = { group: 'networking.istio.io', kind: 'Hostname', name: 'api.example.com', port: 80 };
  const objects = [
    entry('api', { hosts: ['api.example.com'], resolution: 'DNS', addresses: ['192.0.2.1'] }),
    entry('all', { hosts: ['*.example.org'], resolution: 'DYNAMIC_DNS', addresses: ['192.0.2.2'] }),
    service('shop/away', { clusterIP: '10.96.0.7', ports: [{ name: 'http', port: 80 }] }),
    object(GROUP, 'HTTPRoute', 'shop/away', {
      parentRefs: [{ group: '', kind: 'Service', name: 'away' }],
      rules: [{ backendRefs: [api] }],
    }),
    on({ action: 'DENY', ...paths('/admin') }, 'shop/api', {
      group: 'networking.istio.io',
      kind: 'ServiceEntry',
      name: 'api',
    }),
  ];
  const rows: readonly [string, HttpQuestion | undefined, string, RegExp][] = [
    ['api.example.com:80', { path: '/' }, 'allowed', /api\.example\.com:443 is outside the mesh/],
    ['api.example.com:80', { path: '/admin' }, 'denied', /shop\/api, rule 0, denies it/],
    ['any.example.org:80', { path: '/' }, 'allowed', /\*\.example\.org:443 is outside the mesh/],
    ['svc/away.shop:80', { path: '/' }, 'allowed', /api\.example\.com:443 is outside the mesh/],
    ['svc/away.shop:80', { path: '/admin' }, 'denied', /which a route leads to/],
    ['svc/away.shop:80', undefined, 'unknown', /it depends on the request/],
  ];
  for (const [to, http, verdict, because] of rows) {
    const told = ask(objects, http, to);
    const name = `${to} ${http?.path}`;
    assert.equal(told.verdict, verdict, name);
    assert.match(told.because, because, name);
  }
});
