import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service, Workload } from '../model.ts';
import { seeded, service, viewOf, workload } from '../test-support.ts';
import { candidateNames, wildcardsOf } from './candidates.ts';
import { formatNameAnswer, type NameSettings, resolveName } from './resolve.ts';
import { randomSample } from './sample.ts';

const SETTINGS: NameSettings = { clusterDomain: 'cluster.local', ipv6: true };
const SHOP = { clientNamespace: 'shop', clusterDomain: 'cluster.local' };

const candidates: readonly (readonly [what: string, name: string, expected: readonly string[]])[] = [
  ['one label is a service of the own namespace', 'cart', ['cart', 'cart.shop.svc.cluster.local']],
  [
    'two labels are a service and a namespace, or a service with a dot of the own one',
    'cart.office',
    ['cart.office', 'cart.office.svc.cluster.local', 'cart.office.shop.svc.cluster.local'],
  ],
  ['three labels', 'a.b.c', ['a.b.c', 'a.b.c.svc.cluster.local']],
  [
    'three labels that end in svc',
    'cart.office.svc',
    ['cart.office.svc', 'cart.office.svc.cluster.local', 'cart.office.svc.svc.cluster.local'],
  ],
  ['four labels that end in svc', 'pod.cart.office.svc', ['pod.cart.office.svc', 'pod.cart.office.svc.cluster.local']],
  ['four other labels stay', 'a.b.c.d', ['a.b.c.d']],
  ['five labels stay', 'a.b.c.d.svc', ['a.b.c.d.svc']],
  [
    'a full name is itself first; without its search domains it is shorter ones',
    'cart.shop.svc.cluster.local',
    [
      'cart.shop.svc.cluster.local',
      'cart <cart',
      'cart.shop <cart.shop',
      'cart.shop.shop.svc.cluster.local <cart.shop',
      'cart.shop.svc <cart.shop.svc',
      'cart.shop.svc.svc.cluster.local <cart.shop.svc',
    ],
  ],
  [
    'a name of the outside with a search domain behind it',
    'www.example.com.shop.svc.cluster.local',
    [
      'www.example.com.shop.svc.cluster.local',
      'www.example.com <www.example.com',
      'www.example.com.svc.cluster.local <www.example.com',
      'www.example.com.shop <www.example.com.shop',
      'www.example.com.shop.svc <www.example.com.shop.svc',
    ],
  ],
  [
    'a search domain alone is no name',
    'shop.svc.cluster.local',
    [
      'shop.svc.cluster.local',
      'shop <shop',
      'shop.shop.svc.cluster.local <shop',
      'shop.svc <shop.svc',
      'shop.svc.svc.cluster.local <shop.svc',
      'shop.svc.shop.svc.cluster.local <shop.svc',
    ],
  ],
];

for (const [what, name, expected] of candidates) {
  test(`candidates: ${what}`, () => {
    const found = candidateNames(name, SHOP).map((c) =>
      c.stripped === undefined ? c.name : `${c.name} <${c.stripped}`,
    );
    assert.deepEqual(found, expected);
  });
}

test('candidates: other search domains take the place of those of Kubernetes', () => {
  const found = candidateNames('cart.corp.example', { ...SHOP, searchDomains: ['corp.example'] });
  assert.deepEqual(
    found.map(({ name }) => name),
    ['cart.corp.example', 'cart.corp.example.svc.cluster.local', 'cart', 'cart.shop.svc.cluster.local'],
  );
});

test('wildcards that cover a name, the narrowest first', () => {
  assert.deepEqual([...wildcardsOf('a.b.c')], ['*.b.c', '*.c']);
  assert.deepEqual([...wildcardsOf('a')], []);
});

const external = (name: string, fields: Parameters<typeof service>[1] = {}) =>
  service(name, { hostname: name, namespace: 'shop', canonical: false, addresses: ['240.240.0.9'], ...fields });
const headless = (name: string, fields: Parameters<typeof service>[1] = {}) =>
  service(name, { namespace: 'shop', addresses: [], ...fields });
const pod = (name: string, addresses: readonly string[], of: string, fields: Parameters<typeof workload>[1] = {}) =>
  workload(name, { namespace: 'shop', addresses, services: { [of]: { 80: 8080 } }, ...fields });

const CART = service('cart', { namespace: 'shop', addresses: ['10.96.0.1', 'fd00:96::1'] });
const OFFICE_CART = service('cart', { namespace: 'office', addresses: ['10.96.0.2'] });
const DB = headless('db');
const DB_KEY = 'shop/db.shop.svc.cluster.local';

type Row = readonly [
  what: string,
  resources: readonly (Service | Workload)[],
  /** Name, and `AAAA` for the other family. */
  question: string,
  /** `service key [alias]: addresses`, `empty` with the reason, or `unknown`. */
  expected: string,
  settings?: Partial<NameSettings> & { readonly namespace?: string; readonly network?: string },
];

const rows: readonly Row[] = [
  ['a full name', [CART], 'cart.shop.svc.cluster.local', 'shop/cart.shop.svc.cluster.local: 10.96.0.1'],
  ['its other family', [CART], 'cart.shop.svc.cluster.local AAAA', 'shop/cart.shop.svc.cluster.local: fd00:96::1'],
  ['a short name is of the own namespace', [CART, OFFICE_CART], 'cart', 'shop/cart.shop.svc.cluster.local: 10.96.0.1'],
  ['a short name of another namespace is not found', [OFFICE_CART], 'cart', 'unknown'],
  ['a name with a namespace', [CART, OFFICE_CART], 'cart.office', 'office/cart.office.svc.cluster.local: 10.96.0.2'],
  ['a name that ends in svc', [OFFICE_CART], 'cart.office.svc', 'office/cart.office.svc.cluster.local: 10.96.0.2'],
  [
    'a name with the first search domain behind it is an alias',
    [OFFICE_CART],
    'cart.office.shop.svc.cluster.local',
    'office/cart.office.svc.cluster.local [cart.office]: 10.96.0.2',
  ],
  [
    'a full name with a search domain behind it',
    [CART],
    'cart.shop.svc.cluster.local.svc.cluster.local',
    'shop/cart.shop.svc.cluster.local [cart.shop.svc.cluster.local]: 10.96.0.1',
  ],
  ['a host of a ServiceEntry', [external('api.example.com')], 'api.example.com', 'shop/api.example.com: 240.240.0.9'],
  [
    'a host of a ServiceEntry with a search domain behind it',
    [external('api.example.com')],
    'api.example.com.svc.cluster.local',
    'shop/api.example.com [api.example.com]: 240.240.0.9',
  ],
  ['a host that nobody has', [external('api.example.com')], 'www.example.com', 'unknown'],
  ['a wildcard host', [external('*.example.com')], 'api.example.com', 'shop/*.example.com: 240.240.0.9'],
  [
    'a wildcard covers several labels',
    [external('*.example.com')],
    'a.b.example.com',
    'shop/*.example.com: 240.240.0.9',
  ],
  ['a wildcard does not cover its own domain', [external('*.example.com')], 'example.com', 'unknown'],
  [
    'the narrower wildcard wins',
    [external('*.com'), external('*.example.com', { addresses: ['240.240.0.8'] })],
    'api.example.com',
    'shop/*.example.com: 240.240.0.8',
  ],
  [
    'an exact host beats a wildcard',
    [external('*.example.com'), external('api.example.com', { addresses: ['240.240.0.8'] })],
    'api.example.com',
    'shop/api.example.com: 240.240.0.8',
  ],
  [
    'a wildcard that matches behind a search domain is no alias',
    [external('*.example.com')],
    'api.example.com.shop.svc.cluster.local',
    'shop/*.example.com: 240.240.0.9',
  ],
  [
    'the name asked for is tried with wildcards before its expansions',
    [external('*.office'), OFFICE_CART],
    'cart.office',
    'shop/*.office: 240.240.0.9',
  ],
  [
    'a host with a range for an address is not ours to answer',
    [external('cidr.example.com', { addresses: ['240.0.0.0/8'] })],
    'cidr.example.com',
    'unknown',
  ],
  [
    'a range beside an address does not count',
    [external('both.example.com', { addresses: ['240.0.0.0/8', '240.240.0.7'] })],
    'both.example.com',
    'shop/both.example.com: 240.240.0.7',
  ],
  [
    'a range of one address is an address',
    [external('one.example.com', { addresses: ['240.240.0.7/32'] })],
    'one.example.com',
    'shop/one.example.com: 240.240.0.7',
  ],
  [
    'an outside host without an address is not ours',
    [external('dns.example.com', { addresses: [] })],
    'dns.example.com',
    'unknown',
  ],
  [
    'no address of that family',
    [OFFICE_CART],
    'cart.office AAAA',
    'office/cart.office.svc.cluster.local: no-address-of-the-family',
  ],
  [
    'families that the service does not want',
    [service('cart', { namespace: 'shop', addresses: ['10.96.0.1', 'fd00:96::1'], ipFamilies: 'IPV4_ONLY' })],
    'cart AAAA',
    'shop/cart.shop.svc.cluster.local: not-of-its-families',
  ],
  [
    'IPv6 only',
    [service('cart', { namespace: 'shop', addresses: ['10.96.0.1', 'fd00:96::1'], ipFamilies: 'IPV6_ONLY' })],
    'cart',
    'shop/cart.shop.svc.cluster.local: not-of-its-families',
  ],
  ['IPv6 is off', [CART], 'cart AAAA', 'shop/cart.shop.svc.cluster.local: ipv6-off', { ipv6: false }],
  [
    'IPv4 does not mind that IPv6 is off',
    [CART],
    'cart',
    'shop/cart.shop.svc.cluster.local: 10.96.0.1',
    { ipv6: false },
  ],
  [
    'only addresses on the network of the client',
    [service('cart', { namespace: 'shop', addresses: ['far/10.96.0.1', 'near/10.96.0.2'] })],
    'cart',
    'shop/cart.shop.svc.cluster.local: 10.96.0.2',
    { network: 'near' },
  ],
  [
    'no address on the network of the client',
    [service('cart', { namespace: 'shop', addresses: ['far/10.96.0.1'] })],
    'cart',
    'shop/cart.shop.svc.cluster.local: no-address-on-the-network',
  ],
  [
    'a headless service is its endpoints',
    [DB, pod('db-0', ['10.0.0.1', 'fd00::1'], DB_KEY), pod('db-1', ['10.0.0.2'], DB_KEY)],
    'db',
    `${DB_KEY}: 10.0.0.1 10.0.0.2`,
  ],
  [
    'a headless service in the other family',
    [DB, pod('db-0', ['10.0.0.1', 'fd00::1'], DB_KEY), pod('db-1', ['10.0.0.2'], DB_KEY)],
    'db AAAA',
    `${DB_KEY}: fd00::1`,
  ],
  [
    'an endpoint with two addresses of a family is named once',
    [DB, pod('db-0', ['10.0.0.1', '10.0.0.9'], DB_KEY)],
    'db',
    `${DB_KEY}: 10.0.0.1`,
  ],
  ['a headless service without endpoints', [DB], 'db', `${DB_KEY}: no-address-of-the-family`],
  [
    'a headless service names its healthy endpoints',
    [DB, pod('db-0', ['10.0.0.1'], DB_KEY, { status: 'UNHEALTHY' }), pod('db-1', ['10.0.0.2'], DB_KEY)],
    'db',
    `${DB_KEY}: 10.0.0.2`,
  ],
  [
    'one that publishes addresses that are not ready names all',
    [
      headless('db', { loadBalancing: { routingPreference: [], mode: 'UNSPECIFIED_MODE', healthPolicy: 'ALLOW_ALL' } }),
      pod('db-0', ['10.0.0.1'], DB_KEY, { status: 'UNHEALTHY' }),
    ],
    'db',
    `${DB_KEY}: 10.0.0.1`,
  ],
  [
    'an endpoint on another network is not named',
    [DB, pod('db-0', ['10.0.0.1'], DB_KEY, { network: 'far' })],
    'db',
    `${DB_KEY}: no-address-on-the-network`,
  ],
  [
    'one pod of a headless service is not ours to answer',
    [DB, pod('db-0', ['10.0.0.1'], DB_KEY)],
    'db-0.db.shop.svc.cluster.local',
    'unknown',
  ],
  [
    'the own namespace beats the canonical one',
    [
      external('api.example.com', { namespace: 'a', canonical: true, addresses: ['240.0.0.1'] }),
      external('api.example.com', { addresses: ['240.0.0.2'] }),
    ],
    'api.example.com',
    'shop/api.example.com: 240.0.0.2',
  ],
  [
    'the canonical one beats the preferred namespace',
    [
      external('api.example.com', { namespace: 'a', addresses: ['240.0.0.1'] }),
      external('api.example.com', { namespace: 'b', canonical: true, addresses: ['240.0.0.2'] }),
    ],
    'api.example.com',
    'b/api.example.com: 240.0.0.2',
    { preferredNamespace: 'a' },
  ],
  [
    'the preferred namespace beats the first',
    [
      external('api.example.com', { namespace: 'a', addresses: ['240.0.0.1'] }),
      external('api.example.com', { namespace: 'b', addresses: ['240.0.0.2'] }),
    ],
    'api.example.com',
    'b/api.example.com: 240.0.0.2',
    { preferredNamespace: 'b' },
  ],
  [
    'else the first by key, whatever came first',
    [
      external('api.example.com', { namespace: 'b', addresses: ['240.0.0.2'] }),
      external('api.example.com', { namespace: 'a', addresses: ['240.0.0.1'] }),
    ],
    'api.example.com',
    'a/api.example.com: 240.0.0.1',
  ],
  [
    'one without an address does not stand in the way of another',
    [
      external('api.example.com', { addresses: [] }),
      external('api.example.com', { namespace: 'a', addresses: ['240.0.0.1'] }),
    ],
    'api.example.com',
    'a/api.example.com: 240.0.0.1',
  ],
  [
    'one that is not exported is unknown elsewhere',
    [external('api.example.com', { namespace: 'a', visibility: 'NAMESPACE' })],
    'api.example.com',
    'unknown',
  ],
  [
    'one that is not exported is known at home',
    [external('api.example.com', { visibility: 'NAMESPACE' })],
    'api.example.com',
    'shop/api.example.com: 240.240.0.9',
  ],
  [
    'a service of another cluster is known by its exact name',
    [service('cart', { namespace: 'shop', hostname: 'cart.shop.svc.other.local', addresses: ['10.97.0.1'] })],
    'cart.shop.svc.other.local',
    'shop/cart.shop.svc.other.local: 10.97.0.1',
  ],
  [
    'and not by a short one',
    [service('cart', { namespace: 'shop', hostname: 'cart.shop.svc.other.local', addresses: ['10.97.0.1'] })],
    'cart.shop.svc',
    'unknown',
  ],
  [
    'the cluster may have another domain',
    [service('cart', { namespace: 'shop', hostname: 'cart.shop.svc.k.example', addresses: ['10.96.0.1'] })],
    'cart.shop',
    'shop/cart.shop.svc.k.example: 10.96.0.1',
    { clusterDomain: 'k.example' },
  ],
];

for (const [what, resources, asked, expected, { namespace = 'shop', network = '', ...settings } = {}] of rows) {
  test(`a name: ${what}`, () => {
    const [name = '', type = 'A'] = asked.split(' ');
    const question = { client: { namespace, network }, name, family: type === 'A' ? 4 : 6 } as const;
    const answer = resolveName(viewOf(...resources), question, { ...SETTINGS, ...settings });
    if (answer.kind === 'unknown') {
      assert.equal('unknown', expected);
      return;
    }
    const { service: of, alias, addresses, empty } = answer;
    const shown = `${of.namespace}/${of.hostname}${alias === undefined ? '' : ` [${alias}]`}: ${empty ?? addresses.join(' ')}`;
    assert.equal(shown, expected);
    if (empty !== undefined) assert.match(formatNameAnswer(answer), new RegExp(empty));
  });
}

test('a sample is of the items, each once, in an order that chance decides', () => {
  const items = [1, 2, 3, 4, 5];
  assert.deepEqual([...randomSample(items, 9, () => 0.999_999)].sort(), items);
  assert.deepEqual(
    randomSample(items, 9, () => 0),
    items,
  );
  assert.deepEqual(
    randomSample(items, 2, () => 0.999_999),
    [5, 1],
  );
  assert.deepEqual(
    randomSample([], 2, () => 0.5),
    [],
  );
  const first = new Map<number, number>();
  const random = seeded(1);
  for (let i = 0; i < 5_000; i += 1) {
    const [n = 0] = randomSample(items, 1, random);
    first.set(n, (first.get(n) ?? 0) + 1);
  }
  for (const n of items) assert.ok((first.get(n) ?? 0) > 800, `${n} comes first often enough`);
});
