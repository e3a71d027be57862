import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ambient, object, pod, policy, service } from '../analyze/test-support.ts';
import type { KubeObject } from '../kube-object.ts';
import { buildModel } from '../predict/model.ts';
import { diffRequests } from './diff.ts';
import { judgeRequest, type SeenRequest } from './request.ts';
import { suggestForRequests } from './suggest-requests.ts';

const app = (name: string, n: number, ports: readonly object[]) => [
  pod(`shop/${name}`, { ip: `10.1.0.${n}`, labels: { app: name } }),
  service(`shop/${name}`, { clusterIP: `10.96.0.${n}`, selector: { app: name }, ports }),
];
const SHOP: readonly KubeObject[] = [
  ambient('shop', { 'istio.io/use-waypoint': 'gate' }),
  {
    ...object('gateway.networking.k8s.io/v1', 'Gateway', 'shop/gate', {
      gatewayClassName: 'istio-waypoint',
      listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }],
    }),
    status: { addresses: [{ type: 'Hostname', value: 'gate.shop.svc.cluster.local' }] },
  },
  ...app('cart', 1, [
    { name: 'http', port: 80 },
    { name: 'grpc', port: 90 },
  ]),
  ...app('price', 2, [
    { name: 'http', port: 80 },
    { name: 'tcp-db', port: 5432 },
    { name: 'some', port: 7000 },
  ]),
  ...['payments', 'many'].map((name, n) =>
    object('networking.istio.io/v1', 'ServiceEntry', `shop/${name}`, {
      hosts: [`${name}.example.com`, ...(name === 'many' ? ['more.example.com'] : [])],
      addresses: [`10.99.0.${n + 1}`],
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
      endpoints: [{ address: `192.0.2.${n + 1}` }],
    }),
  ),
];
const row = (fields: Partial<SeenRequest> = {}): SeenRequest => {
  const { method = 'GET', paths = '/items' } = fields;
  return {
    waypoint: 'shop/gate',
    source: 'spiffe://cluster.local/ns/shop/sa/web',
    destination: 'shop/cart.shop.svc.cluster.local',
    port: 80,
    method,
    paths,
    verdict: 'allow',
    example: { method, path: paths.replaceAll('{*}', '17').replaceAll('{**}', 'a/b'), host: 'cart.shop' },
    count: 1,
    firstSeen: '2026-11-01T00:00:00Z',
    lastSeen: '2026-11-02T00:00:00Z',
    ...fields,
  };
};
const specOf = (suggested: { readonly policy: KubeObject } | undefined) => suggested?.policy['spec'];

test('a caller gets the methods that it used on the paths where it used them', () => {
  const seen = [
    row({ paths: '/items/{*}' }),
    row({ paths: '/items/{*}', method: 'DELETE' }),
    row({ paths: '/items' }),
    row({ paths: '/health' }),
    row({ paths: '/shop.Cart/Add', method: 'POST', port: 90 }),
    row({ source: 'spiffe://cluster.local/ns/office/sa/boss', method: 'POST' }),
  ];
  const { suggestions } = suggestForRequests(buildModel(SHOP), 'shop', seen);
  assert.deepEqual(
    suggestions.map(({ policy: { metadata } }) => metadata),
    [{ name: 'cart-requests', namespace: 'shop' }],
  );
  assert.deepEqual(specOf(suggestions[0]), {
    targetRefs: [{ group: '', kind: 'Service', name: 'cart' }],
    action: 'ALLOW',
    rules: [
      {
        from: [{ source: { principals: ['cluster.local/ns/office/sa/boss'] } }],
        to: [{ operation: { ports: ['80'], methods: ['POST'], paths: ['/items'] } }],
      },
      {
        from: [{ source: { principals: ['cluster.local/ns/shop/sa/web'] } }],
        to: [
          { operation: { ports: ['80'], methods: ['DELETE', 'GET'], paths: ['/items/{*}'] } },
          { operation: { ports: ['80'], methods: ['GET'], paths: ['/health', '/items'] } },
          { operation: { ports: ['90'], methods: ['POST'], paths: ['/shop.Cart/Add'] } },
        ],
      },
    ],
  });
});

/** Small and repeatable (mulberry32). */
function randomOf(seed: number): (below: number) => number {
  let a = seed;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function randomRow(random: (below: number) => number): SeenRequest {
  const pick = <T>(from: readonly [T, ...T[]]): T => from[random(from.length)] ?? from[0];
  return row({
    source: `spiffe://cluster.local/ns/${pick(['shop', 'office'])}/sa/${pick(['web', 'batch'])}`,
    destination: `shop/${pick(['cart.shop.svc.cluster.local', 'price.shop.svc.cluster.local', 'payments.example.com'])}`,
    port: pick([80, 90]),
    method: pick(['GET', 'POST', 'PUT']),
    paths: pick(['/', '/items', '/items/{*}', '/items/{*}/parts', '/v1/{**}', '/shop.Cart/Add']),
    verdict: pick(['allow', 'allow', 'deny']),
  });
}

const keyOf = ({ source, destination, port, method, paths }: SeenRequest) =>
  [source, destination, port, method, paths].join(' ');

for (let seed = 1; seed <= 10; seed += 1) {
  test(`suggested policies allow the requests that were seen, and nothing else where they apply (seed ${seed})`, () => {
    const random = randomOf(seed);
    const ledger = Array.from({ length: 14 }, () => randomRow(random));
    const before = buildModel(SHOP);
    const { suggestions, unruled } = suggestForRequests(before, 'shop', ledger);
    assert.deepEqual(unruled, []);
    const after = buildModel([...SHOP, ...suggestions.map(({ policy: one }) => one)]);
    assert.deepEqual(
      after.conditions.filter(({ status }) => status === 'False'),
      [],
    );
    const proven = ledger.filter(({ verdict }) => verdict === 'allow');
    const allowed = new Set(proven.map(keyOf));
    const guarded = new Set(proven.map(({ destination }) => destination));
    for (const one of [...ledger, ...Array.from({ length: 200 }, () => randomRow(random))]) {
      const expected = !guarded.has(one.destination) || allowed.has(keyOf(one)) ? 'allow' : 'deny';
      assert.equal(judgeRequest(after, one)?.verdict, expected, JSON.stringify(one));
    }
    const { changes } = diffRequests(before, after, ledger);
    assert.ok(changes.every(({ effect }) => effect === 'cut'));
  });
}

test('ports that are not known to speak HTTP stay open, unless a policy is about them already', () => {
  const seen = [row({ destination: 'shop/price.shop.svc.cluster.local' })];
  const rules = (objects: readonly KubeObject[]) =>
    suggestForRequests(buildModel(objects), 'shop', seen).suggestions[0]?.rules.map(({ ports }) => ports);
  assert.deepEqual(rules(SHOP), [[80], [5432, 7000]]);
  const there = policy('shop/there', { targetRefs: [{ group: '', kind: 'Service', name: 'price' }], rules: [{}] });
  assert.deepEqual(rules([...SHOP, there]), [[80]]);
});

const UNRULED: Readonly<Record<string, Partial<SeenRequest>>> = {
  'a pod by its own address': { destination: 'Kubernetes//Pod/shop/cart' },
  'a service that is gone': { destination: 'shop/gone.shop.svc.cluster.local' },
  'a service of another waypoint now': { waypoint: 'shop/other' },
  'one of several hosts of a ServiceEntry': { destination: 'shop/many.example.com' },
  'no path': { paths: '{*}' },
  'a method that a policy would take for any': {
    method: 'other',
    example: { method: '*', path: '/items', host: 'cart' },
  },
  'a caller whom nobody can read': { source: 'nobody' },
};
for (const [name, fields] of Object.entries(UNRULED)) {
  test(`no rule is made of requests for ${name}, and they are told`, () => {
    const { suggestions, unruled } = suggestForRequests(buildModel(SHOP), 'shop', [row(fields)]);
    assert.deepEqual([suggestions.length, unruled.length], [0, 1]);
  });
}

const entry = (path: string, host: string, { group = 'networking.istio.io', created = '2026-01-02T00:00:00Z' } = {}) =>
  object(
    `${group}/v1`,
    'ServiceEntry',
    path,
    {
      hosts: [host],
      addresses: ['10.99.0.9'],
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
      endpoints: [{ address: '192.0.2.9' }],
    },
    { creationTimestamp: created },
  );
const TARGETS: Readonly<Record<string, readonly [host: string, objects: readonly KubeObject[], target: string]>> = {
  'the ServiceEntry of a host, and nothing of that kind in another group': [
    'a.example',
    [entry('shop/foreign', 'a.example', { group: 'example.org' }), entry('shop/own', 'a.example')],
    'networking.istio.io ServiceEntry own',
  ],
  'the ServiceEntry of a host, and nothing of the kind Service in another group that would be called so': [
    'fn.shop.svc.cluster.local',
    [object('serving.knative.dev/v1', 'Service', 'shop/fn', {}), entry('shop/fn-entry', 'fn.shop.svc.cluster.local')],
    'networking.istio.io ServiceEntry fn-entry',
  ],
  'the Service of a host, and no ServiceEntry that has the host, too': [
    'cart.shop.svc.cluster.local',
    [entry('shop/also', 'cart.shop.svc.cluster.local')],
    ' Service cart',
  ],
  'the oldest ServiceEntry of a host': [
    'b.example',
    [entry('shop/young', 'b.example'), entry('shop/old', 'b.example', { created: '2026-01-01T00:00:00Z' })],
    'networking.istio.io ServiceEntry old',
  ],
};
for (const [name, [host, objects, target]] of Object.entries(TARGETS)) {
  test(`a suggested policy is attached to ${name}`, () => {
    const seen = [row({ destination: `shop/${host}` })];
    const { suggestions } = suggestForRequests(buildModel([...objects, ...SHOP]), 'shop', seen);
    const targets = suggestions.map((one) => (specOf(one) as { readonly targetRefs: readonly object[] }).targetRefs);
    assert.deepEqual(
      targets.flat().map((ref) => Object.values(ref).join(' ')),
      [target],
    );
  });
}

test('a method that is not everybody’s is written as it was asked', () => {
  const seen = row({ method: 'other', example: { method: 'PURGE', path: '/items', host: 'cart' } });
  const { suggestions } = suggestForRequests(buildModel(SHOP), 'shop', [seen]);
  assert.match(JSON.stringify(specOf(suggestions[0])), /"methods":\["PURGE"\]/);
});

test('what another namespace was asked is not looked at, and a name that is taken is not taken again', () => {
  const taken = policy('shop/cart-requests', { action: 'DENY' });
  const seen = [row(), row({ destination: 'office/x.office.svc.cluster.local' }), row({ verdict: 'deny' })];
  const found = suggestForRequests(buildModel([...SHOP, taken]), 'shop', seen);
  assert.deepEqual(
    [found.suggestions.map((one) => one.policy.metadata.name), found.denied.length, found.unruled.length],
    [['cart-requests-2'], 1, 0],
  );
});

const route = (rules: readonly object[]) =>
  object('gateway.networking.k8s.io/v1', 'HTTPRoute', 'shop/split', {
    parentRefs: [{ group: '', kind: 'Service', name: 'cart', port: 80 }],
    rules,
  });
const price = { destination: 'shop/price.shop.svc.cluster.local' };
const boss = 'spiffe://cluster.local/ns/office/sa/boss';

test('what routes lead to is let in there as well, as they change it, where a policy is suggested for it', () => {
  const prefix = { type: 'ReplacePrefixMatch', replacePrefixMatch: '/v2' };
  const split = route([
    {
      matches: [{ path: { type: 'PathPrefix', value: '/items' } }],
      filters: [{ type: 'URLRewrite', urlRewrite: { path: prefix } }],
      backendRefs: [
        { name: 'cart', port: 80, weight: 9 },
        { name: 'price', port: 80, weight: 1 },
      ],
    },
    { backendRefs: [{ name: 'cart', port: 80 }] },
  ]);
  const seen = [
    row({ paths: '/items/{*}' }),
    row({ paths: '/other' }),
    row({ ...price, source: boss, paths: '/tests' }),
  ];
  const before = buildModel([...SHOP, split]);
  const { suggestions } = suggestForRequests(before, 'shop', seen);
  assert.deepEqual(
    suggestions.map((one) =>
      one.rules.map(({ principal, requests }) => [principal, requests.map(({ paths }) => paths)]),
    ),
    [
      [['cluster.local/ns/shop/sa/web', ['/items/{*}', '/other']]],
      [
        ['cluster.local/ns/office/sa/boss', ['/tests']],
        ['cluster.local/ns/shop/sa/web', ['/v2/{*}']],
        [undefined, []],
      ],
    ],
  );
  const after = buildModel([...SHOP, split, ...suggestions.map(({ policy: one }) => one)]);
  assert.deepEqual(diffRequests(before, after, seen), { changes: [], unchanged: 3, notJudged: [] });
});

test('a rule by headers, which are not kept, may have led there; what comes behind one that is sure did not', () => {
  const to = (name: string, matches: readonly object[]) => ({ matches, backendRefs: [{ name, port: 80 }] });
  const canary = route([to('price', [{ headers: [{ name: 'x-canary', value: 'yes' }] }]), to('cart', [{}])]);
  const never = route([
    to('cart', [{}]),
    to('price', [{ headers: [{ name: 'x-canary', value: 'yes' }], path: { type: 'Exact', value: '/never' } }]),
  ]);
  const seen = [row(), row({ ...price, source: boss })];
  const callersOfPrice = (split: KubeObject) => {
    const { suggestions } = suggestForRequests(buildModel([...SHOP, split]), 'shop', seen);
    return suggestions[1]?.rules.flatMap(({ principal = [] }) => principal);
  };
  assert.deepEqual(callersOfPrice(canary), ['cluster.local/ns/office/sa/boss', 'cluster.local/ns/shop/sa/web']);
  assert.deepEqual(callersOfPrice(never), ['cluster.local/ns/office/sa/boss']);
});
