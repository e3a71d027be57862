import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiStatusError } from '../status-error.ts';
import type { Json, JsonObject, ResourceInfo } from '../types.ts';
import { type ApplyOptions, serverSideApply } from './server-side-apply.ts';
import { trackUpdate } from './track-update.ts';

const info = (group: string, kind: string, extra: Partial<ResourceInfo> = {}): ResourceInfo => ({
  group,
  version: 'v1',
  kind,
  plural: `${kind.toLowerCase()}s`,
  singular: kind.toLowerCase(),
  shortNames: [],
  namespaced: true,
  categories: [],
  subresources: ['status'],
  custom: false,
  verbs: [],
  ...extra,
});
const CONFIG_MAP = info('', 'ConfigMap', { subresources: [] });
const POD = info('', 'Pod');
const NOON = new Date('2026-01-01T12:00:00.500Z');
const LATER = new Date('2026-01-01T13:00:00Z');

const options = (manager: string, extra: Partial<ApplyOptions> = {}): ApplyOptions => ({
  manager,
  force: false,
  apiVersion: 'v1',
  now: NOON,
  ...extra,
});
const configMap = (data: JsonObject, metadata: JsonObject = {}): JsonObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'c', ...metadata },
  data,
});
const pod = (...containers: Json[]): JsonObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { containers },
});
const ownersOf = (object: JsonObject): Record<string, Json> => {
  const { managedFields } = object.metadata as {
    managedFields?: { manager: string; operation: string; fieldsV1: Json }[];
  };
  return Object.fromEntries(
    (managedFields ?? []).map((entry) => [`${entry.manager} ${entry.operation}`, entry.fieldsV1]),
  );
};
const refusal = (code: number, message: RegExp) => (error: unknown) =>
  error instanceof ApiStatusError && error.code === code && message.test(error.message);

test('an apply creates the object and owns what it says', () => {
  const created = serverSideApply(CONFIG_MAP, undefined, configMap({ a: '1' }, { labels: { x: 'y' } }), options('m'));
  assert.deepEqual(created, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: 'c',
      labels: { x: 'y' },
      managedFields: [
        {
          manager: 'm',
          operation: 'Apply',
          apiVersion: 'v1',
          time: '2026-01-01T12:00:00Z',
          fieldsType: 'FieldsV1',
          fieldsV1: { 'f:metadata': { 'f:labels': { 'f:x': {} } }, 'f:data': { 'f:a': {} } },
        },
      ],
    },
    data: { a: '1' },
  });
});

test('applying the same again changes nothing, not even the time', () => {
  const first = serverSideApply(CONFIG_MAP, undefined, configMap({ a: '1' }), options('m'));
  assert.deepEqual(serverSideApply(CONFIG_MAP, first, configMap({ a: '1' }), options('m', { now: LATER })), first);
});

test('a field that is no longer applied goes, unless somebody else owns it', () => {
  const first = serverSideApply(CONFIG_MAP, undefined, configMap({ a: '1', b: '2', c: '3' }), options('m'));
  const shared = serverSideApply(CONFIG_MAP, first, configMap({ b: '2' }), options('n'));
  const result = serverSideApply(CONFIG_MAP, shared, configMap({ c: '3' }), options('m'));
  assert.deepEqual(result.data, { b: '2', c: '3' });
  assert.deepEqual(ownersOf(result), {
    'm Apply': { 'f:data': { 'f:c': {} } },
    'n Apply': { 'f:data': { 'f:b': {} } },
  });
});

test('another value of an owned field is a conflict that names field and owner', () => {
  const first = serverSideApply(CONFIG_MAP, undefined, configMap({ a: '1' }), options('M'));
  assert.throws(
    () => serverSideApply(CONFIG_MAP, first, configMap({ a: '2' }), options('n')),
    (error) => {
      assert.ok(error instanceof ApiStatusError);
      assert.equal(error.code, 409);
      assert.equal(error.message, 'Apply failed with 1 conflict: conflict with "M" using v1: .data.a');
      assert.deepEqual(error.details?.causes, [
        { reason: 'FieldManagerConflict', message: 'conflict with "M" using v1', field: '.data.a' },
      ]);
      return true;
    },
  );
});

test('several conflicts are listed by owner', () => {
  const first = serverSideApply(CONFIG_MAP, undefined, configMap({ a: '1', b: '1' }), options('M'));
  assert.throws(
    () => serverSideApply(CONFIG_MAP, first, configMap({ a: '2', b: '2' }), options('n')),
    refusal(409, /^Apply failed with 2 conflicts: conflicts with "M" using v1:\n- \.data\.a\n- \.data\.b$/),
  );
});

test('the same value is no conflict: both own', () => {
  const first = serverSideApply(CONFIG_MAP, undefined, configMap({ a: '1' }), options('m'));
  const both = serverSideApply(CONFIG_MAP, first, configMap({ a: '1' }), options('n'));
  assert.deepEqual(Object.keys(ownersOf(both)), ['m Apply', 'n Apply']);
});

test('force takes the field over', () => {
  const first = serverSideApply(CONFIG_MAP, undefined, configMap({ a: '1', b: '1' }), options('m'));
  const forced = serverSideApply(CONFIG_MAP, first, configMap({ a: '2' }), options('n', { force: true }));
  assert.deepEqual(forced.data, { a: '2', b: '1' });
  assert.deepEqual(ownersOf(forced), {
    'm Apply': { 'f:data': { 'f:b': {} } },
    'n Apply': { 'f:data': { 'f:a': {} } },
  });
});

test('containers merge by name; removing one takes its defaults along', () => {
  const first = serverSideApply(
    POD,
    undefined,
    pod({ name: 'a', image: 'x' }, { name: 'b', image: 'y' }),
    options('m'),
  );
  const spec = first.spec as { containers: JsonObject[] };
  const defaulted = {
    ...first,
    spec: { containers: spec.containers.map((c) => ({ ...c, imagePullPolicy: 'Always' })) },
  };
  const second = serverSideApply(POD, defaulted, pod({ name: 'b', image: 'z' }), options('m'));
  assert.deepEqual(second.spec, { containers: [{ name: 'b', image: 'z', imagePullPolicy: 'Always' }] });
  assert.deepEqual(ownersOf(second)['m Apply'], {
    'f:spec': { 'f:containers': { 'k:{"name":"b"}': { '.': {}, 'f:name': {}, 'f:image': {} } } },
  });
});

test('an item that another manager added stays, in its place', () => {
  const first = serverSideApply(POD, undefined, pod({ name: 'a' }, { name: 'c' }), options('m'));
  const injected = trackUpdate(
    POD,
    first,
    { ...first, spec: pod({ name: 'a' }, { name: 'i' }, { name: 'c' }).spec ?? null },
    {
      manager: 'injector',
      now: NOON,
    },
  );
  const again = serverSideApply(POD, injected, pod({ name: 'a' }, { name: 'c', image: 'v2' }), options('m'));
  assert.deepEqual(again.spec, { containers: [{ name: 'a' }, { name: 'i' }, { name: 'c', image: 'v2' }] });
});

test('container ports are told apart by number and protocol, TCP when unsaid', () => {
  const first = serverSideApply(POD, undefined, pod({ name: 'a', ports: [{ containerPort: 53 }] }), options('m'));
  const ports = [
    { containerPort: 53, protocol: 'TCP', name: 'dns' },
    { containerPort: 53, protocol: 'UDP' },
  ];
  const second = serverSideApply(POD, first, pod({ name: 'a', ports }), options('m'));
  assert.deepEqual(second.spec, { containers: [{ name: 'a', ports }] });
});

test('an object that nobody tracked belongs to an earlier writer', () => {
  const live = configMap({ a: '1' });
  assert.throws(
    () => serverSideApply(CONFIG_MAP, live, configMap({ a: '2' }), options('m')),
    refusal(409, /before-first-apply/),
  );
});

test('list types of a custom resource come from its schema', () => {
  const schema: Json = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        properties: {
          hosts: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
          rules: {
            type: 'array',
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['id'],
            items: { type: 'object', properties: { id: { type: 'string' } } },
          },
          whole: { type: 'object', 'x-kubernetes-map-type': 'atomic', properties: {} },
        },
      },
    },
  };
  const thing = info('example.org', 'Thing', { custom: true, schema });
  const apply = (live: Json | undefined, spec: Json, manager: string, force = false) =>
    serverSideApply(
      thing,
      live,
      { apiVersion: 'example.org/v1', kind: 'Thing', metadata: { name: 't' }, spec },
      {
        ...options(manager, { force }),
        apiVersion: 'example.org/v1',
      },
    );
  const first = apply(undefined, { hosts: ['a', 'b'], rules: [{ id: '1', x: 1 }], whole: { p: 1 } }, 'm');
  const second = apply(first, { hosts: ['c'], rules: [{ id: '2' }] }, 'n');
  assert.deepEqual(second.spec, {
    hosts: ['a', 'b', 'c'],
    rules: [{ id: '1', x: 1 }, { id: '2' }],
    whole: { p: 1 },
  });
  assert.throws(() => apply(second, { whole: { q: 1 } }, 'n'), refusal(409, /\.spec\.whole$/));
  const third = apply(second, { hosts: ['b'] }, 'm');
  assert.deepEqual(third.spec, { hosts: ['b', 'c'], rules: [{ id: '2' }] });
});

test('through status only the status is written, elsewhere it is not', () => {
  const status = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', annotations: { a: 'b' } },
    status: { phase: 'Running' },
  };
  const live = serverSideApply(POD, undefined, pod({ name: 'a' }), options('m'));
  const viaStatus = serverSideApply(POD, live, status, options('s', { subresource: 'status' }));
  assert.deepEqual(viaStatus.status, { phase: 'Running' });
  assert.equal((viaStatus.metadata as JsonObject).annotations, undefined);
  const viaMain = serverSideApply(POD, viaStatus, { ...status, status: { phase: 'Failed' } }, options('m2'));
  assert.deepEqual(viaMain.status, { phase: 'Running' });
});

const current = configMap({ a: '1' }, { resourceVersion: '7', uid: 'u' });
const refusals: readonly (readonly [name: string, applied: Json, o: ApplyOptions, code: number, message: RegExp])[] = [
  ['no field manager', configMap({}), options(''), 400, /fieldManager/],
  ['another kind', { ...configMap({}), kind: 'Secret' }, options('m'), 400, /Secret/],
  ['managedFields in the body', configMap({}, { managedFields: [{}] }), options('m'), 400, /managedFields must be nil/],
  ['a stale resourceVersion', configMap({}, { resourceVersion: '6' }), options('m'), 409, /has been modified/],
  ['another uid', configMap({}, { uid: 'v' }), options('m'), 409, /UID in precondition: v/],
];
for (const [name, applied, o, code, message] of refusals) {
  test(`apply: ${name} is refused with ${code}`, () => {
    assert.throws(() => serverSideApply(CONFIG_MAP, current, applied, o), refusal(code, message));
  });
}

test('an ordinary write owns what it changed, and its former owners lose it', () => {
  const created = trackUpdate(CONFIG_MAP, undefined, configMap({ a: '1', b: '1' }), { manager: 'create', now: NOON });
  const edited = trackUpdate(CONFIG_MAP, created, { ...created, data: { a: '2' } }, { manager: 'edit', now: LATER });
  assert.deepEqual(ownersOf(edited), { 'edit Update': { 'f:data': { 'f:a': {} } } });
});

test('a write that changes nothing leaves ownership as it is', () => {
  const created = trackUpdate(CONFIG_MAP, undefined, configMap({ a: '1' }), { manager: 'create', now: NOON });
  assert.deepEqual(
    trackUpdate(CONFIG_MAP, created, structuredClone(created), { manager: 'other', now: LATER }),
    created,
  );
});

test('status and main writes of one manager are two entries', () => {
  const created = trackUpdate(POD, undefined, pod({ name: 'a' }), { manager: 'k', now: NOON });
  const running = trackUpdate(
    POD,
    created,
    { ...created, status: { phase: 'Running' } },
    {
      manager: 'k',
      now: NOON,
      subresource: 'status',
    },
  );
  const { managedFields } = running.metadata as { managedFields: JsonObject[] };
  assert.deepEqual(
    managedFields.map((entry) => entry.subresource),
    [undefined, 'status'],
  );
});

test('managedFields of a body are taken as given, and [{}] forgets them', () => {
  const first = serverSideApply(CONFIG_MAP, undefined, configMap({ a: '1' }), options('m'));
  const { managedFields, ...metadata } = first.metadata as JsonObject;
  const [entry] = managedFields as JsonObject[];
  const given = { ...first, metadata: { ...metadata, managedFields: [{ ...entry, manager: 'renamed' }] } };
  assert.deepEqual(Object.keys(ownersOf(trackUpdate(CONFIG_MAP, first, given, { manager: 'x', now: LATER }))), [
    'renamed Apply',
  ]);
  const reset = { ...first, metadata: { ...metadata, managedFields: [{}] } };
  assert.deepEqual(ownersOf(trackUpdate(CONFIG_MAP, first, reset, { manager: 'x', now: LATER })), {});
});

test('the last label goes, and the object keeps its name', () => {
  const made = serverSideApply(CONFIG_MAP, undefined, configMap({ a: '1' }, { labels: { x: 'y' } }), options('m'));
  const { managedFields: _, ...metadata } = serverSideApply(CONFIG_MAP, made, configMap({ a: '1' }), options('m'))
    .metadata as JsonObject;
  assert.deepEqual(metadata, { name: 'c' });
});
