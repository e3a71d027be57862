import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiStatusError } from '../status-error.ts';
import type { Json, ResourceInfo } from '../types.ts';
import { applyPatch, type Patch } from './apply-patch.ts';

const info = (group: string, kind: string, custom = false): ResourceInfo => ({
  group,
  version: 'v1',
  kind,
  plural: `${kind.toLowerCase()}s`,
  singular: kind.toLowerCase(),
  shortNames: [],
  namespaced: true,
  categories: [],
  subresources: [],
  custom,
  verbs: [],
});
const POD = info('', 'Pod');
const SERVICE = info('', 'Service');
const DEPLOYMENT = info('apps', 'Deployment');
const THING = info('example.org', 'Thing', true);

type Case = {
  readonly name: string;
  readonly of?: ResourceInfo;
  readonly type?: Patch['type'];
  readonly live: Json;
  readonly patch: Json;
  readonly result: Json;
};

const named = (...names: string[]) => names.map((name) => ({ name }));
const containers = (...list: Json[]): Json => ({ spec: { containers: list } });

const strategic: readonly Case[] = [
  {
    name: 'containers merge by name, null removes a field',
    live: containers({ name: 'a', image: 'x', command: ['c'] }, { name: 'b' }),
    patch: containers({ name: 'a', image: 'y', command: null }),
    result: containers({ name: 'a', image: 'y' }, { name: 'b' }),
  },
  {
    name: 'a new container goes to the end, $setElementOrder puts it first',
    live: containers(...named('a', 'b')),
    patch: { spec: { '$setElementOrder/containers': named('n', 'a', 'b'), containers: named('n') } },
    result: containers(...named('n', 'a', 'b')),
  },
  {
    name: 'elements that the order does not name stay about in place',
    live: containers(...named('a', 'other', 'b')),
    patch: { spec: { '$setElementOrder/containers': named('b', 'a') } },
    result: containers(...named('other', 'b', 'a')),
  },
  {
    name: '$patch delete removes one item, of a missing one too',
    live: containers(...named('a', 'b')),
    patch: containers({ name: 'a', $patch: 'delete' }, { name: 'z', $patch: 'delete' }),
    result: containers(...named('b')),
  },
  {
    name: '$patch replace in a list replaces the list',
    live: containers(...named('a', 'b')),
    patch: containers({ $patch: 'replace' }, { name: 'c' }),
    result: containers(...named('c')),
  },
  {
    name: '$patch replace in a map replaces the map',
    live: { metadata: { labels: { a: '1', b: '2' } } },
    patch: { metadata: { labels: { $patch: 'replace', c: '3' } } },
    result: { metadata: { labels: { c: '3' } } },
  },
  {
    name: 'finalizers are a set, $deleteFromPrimitiveList takes out',
    live: { metadata: { finalizers: ['a', 'b'] } },
    patch: { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'], finalizers: ['b', 'c'] } },
    result: { metadata: { finalizers: ['b', 'c'] } },
  },
  {
    name: '$retainKeys drops what it does not name',
    of: DEPLOYMENT,
    live: { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } },
    patch: { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } },
    result: { spec: { strategy: { type: 'Recreate' } } },
  },
  {
    name: 'service ports merge by port, container ports by containerPort',
    of: SERVICE,
    live: { spec: { ports: [{ port: 80, name: 'http' }] } },
    patch: {
      spec: {
        ports: [
          { port: 80, targetPort: 8080 },
          { port: 81, targetPort: 1 },
        ],
      },
    },
    result: {
      spec: {
        ports: [
          { port: 80, name: 'http', targetPort: 8080 },
          { port: 81, targetPort: 1 },
        ],
      },
    },
  },
  {
    name: 'tolerations have no key: the list is replaced',
    live: { spec: { tolerations: [{ key: 'a' }] } },
    patch: { spec: { tolerations: [{ key: 'b' }] } },
    result: { spec: { tolerations: [{ key: 'b' }] } },
  },
  {
    name: 'a template merges as a pod does',
    of: DEPLOYMENT,
    live: { spec: { template: { spec: { containers: [{ name: 'a', env: named('X') }] } } } },
    patch: { spec: { template: { spec: { containers: [{ name: 'a', env: [{ name: 'X', value: '1' }] }] } } } },
    result: { spec: { template: { spec: { containers: [{ name: 'a', env: [{ name: 'X', value: '1' }] }] } } } },
  },
  {
    name: 'what is added carries no directives and no nulls',
    live: {},
    patch: { metadata: { annotations: { a: null, b: '1' } }, spec: { nodeSelector: { $patch: 'replace', c: 'd' } } },
    result: { metadata: { annotations: { b: '1' } }, spec: { nodeSelector: { c: 'd' } } },
  },
];

const json: readonly Case[] = [
  {
    name: 'test of null passes on an absent key, replace adds it',
    live: { status: {} },
    patch: [
      { op: 'test', path: '/status/addresses', value: null },
      { op: 'replace', path: '/status/addresses', value: ['1'] },
    ],
    result: { status: { addresses: ['1'] } },
  },
  {
    name: 'lists take an index and the end',
    live: { a: [1, 2] },
    patch: [
      { op: 'add', path: '/a/1', value: 9 },
      { op: 'add', path: '/a/-', value: 3 },
      { op: 'remove', path: '/a/0' },
    ],
    result: { a: [9, 2, 3] },
  },
  {
    name: 'move, copy and escaped steps',
    live: { 'a/b': 1, 'c~d': 2 },
    patch: [
      { op: 'move', from: '/a~1b', path: '/x' },
      { op: 'copy', from: '/c~0d', path: '/y' },
    ],
    result: { 'c~d': 2, x: 1, y: 2 },
  },
];

const merge: readonly Case[] = [
  {
    name: 'null removes, lists are replaced',
    of: THING,
    live: { a: 1, b: { c: 2, d: 3 }, l: [1] },
    patch: { a: null, b: { d: 4 }, l: [2, 3] },
    result: { b: { c: 2, d: 4 }, l: [2, 3] },
  },
];

const tables = { strategic, json, merge } as const;
for (const type of ['strategic', 'json', 'merge'] as const) {
  for (const { name, of = POD, live, patch, result } of tables[type]) {
    test(`${type} patch: ${name}`, () => {
      const before = structuredClone(live);
      assert.deepEqual(applyPatch(of, live, { type, body: patch }), result);
      assert.deepEqual(live, before, 'the live object is not changed');
    });
  }
}

const refusals: readonly (readonly [name: string, of: ResourceInfo, patch: Patch, code: number])[] = [
  ['strategic patch of a custom resource', THING, { type: 'strategic', body: {} }, 415],
  ['an item without its merge key', POD, { type: 'strategic', body: containers({ image: 'x' }) }, 400],
  ['an unknown $patch', POD, { type: 'strategic', body: { $patch: 'x' } }, 400],
  ['an object as JSON patch', POD, { type: 'json', body: {} }, 400],
  ['a list as merge patch', POD, { type: 'merge', body: [] }, 400],
  ['an unknown operation', POD, { type: 'json', body: [{ op: 'x', path: '/a' }] }, 400],
  ['a test that fails', POD, { type: 'json', body: [{ op: 'test', path: '/a', value: 1 }] }, 422],
  ['remove of an absent key', POD, { type: 'json', body: [{ op: 'remove', path: '/a' }] }, 422],
  ['a missing parent', POD, { type: 'json', body: [{ op: 'test', path: '/a/b', value: null }] }, 422],
  ['an index outside the list', POD, { type: 'json', body: [{ op: 'replace', path: '/l/1', value: 1 }] }, 422],
];
for (const [name, of, patch, code] of refusals) {
  test(`${name} is refused with ${code}`, () => {
    const isRefusal = (error: unknown) => error instanceof ApiStatusError && error.code === code;
    assert.throws(() => applyPatch(of, { l: [0] }, patch), isRefusal);
  });
}

test('a key named __proto__ stays a key', () => {
  const body = JSON.parse('{"data":{"__proto__":{"x":"1"}}}') as Json;
  for (const type of ['merge', 'strategic'] as const) {
    const result = applyPatch(POD, { data: {} }, { type, body });
    assert.equal(JSON.stringify(result), JSON.stringify(body));
    assert.equal(({} as { x?: unknown }).x, undefined);
  }
});
