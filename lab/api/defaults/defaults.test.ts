import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { listAt } from '../object.ts';
import { TestLab } from '../test-lab.ts';

let lab: TestLab;
before(async () => {
  lab = await TestLab.start();
});
after(async () => {
  await lab[Symbol.asyncDispose]();
});

const core = (plural: string) => `/api/v1/namespaces/default/${plural}`;
const merge = { 'Content-Type': 'application/merge-patch+json' };
const service = (name: string, spec: Record<string, unknown>) =>
  lab.call('POST', core('services'), { body: { metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } } });

test('a service is completed as clients expect it', async () => {
  const made = await service('plain', { selector: { a: 'b' } });
  assert.equal(made.status, 201, made.text);
  const { clusterIP, clusterIPs, ...rest } = made.at('spec') as Record<string, unknown>;
  assert.match(String(clusterIP), /^10\.96\./);
  assert.deepEqual(clusterIPs, [clusterIP]);
  assert.deepEqual(rest, {
    type: 'ClusterIP',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
    selector: { a: 'b' },
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
  });
});

test('families of a service follow its policy, its order and its kind', async () => {
  const rows: readonly (readonly [string, Record<string, unknown>, unknown, RegExp])[] = [
    ['prefer', { ipFamilyPolicy: 'PreferDualStack' }, ['IPv4', 'IPv6'], /^10\.96\.\d+\.\d+,fd00:96::/],
    ['six', { ipFamilies: ['IPv6'] }, ['IPv6'], /^fd00:96::/],
    [
      'six-first',
      { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv4'] },
      ['IPv6', 'IPv4'],
      /^fd00:96::[\da-f]+,10\.96/,
    ],
    ['headless', { clusterIP: 'None', selector: { a: 'b' } }, ['IPv4'], /^None$/],
    ['headless-bare', { clusterIP: 'None' }, ['IPv4', 'IPv6'], /^None$/],
    ['fixed', { clusterIP: '10.96.0.10' }, ['IPv4'], /^10\.96\.0\.10$/],
  ];
  for (const [name, spec, families, ips] of rows) {
    const made = await service(name, spec);
    assert.equal(made.status, 201, made.text);
    assert.deepEqual(made.at('spec', 'ipFamilies'), families, name);
    assert.match(listAt(made.json, 'spec', 'clusterIPs').join(), ips, name);
  }
  const external = await service('external', { type: 'ExternalName', externalName: 'example.com', ports: undefined });
  assert.equal(external.at('spec', 'clusterIP'), undefined);
  assert.equal((await service('outside', { clusterIP: '192.168.0.1' })).status, 422);
  assert.equal((await service('taken', { clusterIP: '10.96.0.10' })).status, 422);
  assert.equal((await service('unnamed', { ports: [{ port: 1 }, { port: 2 }] })).status, 422);
});

test('an update that leaves addresses and node ports out keeps them', async () => {
  const made = await service('keeps', { type: 'NodePort' });
  const port = (made.at('spec', 'ports') as { nodePort: number }[])[0]?.nodePort;
  assert.ok(port !== undefined && port >= 30_000);
  const bare = {
    metadata: { name: 'keeps' },
    spec: { type: 'NodePort', ports: [{ port: 80 }, { port: 81, name: 'x' }].slice(0, 1), selector: { n: 'w' } },
  };
  const updated = await lab.call('PUT', core('services/keeps'), { body: bare });
  assert.equal(updated.at('spec', 'clusterIP'), made.at('spec', 'clusterIP'));
  assert.equal((updated.at('spec', 'ports') as { nodePort: number }[])[0]?.nodePort, port);
});

test('secrets: readable text is merged, the type and sealed data stay', async () => {
  const made = await lab.call('POST', core('secrets'), {
    body: { metadata: { name: 's' }, data: { a: 'YQ==' }, stringData: { b: 'text' }, immutable: true },
  });
  assert.deepEqual(made.at('data'), { a: 'YQ==', b: 'dGV4dA==' });
  assert.equal(made.at('type'), 'Opaque');
  assert.equal(made.at('stringData'), undefined);
  const patch = (body: unknown) => lab.call('PATCH', core('secrets/s'), { body, headers: merge });
  assert.equal((await patch({ data: { a: 'Yg==' } })).status, 422);
  assert.equal((await patch({ immutable: false })).status, 422);
  assert.equal((await patch({ metadata: { labels: { l: 'v' } } })).status, 200);
  const bad = await lab.call('POST', core('secrets'), { body: { metadata: { name: 'bad' }, data: { a: '%%' } } });
  assert.equal(bad.status, 422);
  assert.ok(!bad.text.includes('%%'), 'a refusal does not repeat what may be secret');
});

test('a binding keeps its role for ever, and a new namespace has its label', async () => {
  const path = '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings';
  await lab.call('POST', path, {
    body: { metadata: { name: 'b' }, roleRef: { kind: 'Role', name: 'one' }, subjects: [] },
  });
  const moved = await lab.call('PATCH', `${path}/b`, { body: { roleRef: { name: 'two' } }, headers: merge });
  assert.equal(moved.status, 422);
  const namespace = await lab.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'labelled' } } });
  assert.equal(namespace.at('metadata', 'labels', 'kubernetes.io/metadata.name'), 'labelled');
  assert.deepEqual(namespace.at('spec', 'finalizers'), ['kubernetes']);
  for (const permanent of ['default', 'kube-system']) {
    assert.equal((await lab.call('DELETE', `/api/v1/namespaces/${permanent}`)).status, 403);
  }
});

test('a value of the wrong type is refused by its path', async () => {
  const rows: readonly (readonly [unknown, RegExp])[] = [
    [{ containers: {} }, /spec\.containers must be a list/],
    [
      { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: '80' }] }] },
      /spec\.containers\[0\]\.ports\[0\]\.containerPort must be a whole number/,
    ],
    [{ containers: [{ name: 'c', image: 1 }] }, /spec\.containers\[0\]\.image must be a string/],
    [{ containers: [{ name: 'c', image: 'i' }], hostNetwork: 'yes' }, /spec\.hostNetwork must be a boolean/],
  ];
  for (const [spec, message] of rows) {
    const answer = await lab.call('POST', core('pods'), { body: { metadata: { name: 'p' }, spec } });
    assert.equal(answer.status, 400);
    assert.match(answer.text, message);
  }
});

test('what nothing in the lab acts on is stored with a warning', async () => {
  const answer = await lab.call('POST', core('resourcequotas'), {
    body: { metadata: { name: 'q' }, spec: { hard: { pods: 1 } } },
  });
  assert.equal(answer.at('spec', 'hard', 'pods'), '1');
  assert.match(String(answer.headers['warning']), /not enforced/);
});
