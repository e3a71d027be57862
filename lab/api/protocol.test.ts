import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { listAt, textAt } from './object.ts';
import type { Json } from './pure/index.ts';
import { configMap, TestLab } from './test-lab.ts';

let lab: TestLab;
before(async () => {
  lab = await TestLab.start();
});
after(async () => {
  await lab[Symbol.asyncDispose]();
});

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
const METADATA =
  'application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const TYPED = 'application/vnd.kubernetes.protobuf,application/json';
const names = (list: Json): string =>
  listAt(list, 'items')
    .map((item) => textAt(item, 'metadata', 'name'))
    .join();
const version = (object: Json): string => textAt(object, 'metadata', 'resourceVersion');

async function create(name: string, data: Record<string, string> = {}, metadata: Record<string, unknown> = {}) {
  const answer = await lab.call('POST', CONFIG_MAPS, { body: configMap(name, data, metadata) });
  assert.equal(answer.status, 201, answer.text);
  return answer;
}
const crd = (
  kind: string,
  versions: unknown[] = [
    {
      name: 'v1',
      served: true,
      storage: true,
      schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
    },
  ],
) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${kind.toLowerCase()}s.test.io` },
  spec: { group: 'test.io', scope: 'Namespaced', names: { plural: `${kind.toLowerCase()}s`, kind }, versions },
});
const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

test('aggregated discovery has the content type without which it reads as an empty cluster', async () => {
  const core = await lab.call('GET', '/api?timeout=32s', { headers: { Accept: AGGREGATED } });
  assert.equal(core.headers['content-type'], 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList');
  assert.equal(core.at('kind'), 'APIGroupDiscoveryList');
  const groups = await lab.call('GET', '/apis', { headers: { Accept: AGGREGATED } });
  const listed = listAt(groups.json, 'items').map((item) => textAt(item, 'metadata', 'name'));
  for (const group of [
    'apps',
    'batch',
    'autoscaling',
    'policy',
    'networking.k8s.io',
    'discovery.k8s.io',
    'coordination.k8s.io',
    'rbac.authorization.k8s.io',
    'admissionregistration.k8s.io',
    'apiextensions.k8s.io',
    'authentication.k8s.io',
    'authorization.k8s.io',
  ]) {
    assert.ok(listed.includes(group), group);
  }
  const legacy = await lab.call('GET', '/api/v1');
  assert.ok(listAt(legacy.json, 'resources').some((r) => textAt(r, 'name') === 'pods/eviction'));
  assert.equal((await lab.call('GET', '/apis')).at('kind'), 'APIGroupList');
  assert.equal((await lab.call('GET', '/apis/apps')).at('preferredVersion', 'version'), 'v1');
});

test('a definition changes discovery and the OpenAPI index in the same moment', async () => {
  const index = async () =>
    textAt((await lab.call('GET', '/openapi/v3')).json, 'paths', 'apis/test.io/v1', 'serverRelativeURL');
  assert.equal(await index(), '');
  assert.equal((await lab.call('POST', CRDS, { body: crd('Gizmo') })).status, 201);
  const url = await index();
  const document = await lab.call('GET', `${url}&timeout=32s`);
  assert.equal(document.headers['cache-control'], 'public, immutable');
  assert.ok(document.headers.etag);
  const path = '/apis/test.io/v1/namespaces/{namespace}/gizmos/{name}';
  assert.deepEqual(document.at('paths', path, 'patch', 'x-kubernetes-group-version-kind'), {
    group: 'test.io',
    version: 'v1',
    kind: 'Gizmo',
  });
  assert.ok(
    listAt(document.json, 'paths', path, 'patch', 'parameters').some((p) => textAt(p, 'name') === 'fieldValidation'),
  );
  assert.equal((await lab.call('GET', '/apis/test.io/v1')).status, 200);
  await lab.call('DELETE', `${CRDS}/gizmos.test.io`);
  assert.equal(await index(), '');
});

test('the version 2 document is the empty one, with a dot in its type where the request has an at sign', async () => {
  const answer = await lab.call('GET', '/openapi/v2', {
    headers: { Accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' },
  });
  assert.equal(answer.headers['content-type'], 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf');
  assert.equal(answer.headers['content-length'], '21');
});

test('a WatchList ends its initial events with the marked bookmark of the kind that was asked for', async () => {
  await create('wl');
  const query =
    'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=300&fieldSelector=metadata.name%3Dwl';
  for (const [accept, kind] of [
    [TYPED, 'ConfigMap'],
    [METADATA, 'PartialObjectMetadata'],
  ] as const) {
    const watch = await lab.watch(`${CONFIG_MAPS}?${query}`, { headers: { Accept: accept } });
    try {
      assert.equal((await watch.next())?.type, 'ADDED');
      const bookmark = await watch.next();
      assert.equal(bookmark?.type, 'BOOKMARK');
      assert.equal(textAt(bookmark.object, 'kind'), kind);
      assert.equal(textAt(bookmark.object, 'metadata', 'annotations', 'k8s.io/initial-events-end'), 'true');
      assert.match(version(bookmark.object), /^\d+$/);
    } finally {
      watch.close();
    }
  }
  const refused = await lab.call('GET', `${CONFIG_MAPS}?sendInitialEvents=true&resourceVersionMatch=NotOlderThan`);
  assert.equal(refused.status, 422);
});

test('a watch from a version shows just what came later, and a deletion under its own version', async () => {
  const made = await create('later');
  const list = await lab.call('GET', CONFIG_MAPS);
  await lab.call('PATCH', `${CONFIG_MAPS}/later`, {
    body: { data: { a: '1' } },
    headers: { 'Content-Type': 'application/merge-patch+json' },
  });
  await lab.call('DELETE', `${CONFIG_MAPS}/later`);
  const watch = await lab.watch(`${CONFIG_MAPS}?watch=1&resourceVersion=${version(list.json)}`);
  try {
    const modified = await watch.next();
    assert.equal(modified?.type, 'MODIFIED');
    const deleted = await watch.next();
    assert.equal(deleted?.type, 'DELETED');
    assert.equal(textAt(deleted.object, 'data', 'a'), '1');
    assert.ok(Number(version(deleted.object)) > Number(version(modified.object)));
    assert.ok(Number(version(modified.object)) > Number(version(made.json)));
  } finally {
    watch.close();
  }
});

test('with a selector, an object that starts to match is added and one that stops is deleted', async () => {
  await create('turn');
  const watch = await lab.watch(`${CONFIG_MAPS}?watch=1&labelSelector=on%3Dyes`);
  const label = (value: string | null) =>
    lab.call('PATCH', `${CONFIG_MAPS}/turn`, {
      body: { metadata: { labels: { on: value } } },
      headers: { 'Content-Type': 'application/merge-patch+json' },
    });
  try {
    await label('yes');
    assert.equal((await watch.next())?.type, 'ADDED');
    await label(null);
    assert.equal((await watch.next())?.type, 'DELETED');
  } finally {
    watch.close();
  }
});

test('a watch older than the history is 410, and a timeout ends it cleanly', async () => {
  const old = await TestLab.start({ historyMs: -1_000_000 });
  try {
    await old.call('POST', CONFIG_MAPS, { body: configMap('x') });
    // Everything is older than a negative history; the next compaction forgets it.
    old.api.compact();
    const answer = await old.call('GET', `${CONFIG_MAPS}?watch=1&resourceVersion=2`);
    assert.equal(answer.status, 410);
    assert.equal(answer.at('reason'), 'Expired');
  } finally {
    await old[Symbol.asyncDispose]();
  }
  const watch = await lab.watch(
    `${CONFIG_MAPS}?watch=1&resourceVersion=${version((await lab.call('GET', CONFIG_MAPS)).json)}&timeoutSeconds=1`,
  );
  assert.equal(await watch.next(), undefined);
});

test('a watch of a Table sends rows', async () => {
  await create('row');
  const watch = await lab.watch(`${CONFIG_MAPS}?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Drow`, {
    headers: { Accept: TABLE },
  });
  try {
    const event = await watch.next();
    assert.equal(textAt(event?.object, 'kind'), 'Table');
    assert.deepEqual(listAt(listAt(event?.object, 'rows')[0], 'cells').slice(0, 2), ['row', 0]);
    assert.equal(textAt(listAt(event?.object, 'rows')[0], 'object', 'kind'), 'PartialObjectMetadata');
  } finally {
    watch.close();
  }
});

test('pages show one snapshot, whatever is written meanwhile', async () => {
  await lab.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'pages' } } });
  const path = '/api/v1/namespaces/pages/configmaps';
  for (const name of ['a', 'b', 'c']) await lab.call('POST', path, { body: configMap(name) });
  const first = await lab.call('GET', `${path}?limit=2`);
  assert.equal(names(first.json), 'a,b');
  assert.equal(first.at('metadata', 'remainingItemCount'), 2);
  await lab.call('DELETE', `${path}/c`);
  await lab.call('POST', path, { body: configMap('d') });
  const next = String(first.at('metadata', 'continue'));
  const second = await lab.call('GET', `${path}?limit=5&continue=${next}`);
  assert.equal(names(second.json), 'c,kube-root-ca.crt');
  assert.equal(second.at('metadata', 'resourceVersion'), first.at('metadata', 'resourceVersion'));
  assert.equal((await lab.call('GET', `${path}?continue=nonsense`)).status, 400);
  assert.equal((await lab.call('GET', `${path}?resourceVersion=99999999`)).status, 504);
});

test('Tables, metadata lists and plain lists come with a version', async () => {
  for (const [accept, kind] of [
    [TABLE, 'Table'],
    [METADATA.replaceAll('Metadata;', 'MetadataList;'), 'PartialObjectMetadataList'],
    [TYPED, 'ConfigMapList'],
    ['*/*', 'ConfigMapList'],
  ] as const) {
    const list = await lab.call('GET', CONFIG_MAPS, { headers: { Accept: accept } });
    assert.equal(list.at('kind'), kind);
    assert.match(version(list.json), /^\d+$/);
    assert.equal(list.headers['content-type'], 'application/json');
  }
  assert.equal((await lab.call('GET', CONFIG_MAPS, { headers: { Accept: 'application/cbor' } })).status, 406);
});

test('writing the same again makes no event and no new version', async () => {
  const made = await create('same', { a: '1' });
  const again = await lab.call('PUT', `${CONFIG_MAPS}/same`, { body: configMap('same', { a: '1' }) });
  assert.equal(version(again.json), version(made.json));
  const apply = () =>
    lab.call('PATCH', `${CONFIG_MAPS}/same2?fieldManager=m&force=true`, {
      body: configMap('same2', { a: '1' }),
      headers: { 'Content-Type': 'application/apply-patch+yaml' },
    });
  const first = await apply();
  assert.equal(first.status, 201);
  assert.equal(version((await apply()).json), version(first.json));
});

test('conditional writes meet a conflict when the object has moved on', async () => {
  const made = await create('cond', { a: '1' });
  const stale = { ...configMap('cond', { a: '2' }), metadata: { name: 'cond', resourceVersion: version(made.json) } };
  assert.equal((await lab.call('PUT', `${CONFIG_MAPS}/cond`, { body: stale })).status, 200);
  const answer = await lab.call('PUT', `${CONFIG_MAPS}/cond`, { body: { ...stale, data: { a: '3' } } });
  assert.equal(answer.status, 409);
  assert.match(answer.text, /Operation cannot be fulfilled on configmaps \\"cond\\": the object has been modified/);
  const deletion = await lab.call('DELETE', `${CONFIG_MAPS}/cond`, { body: { preconditions: { uid: 'other' } } });
  assert.equal(deletion.status, 409);
});

test('JSON Patch works as in Go: test null and replace pass on absent keys', async () => {
  await create('golike', { a: '1' });
  const patch = (body: unknown) =>
    lab.call('PATCH', `${CONFIG_MAPS}/golike`, { body, headers: { 'Content-Type': 'application/json-patch+json' } });
  const good = await patch([
    { op: 'test', path: '/data/b', value: null },
    { op: 'replace', path: '/data/b', value: '2' },
  ]);
  assert.equal(good.at('data', 'b'), '2');
  assert.equal((await patch([{ op: 'remove', path: '/data/zzz' }])).status, 422);
  assert.equal((await patch({ data: { c: '3' } })).status, 400);
  const unknown = await lab.call('PATCH', `${CONFIG_MAPS}/golike`, {
    body: {},
    headers: { 'Content-Type': 'application/x-patch' },
  });
  assert.equal(unknown.status, 415);
});

test('a body without a type is JSON; what it leaves out is filled in from the path', async () => {
  const answer = await lab.call('POST', CONFIG_MAPS, {
    body: { metadata: { generateName: 'gen-', creationTimestamp: null } },
    headers: { 'Content-Type': '' },
  });
  assert.equal(answer.status, 201, answer.text);
  assert.match(textAt(answer.json, 'metadata', 'name'), /^gen-.{5}$/);
  assert.equal(answer.at('kind'), 'ConfigMap');
  assert.equal((await lab.call('POST', CONFIG_MAPS, { body: '{"metadata":' })).status, 400);
  const other = await lab.call('POST', CONFIG_MAPS, {
    body: { ...configMap('n'), metadata: { name: 'n', namespace: 'other' } },
  });
  assert.equal(other.status, 400);
  const yaml = await lab.call('POST', CONFIG_MAPS, {
    body: 'metadata: {name: yaml}\ndata: {a: b}\n',
    headers: { 'Content-Type': 'application/yaml' },
  });
  assert.equal(yaml.at('data', 'a'), 'b');
});

test('unknown and doubled fields: refused when strict, warned of by default, dropped in silence when ignored', async () => {
  const body = '{"metadata":{"name":"strict"},"data":{"a":"1","a":"2"},"extra":1}';
  const strict = await lab.call('POST', `${CONFIG_MAPS}?fieldValidation=Strict`, { body });
  assert.equal(strict.status, 400);
  assert.match(strict.text, /strict decoding error: duplicate field \\"data.a\\", unknown field \\"extra\\"/);
  const warned = await lab.call('POST', `${CONFIG_MAPS}?dryRun=All`, { body });
  assert.match(String(warned.headers['warning']), /^299 - "duplicate field \\"data.a\\""/);
  const ignored = await lab.call('POST', `${CONFIG_MAPS}?fieldValidation=Ignore`, { body });
  assert.equal(ignored.headers['warning'], undefined);
  assert.equal(ignored.at('extra'), undefined);
});

test('apply needs a manager, fills in the name from the path, and checks the version it is given', async () => {
  const apply = (query: string, body: unknown) =>
    lab.call('PATCH', `${CONFIG_MAPS}/ssa?${query}`, {
      body,
      headers: { 'Content-Type': 'application/apply-patch+yaml' },
    });
  const nameless = { apiVersion: 'v1', kind: 'ConfigMap', data: { a: '1' } };
  assert.equal((await apply('', nameless)).status, 400);
  const made = await apply('fieldManager=m', nameless);
  assert.equal(made.status, 201);
  assert.equal(made.at('metadata', 'name'), 'ssa');
  const stale = { ...nameless, metadata: { resourceVersion: '1' }, data: { a: '2' } };
  assert.equal((await apply('fieldManager=m', stale)).status, 409);
  const good = await apply('fieldManager=m', { ...stale, metadata: { resourceVersion: version(made.json) } });
  assert.equal(good.status, 200);
  const managers = listAt(good.json, 'metadata', 'managedFields');
  assert.deepEqual(
    managers.map((m) => textAt(m, 'operation')),
    ['Apply'],
  );
  const dropped = await apply('fieldManager=m', { ...nameless, data: { b: '1' } });
  assert.deepEqual(dropped.at('data'), { b: '1' });
});

test('status and spec are written apart, and only the spec counts as a new generation', async () => {
  await lab.call('POST', CRDS, {
    body: crd('Gadget', [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ]),
  });
  const path = '/apis/test.io/v1/namespaces/default/gadgets';
  const made = await lab.call('POST', path, { body: { metadata: { name: 'g' }, spec: { a: 1 }, status: { no: 1 } } });
  assert.equal(made.at('status'), undefined);
  assert.equal(made.at('metadata', 'generation'), 1);
  const status = await lab.call('PUT', `${path}/g/status`, {
    body: {
      metadata: { name: 'g', labels: { no: 'no' } },
      spec: { a: 2 },
      status: { observedGeneration: '1', at: '2026-01-01T00:00:00.123456789Z' },
    },
  });
  assert.deepEqual(status.at('status'), { observedGeneration: '1', at: '2026-01-01T00:00:00.123456789Z' });
  assert.deepEqual(status.at('spec'), { a: 1 });
  assert.equal(status.at('metadata', 'labels'), undefined);
  const spec = await lab.call('PUT', `${path}/g`, { body: { metadata: { name: 'g' }, spec: { a: 3 }, status: {} } });
  assert.equal(spec.at('metadata', 'generation'), 2);
  assert.equal(spec.at('status', 'observedGeneration'), '1');
});

test('an annotation written through pods/status arrives, as the CNI agent of the reference writes it', async () => {
  await lab.call('POST', '/api/v1/namespaces/default/pods', {
    body: { metadata: { name: 'annotated' }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  });
  const answer = await lab.call('PATCH', '/api/v1/namespaces/default/pods/annotated/status', {
    body: { metadata: { annotations: { 'ambient.istio.io/redirection': 'enabled' } } },
    headers: { 'Content-Type': 'application/merge-patch+json' },
  });
  assert.equal(answer.at('metadata', 'annotations', 'ambient.istio.io/redirection'), 'enabled');
});

test('a pod gets its node through a binding, once, and ends only when its kubelet says so', async () => {
  const path = '/api/v1/namespaces/default/pods';
  await lab.call('POST', path, {
    body: { metadata: { name: 'bound' }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  });
  const bind = () => lab.call('POST', `${path}/bound/binding`, { body: { target: { kind: 'Node', name: 'n1' } } });
  assert.equal((await bind()).status, 201);
  assert.equal((await bind()).status, 409);
  const moved = await lab.call('PATCH', `${path}/bound`, {
    body: { spec: { nodeName: 'n2' } },
    headers: { 'Content-Type': 'application/merge-patch+json' },
  });
  assert.equal(moved.status, 422);
  const leaving = await lab.call('DELETE', `${path}/bound`);
  assert.equal(leaving.at('metadata', 'deletionGracePeriodSeconds'), 30);
  assert.equal((await lab.call('GET', `${path}/bound`)).status, 200);
  await lab.call('DELETE', `${path}/bound`, { body: { gracePeriodSeconds: 0 } });
  assert.equal((await lab.call('GET', `${path}/bound`)).status, 404);
});

test('a lease keeps its microseconds', async () => {
  const renewTime = '2026-01-01T00:00:17.951792Z';
  const answer = await lab.call('POST', '/apis/coordination.k8s.io/v1/namespaces/default/leases', {
    body: { metadata: { name: 'l' }, spec: { holderIdentity: 'me', renewTime, leaseTransitions: 0 } },
  });
  assert.equal(answer.at('spec', 'renewTime'), renewTime);
});

test('all state survives a restart, watches go on from before it', async () => {
  const first = await TestLab.start();
  await first.call('POST', CONFIG_MAPS, { body: configMap('kept', { a: '1' }) });
  const seen = version((await first.call('GET', CONFIG_MAPS)).json);
  await first.call('DELETE', `${CONFIG_MAPS}/kept`);
  await first.call('POST', CONFIG_MAPS, { body: configMap('kept', { a: '2' }) });
  await first.api.close();
  const second = await TestLab.start({ dir: first.dir });
  try {
    assert.equal((await second.call('GET', `${CONFIG_MAPS}/kept`)).at('data', 'a'), '2');
    const watch = await second.watch(`${CONFIG_MAPS}?watch=1&resourceVersion=${seen}`);
    assert.equal((await watch.next())?.type, 'DELETED');
    assert.equal((await watch.next())?.type, 'ADDED');
    watch.close();
  } finally {
    await second[Symbol.asyncDispose]();
  }
});

test('what every namespace starts with comes back when it is deleted', async () => {
  for (const path of [`${CONFIG_MAPS}/kube-root-ca.crt`, '/api/v1/namespaces/default/serviceaccounts/default']) {
    const before = await lab.call('GET', path);
    assert.equal((await lab.call('DELETE', path)).status, 200);
    const after = await lab.call('GET', path);
    assert.equal(after.status, 200);
    assert.notEqual(after.at('metadata', 'uid'), before.at('metadata', 'uid'));
  }
});

test('what is not there is said in the form that clients decide by', async () => {
  const missing = await lab.call('GET', `${CONFIG_MAPS}/none`);
  assert.deepEqual(
    [missing.status, missing.at('reason'), missing.at('message')],
    [404, 'NotFound', 'configmaps "none" not found'],
  );
  assert.equal((await lab.call('POST', CONFIG_MAPS, { body: configMap('same') })).at('reason'), 'AlreadyExists');
  assert.equal((await lab.call('GET', '/apis/no.such/v1/things')).status, 404);
  assert.equal((await lab.call('GET', '/nonsense')).status, 404);
  assert.equal((await lab.call('POST', `${CONFIG_MAPS}/none`, { body: {} })).status, 405);
  const bad = await lab.call('POST', CONFIG_MAPS, { body: configMap('Not A Name') });
  assert.deepEqual([bad.status, bad.at('reason'), bad.at('details', 'kind')], [422, 'Invalid', 'ConfigMap']);
  const large = await lab.call('POST', CONFIG_MAPS, { body: configMap('large', { a: 'x'.repeat(7 * 1024 * 1024) }) });
  assert.equal(large.status, 413);
});
