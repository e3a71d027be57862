import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ambient, object, pod, policy, service } from '../analyze/test-support.ts';
import type { KubeObject } from '../kube-object.ts';
import { buildModel } from '../predict/model.ts';
import { diffRequests } from './diff.ts';
import type { SeenRequest } from './request.ts';

const GATEWAY = 'gateway.networking.k8s.io/v1';
const SHOP: readonly KubeObject[] = [
  ambient('shop', { 'istio.io/use-waypoint': 'gate' }),
  {
    ...object(GATEWAY, 'Gateway', 'shop/gate', {
      gatewayClassName: 'istio-waypoint',
      listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }],
    }),
    status: { addresses: [{ type: 'Hostname', value: 'gate.shop.svc.cluster.local' }] },
  },
  pod('shop/cart', { ip: '10.1.0.2', labels: { app: 'cart' } }),
  pod('shop/web', { ip: '10.1.0.1' }),
  service('shop/cart', {
    clusterIP: '10.96.0.1',
    selector: { app: 'cart' },
    ports: [{ name: 'http', port: 80, targetPort: 8080 }],
  }),
];
const CART = { group: '', kind: 'Service', name: 'cart' };
const on = (spec: object, path = 'shop/p') => policy(path, { targetRefs: [CART], ...spec });
const row = (fields: Partial<SeenRequest> & { readonly path?: string } = {}): SeenRequest => {
  const { path = '/items/17', method = 'GET', ...rest } = fields;
  return {
    waypoint: 'shop/gate',
    source: 'spiffe://cluster.local/ns/shop/sa/web',
    destination: 'shop/cart.shop.svc.cluster.local',
    port: 80,
    method,
    paths: '/items/{*}',
    verdict: 'allow',
    example: { method, path, host: 'cart.shop' },
    count: 1,
    firstSeen: '2026-11-01T00:00:00Z',
    lastSeen: '2026-11-02T00:00:00Z',
    ...rest,
  };
};
const stranger = 'spiffe://cluster.local/ns/office/sa/boss';
const operation = (spec: object) => ({ rules: [{ to: [{ operation: spec }] }] });
const when = (key: string) => ({ rules: [{ when: [{ key, values: ['x'] }] }] });
const from = (source: object) => ({ rules: [{ from: [{ source }] }] });

const OPA = {
  ...object('v1', 'ConfigMap', 'istio-system/istio', {}),
  data: {
    mesh: 'extensionProviders: [{name: opa, envoyExtAuthzHttp: {service: opa.shop.svc.cluster.local, port: 80}}]',
  },
};
const asking = (spec: object) => on({ action: 'CUSTOM', provider: { name: 'opa' }, ...spec });

const GATE = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gate' };
const jwt = (rule: object = {}, target: object = CART) =>
  object('security.istio.io/v1', 'RequestAuthentication', 'shop/jwt', {
    targetRefs: [target],
    jwtRules: [{ issuer: 'https://a.example', ...rule }],
  });
const REQUIRED = { presence: 'REQUIRED' };

const NEXT = service('shop/next', {
  clusterIP: '10.96.0.2',
  selector: { app: 'cart' },
  ports: [{ name: 'http', port: 81, targetPort: 8080 }],
});
const onNext = (spec: object) =>
  policy('shop/next', { targetRefs: [{ group: '', kind: 'Service', name: 'next' }], ...spec });
const route = (rules: readonly object[], path = 'shop/split') =>
  object(GATEWAY, 'HTTPRoute', path, { parentRefs: [{ group: '', kind: 'Service', name: 'cart' }], rules });
const toNext = { name: 'next', port: 81 };
const toCart = { name: 'cart', port: 80 };
const toV2 = { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: '/v2' } } };
const CLIENTS = [
  object(GATEWAY, 'HTTPRoute', 'office/clients', {
    parentRefs: [{ group: '', kind: 'Service', name: 'cart', namespace: 'shop' }],
    rules: [{ backendRefs: [{ ...toNext, namespace: 'shop' }] }],
  }),
  object('gateway.networking.k8s.io/v1beta1', 'ReferenceGrant', 'shop/clients', {
    from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'office' }],
    to: [{ group: '', kind: 'Service' }],
  }),
];
const byHeader = { matches: [{ headers: [{ name: 'x-canary', value: 'yes' }] }], backendRefs: [toNext] };
const byPath = { matches: [{ path: { type: 'PathPrefix', value: '/elsewhere' } }], backendRefs: [toNext] };

type Case = {
  readonly before?: readonly KubeObject[];
  readonly after?: readonly KubeObject[];
  readonly seen?: SeenRequest;
  readonly expect: 'cut' | 'opened' | 'unclear' | 'unchanged' | 'not judged';
  readonly says?: RegExp;
};
const CASES: Readonly<Record<string, Case>> = {
  'a change that is about other paths': {
    after: [on({ action: 'DENY', ...operation({ paths: ['/admin*'] }) })],
    expect: 'unchanged',
  },
  'a DENY of its path': {
    after: [on({ action: 'DENY', ...operation({ paths: ['/items/*'] }) })],
    expect: 'cut',
    says: /AuthorizationPolicy shop\/p, rule 0, denies it at waypoint shop\/gate/,
  },
  'an ALLOW of other methods': {
    after: [on(operation({ methods: ['POST'] }))],
    expect: 'cut',
    says: /no rule of them matches/,
  },
  'an ALLOW that goes': { before: [on(operation({ methods: ['POST'] }))], expect: 'opened' },
  'a DENY of one of the paths that are one row': {
    after: [on({ action: 'DENY', ...operation({ paths: ['/items/42'] }) })],
    expect: 'unclear',
    says: /the path, of which many are one here/,
  },
  'a DENY of a host, of which one is kept': {
    after: [on({ action: 'DENY', ...operation({ hosts: ['inner'] }) })],
    expect: 'unclear',
    says: /the host/,
  },
  'an ALLOW by a header': { after: [on(when('request.headers[x-team]'))], expect: 'unclear', says: /headers/ },
  'a DENY by a claim': {
    after: [on({ action: 'DENY', ...when('request.auth.claims[role]') })],
    expect: 'unclear',
    says: /the token/,
  },
  'a DENY by a header beside one that matches anyway': {
    after: [
      on({ action: 'DENY', ...when('request.headers[x-team]') }),
      on({ action: 'DENY', rules: [{}] }, 'shop/all'),
    ],
    expect: 'cut',
  },
  'a header rule that is the same before and after': {
    before: [on(when('request.headers[x-team]'))],
    after: [on(when('request.headers[x-team]'))],
    expect: 'unchanged',
  },
  'a header rule that becomes another': {
    before: [on(when('request.headers[x-team]'))],
    after: [on(when('request.headers[x-squad]'))],
    expect: 'unclear',
  },
  'a token that is looked at where there is one': { after: [jwt()], expect: 'unchanged' },
  'a token that is required now': { before: [jwt()], after: [jwt(REQUIRED)], expect: 'unclear', says: /"the token"/ },
  'a token that is required now of all that comes through the waypoint': {
    after: [jwt(REQUIRED, GATE)],
    expect: 'unclear',
    says: /"the token"/,
  },
  'a token that is required no longer': { before: [jwt(REQUIRED)], after: [jwt()], expect: 'unclear', says: /allow/ },
  'a token that is required before and after': {
    before: [jwt(REQUIRED)],
    after: [jwt(REQUIRED)],
    expect: 'unchanged',
  },
  'a token that is required of another issuer now': {
    before: [jwt(REQUIRED)],
    after: [jwt({ ...REQUIRED, issuer: 'https://b.example' })],
    expect: 'unclear',
  },
  'a token that is required now, where a rule by a claim stays': {
    before: [jwt(), on(when('request.auth.claims[role]'))],
    after: [jwt(REQUIRED), on(when('request.auth.claims[role]'))],
    expect: 'unclear',
  },
  'a DENY of its path, beside a token that is required': {
    before: [jwt(REQUIRED)],
    after: [jwt(REQUIRED), on({ action: 'DENY', ...operation({ paths: ['/items/*'] }) })],
    expect: 'unclear',
    says: /shop\/p, rule 0, denies it/,
  },
  'a token that is required now of what is denied': {
    before: [on({ action: 'DENY', rules: [{}] })],
    after: [jwt(REQUIRED), on({ action: 'DENY', rules: [{}] })],
    expect: 'unchanged',
  },
  'a token that is required now of what asks an authorizer whom nobody has configured': {
    before: [asking({ rules: [{}] })],
    after: [jwt(REQUIRED), asking({ rules: [{}] })],
    expect: 'unchanged',
  },
  'a token that is required now for another service': {
    before: [NEXT],
    after: [NEXT, jwt(REQUIRED, { ...CART, name: 'next' })],
    expect: 'unchanged',
  },
  'a token that is required now of what only a route leads to': {
    before: [NEXT, route([{ backendRefs: [toNext] }])],
    after: [NEXT, route([{ backendRefs: [toNext] }]), jwt(REQUIRED, { ...CART, name: 'next' })],
    expect: 'unchanged',
  },
  "a DENY by the caller's address, whose pods are known": {
    after: [on({ action: 'DENY', ...from({ ipBlocks: ['10.1.0.0/24'] }) })],
    expect: 'cut',
  },
  "a DENY by the caller's address, whose pods are not": {
    after: [on({ action: 'DENY', ...from({ ipBlocks: ['10.1.0.0/24'] }) })],
    seen: row({ source: stranger }),
    expect: 'unclear',
    says: /the caller's address/,
  },
  'an authorizer who is to be asked now': {
    after: [OPA, asking(operation({ paths: ['/items/*'] }))],
    expect: 'unclear',
    says: /opa/,
  },
  'an authorizer who is to be asked, and whom nobody has configured': {
    after: [asking(operation({ paths: ['/items/*'] }))],
    expect: 'cut',
    says: /shop\/p, rule 0, asks opa at waypoint shop\/gate, who is no provider that the mesh configuration has/,
  },
  'an authorizer whom nobody has configured, who is to be asked about other paths': {
    after: [asking(operation({ paths: ['/admin/*'] }))],
    expect: 'unchanged',
  },
  'an authorizer whom nobody has configured, who is to be asked because of a header': {
    after: [asking(when('request.headers[x-team]'))],
    expect: 'unclear',
    says: /headers/,
  },
  'an authorizer who is configured now': {
    before: [asking(operation({ paths: ['/items/*'] }))],
    after: [OPA, asking(operation({ paths: ['/items/*'] }))],
    expect: 'opened',
  },
  'an authorizer who is configured now, and is to be asked because of a header': {
    before: [asking(when('request.headers[x-team]'))],
    after: [OPA, asking(when('request.headers[x-team]'))],
    expect: 'unclear',
  },
  'a DENY of what a route leads to, as the route has changed it': {
    before: [NEXT, route([{ backendRefs: [toNext], filters: [toV2] }])],
    after: [
      NEXT,
      route([{ backendRefs: [toNext], filters: [toV2] }]),
      onNext({ action: 'DENY', ...operation({ paths: ['/v2'], ports: ['81'] }) }),
    ],
    expect: 'cut',
    says: /shop\/next\.shop\.svc\.cluster\.local, which a route leads to/,
  },
  'a DENY of one of several that a route leads to': {
    before: [NEXT, route([{ backendRefs: [toNext, toCart] }])],
    after: [NEXT, route([{ backendRefs: [toNext, toCart] }]), onNext({ action: 'DENY', rules: [{}] })],
    expect: 'unclear',
    says: /the way that routes choose/,
  },
  'a DENY of what only a header leads to': {
    before: [NEXT, route([byHeader, { backendRefs: [toCart] }])],
    after: [NEXT, route([byHeader, { backendRefs: [toCart] }]), onNext({ action: 'DENY', rules: [{}] })],
    expect: 'unclear',
  },
  'a DENY of what other paths lead to': {
    before: [NEXT, route([byPath, { backendRefs: [toCart] }])],
    after: [NEXT, route([byPath, { backendRefs: [toCart] }]), onNext({ action: 'DENY', rules: [{}] })],
    expect: 'unchanged',
  },
  'an authorizer of what a route leads to': {
    before: [NEXT, route([{ backendRefs: [toNext] }])],
    after: [
      NEXT,
      route([{ backendRefs: [toNext] }]),
      onNext({ action: 'CUSTOM', provider: { name: 'opa' }, rules: [{}] }),
    ],
    expect: 'cut',
    says: /asks opa, whom nobody asks/,
  },
  "a DENY of what a route of the caller's own namespace leads to": {
    before: [NEXT, ...CLIENTS],
    after: [NEXT, ...CLIENTS, onNext({ action: 'DENY', rules: [{}] })],
    seen: row({ source: stranger }),
    expect: 'cut',
  },
  'a service that was never bound to that waypoint': { seen: row({ waypoint: 'shop/other' }), expect: 'not judged' },
  'a caller whom nobody can read': { seen: row({ source: 'nobody' }), expect: 'not judged' },
};
for (const [name, { before = [], after = [], seen = row(), expect, says }] of Object.entries(CASES)) {
  test(`of a request that was seen: ${name}`, () => {
    const diff = diffRequests(buildModel([...SHOP, ...before]), buildModel([...SHOP, ...after]), [seen]);
    const [change] = diff.changes;
    assert.equal(change?.effect ?? (diff.unchanged === 1 ? 'unchanged' : 'not judged'), expect);
    if (says !== undefined) assert.match(JSON.stringify(change?.after), says);
  });
}

test('what the pods of one waypoint have seen of one kind of request is one row', () => {
  const deny = on({ action: 'DENY', ...operation({ paths: ['/items/*'] }) });
  const seen = [row({ count: 2 }), row({ count: 3, verdict: 'deny' }), row({ method: 'POST', paths: '/' })];
  const { changes } = diffRequests(buildModel(SHOP), buildModel([...SHOP, deny]), seen);
  assert.deepEqual(
    changes.map(({ request }) => [request.method, request.count]),
    [
      ['GET', 5],
      ['POST', 1],
    ],
  );
});

test('of many rows, each that leaves other tests open, every one is judged as it would be alone', () => {
  const names = Array.from({ length: 80 }, (_, n) => `a${n}`);
  const deny = on({ action: 'DENY', ...operation({ paths: names.map((name) => `/${name}/special`) }) });
  const byHeader = on(when('request.headers[x-team]'), 'shop/q');
  const rules = names.map((name) => ({ to: [{ operation: { paths: [`/${name}/{*}`, `/items/${name}`] } }] }));
  const after = [...SHOP, deny, byHeader, on({ rules: rules.slice(1) }, 'shop/r')];
  const seen = names.flatMap((name) => [
    row({ paths: `/${name}/{*}`, path: `/${name}/17` }),
    row({ paths: `/${name}/17`, path: `/${name}/17`, source: stranger }),
  ]);
  const [before, then] = [buildModel(SHOP), buildModel(after)];
  const verdictOf = (diff: ReturnType<typeof diffRequests>) => diff.changes[0]?.after ?? diff.unchanged;
  const together = seen.map((one) => verdictOf(diffRequests(before, then, [one])));
  const alone = seen.slice(0, 8).map((one) => verdictOf(diffRequests(buildModel(SHOP), buildModel(after), [one])));
  assert.deepEqual(together.slice(0, 8), alone);
  assert.equal(diffRequests(before, then, seen).unchanged, names.length - 1); // the first is in no rule
});
