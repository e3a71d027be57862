import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { listAt, textAt } from './object.ts';
import { TestLab } from './test-lab.ts';

let lab: TestLab;
let now = new Date('2026-05-01T00:00:00Z');
before(async () => {
  lab = await TestLab.start({ now: () => now });
});
after(async () => {
  await lab[Symbol.asyncDispose]();
});

const PODS = '/api/v1/namespaces/default/pods';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const POD = (name: string, account = 'default') => ({
  metadata: { name },
  spec: { serviceAccountName: account, containers: [{ name: 'c', image: 'i' }] },
});

async function token(account: string, spec: Record<string, unknown> = {}, namespace = 'default'): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
  const answer = await lab.call('POST', path, { body: { spec } });
  assert.equal(answer.status, 201, answer.text);
  return textAt(answer.json, 'status', 'token');
}
const review = async (text: string, audiences?: readonly string[]) =>
  await lab.call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
    body: { spec: { token: text, ...(audiences === undefined ? {} : { audiences }) } },
  });

test('nobody gets in without credentials, except to ask for health and version', async () => {
  for (const path of ['/healthz', '/livez', '/readyz'])
    assert.equal((await lab.call('GET', path, { anonymous: true })).text, 'ok');
  assert.equal((await lab.call('GET', '/version', { anonymous: true })).status, 200);
  for (const path of ['/api', PODS, '/openapi/v3', '/nonsense']) {
    const answer = await lab.call('GET', path, { anonymous: true });
    assert.deepEqual([answer.status, answer.at('reason')], [401, 'Unauthorized'], path);
  }
  assert.equal((await lab.call('GET', '/api', { token: 'nonsense' })).status, 401);
  assert.equal((await lab.call('GET', '/version', { token: 'nonsense' })).status, 401);
});

test('people come with a client certificate, and their groups count', async () => {
  const config = new KubeConfig();
  config.loadFromString(await lab.api.certificateKubeconfig(lab.url, 'jane', ['team', 'system:nodes']));
  const core = config.makeApiClient(CoreV1Api);
  assert.ok((await core.listNode()).items);
  await assert.rejects(core.deleteNode({ name: 'x' }), (error: { code?: number; body?: string }) => {
    assert.match(String(error.body), /User \\"jane\\" cannot delete resource \\"nodes\\"/);
    return error.code === 403;
  });
});

test('impersonation is refused, not ignored', async () => {
  const answer = await lab.call('GET', PODS, { headers: { 'Impersonate-User': 'joe' } });
  assert.equal(answer.status, 403);
});

test('an account may do what its bindings say, where they say it, and reads why not otherwise', async () => {
  const own = await token('default');
  const denied = await lab.call('GET', PODS, { token: own });
  assert.equal(denied.status, 403);
  assert.equal(
    denied.at('message'),
    'pods is forbidden: User "system:serviceaccount:default:default" cannot list resource "pods" in API group "" in the namespace "default"',
  );
  await lab.call('POST', `${RBAC}/namespaces/default/roles`, {
    body: {
      metadata: { name: 'reader' },
      rules: [
        { apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list'] },
        { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list'], resourceNames: ['mine'] },
      ],
    },
  });
  await lab.call('POST', `${RBAC}/namespaces/default/rolebindings`, {
    body: {
      metadata: { name: 'reader' },
      roleRef: { kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'default' }],
    },
  });
  assert.equal((await lab.call('GET', PODS, { token: own })).status, 200);
  assert.equal((await lab.call('GET', `${PODS}?watch=1&timeoutSeconds=1`, { token: own })).status, 403);
  assert.equal((await lab.call('GET', '/api/v1/pods', { token: own })).status, 403);
  assert.equal((await lab.call('GET', '/api/v1/namespaces/kube-system/pods', { token: own })).status, 403);
  assert.equal((await lab.call('GET', '/api/v1/namespaces/default/secrets/mine', { token: own })).status, 404);
  assert.equal((await lab.call('GET', '/api/v1/namespaces/default/secrets/other', { token: own })).status, 403);
  const listed = async (query: string) =>
    (await lab.call('GET', `/api/v1/namespaces/default/secrets${query}`, { token: own })).status;
  assert.equal(await listed('?fieldSelector=metadata.name%3Dmine'), 200);
  assert.equal(await listed('?fieldSelector=metadata.name%3Dother'), 403);
  assert.equal(await listed('?fieldSelector=metadata.name%21%3Dmine'), 403);
  assert.equal(await listed(''), 403);
  assert.equal((await lab.call('DELETE', `${PODS}/x`, { token: own })).status, 403);
  assert.equal((await lab.call('GET', '/apis/apps/v1', { token: own })).status, 200);
});

test('groups of accounts are bound like any other group', async () => {
  await lab.call('POST', `${RBAC}/clusterrolebindings`, {
    body: {
      metadata: { name: 'system-views' },
      roleRef: { kind: 'ClusterRole', name: 'view' },
      subjects: [{ kind: 'Group', name: 'system:serviceaccounts:kube-system' }],
    },
  });
  assert.equal(
    (await lab.call('GET', '/api/v1/pods', { token: await token('default', {}, 'kube-system') })).status,
    200,
  );
  assert.equal(
    (await lab.call('GET', '/api/v1/secrets', { token: await token('default', {}, 'kube-system') })).status,
    403,
  );
});

test('nobody grants rights that they lack', async () => {
  await lab.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'team' } } });
  await lab.call('POST', `${RBAC}/namespaces/team/rolebindings`, {
    body: {
      metadata: { name: 'lead' },
      roleRef: { kind: 'ClusterRole', name: 'admin' },
      subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'team' }],
    },
  });
  const lead = await token('default', {}, 'team');
  const role = (resources: string[]) => ({
    metadata: { name: resources[0] },
    rules: [{ apiGroups: [''], resources, verbs: ['get'] }],
  });
  assert.equal(
    (await lab.call('POST', `${RBAC}/namespaces/team/roles`, { token: lead, body: role(['pods']) })).status,
    201,
  );
  const beyond = await lab.call('POST', `${RBAC}/namespaces/team/roles`, { token: lead, body: role(['nodes']) });
  assert.equal(beyond.status, 403);
  assert.match(beyond.text, /attempting to grant RBAC permissions not currently held/);
  const bind = (name: string) =>
    lab.call('POST', `${RBAC}/namespaces/team/rolebindings`, {
      token: lead,
      body: { metadata: { name }, roleRef: { kind: 'ClusterRole', name }, subjects: [{ kind: 'User', name: 'x' }] },
    });
  assert.equal((await bind('cluster-admin')).status, 403);
  assert.equal((await bind('view')).status, 201);
});

test('a token for another audience opens nothing here, and a review returns the audience in common', async () => {
  const foreign = await token('default', { audiences: ['istio-ca'] });
  assert.equal((await lab.call('GET', '/api', { token: foreign })).status, 401);
  const good = await review(foreign, ['istio-ca', 'other']);
  assert.equal(good.at('status', 'authenticated'), true);
  assert.deepEqual(good.at('status', 'audiences'), ['istio-ca']);
  assert.equal(good.at('status', 'user', 'username'), 'system:serviceaccount:default:default');
  assert.deepEqual(listAt(good.json, 'status', 'user', 'groups'), [
    'system:serviceaccounts',
    'system:serviceaccounts:default',
    'system:authenticated',
  ]);
  assert.equal((await review(foreign)).at('status', 'authenticated'), false);
  assert.equal((await review(`${foreign.slice(0, -4)}AAAA`, ['istio-ca'])).at('status', 'authenticated'), false);
});

test('a token bound to a pod names it and its node, and dies with it', async () => {
  const made = await lab.call('POST', PODS, { body: POD('bound') });
  await lab.call('POST', '/api/v1/nodes', { body: { metadata: { name: 'node-9' } } });
  await lab.call('POST', `${PODS}/bound/binding`, { body: { target: { name: 'node-9' } } });
  const uid = textAt(made.json, 'metadata', 'uid');
  const bound = await token('default', {
    audiences: ['istio-ca'],
    boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'bound', uid },
  });
  const good = await review(bound, ['istio-ca']);
  assert.deepEqual(good.at('status', 'user', 'extra', 'authentication.kubernetes.io/pod-name'), ['bound']);
  assert.deepEqual(good.at('status', 'user', 'extra', 'authentication.kubernetes.io/pod-uid'), [uid]);
  assert.deepEqual(good.at('status', 'user', 'extra', 'authentication.kubernetes.io/node-name'), ['node-9']);
  const claims = JSON.parse(Buffer.from(bound.split('.')[1] ?? '', 'base64url').toString());
  assert.deepEqual(claims['kubernetes.io'].pod, { name: 'bound', uid });
  await lab.call('DELETE', `${PODS}/bound`, { body: { gracePeriodSeconds: 0 } });
  assert.equal((await review(bound, ['istio-ca'])).at('status', 'authenticated'), false);
  await lab.call('POST', PODS, { body: POD('bound') });
  assert.equal(
    (await review(bound, ['istio-ca'])).at('status', 'authenticated'),
    false,
    'another pod of the same name',
  );
});

test('a token can be bound only to a pod of its account', async () => {
  await lab.call('POST', '/api/v1/namespaces/default/serviceaccounts', { body: { metadata: { name: 'other' } } });
  await lab.call('POST', PODS, { body: POD('others', 'other') });
  const ask = (spec: unknown) =>
    lab.call('POST', '/api/v1/namespaces/default/serviceaccounts/default/token', { body: { spec } });
  assert.equal((await ask({ boundObjectRef: { kind: 'Pod', name: 'others' } })).status, 400);
  assert.equal((await ask({ boundObjectRef: { kind: 'Pod', name: 'nowhere' } })).status, 409);
  assert.equal((await ask({ expirationSeconds: 5 })).status, 400);
});

test('a token ends at its time, and with its account', async () => {
  await lab.call('POST', '/api/v1/namespaces/default/serviceaccounts', { body: { metadata: { name: 'brief' } } });
  const short = await token('brief', { expirationSeconds: 600 });
  const long = await token('brief', { expirationSeconds: 7200 });
  const start = now;
  now = new Date(start.getTime() + 599_000);
  assert.equal((await lab.call('GET', '/api', { token: short })).status, 200);
  now = new Date(start.getTime() + 600_000);
  assert.equal((await lab.call('GET', '/api', { token: short })).status, 401);
  assert.equal((await lab.call('GET', '/api', { token: long })).status, 200);
  now = start;
  await lab.call('DELETE', '/api/v1/namespaces/default/serviceaccounts/brief');
  assert.equal((await lab.call('GET', '/api', { token: long })).status, 401);
});

test('reviews of access answer for anybody, with the reason', async () => {
  const ask = (spec: unknown) =>
    lab.call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', { body: { spec } });
  const attributes = { verb: 'list', resource: 'pods', namespace: 'default' };
  const allowed = await ask({
    user: 'x',
    groups: ['system:serviceaccounts:kube-system'],
    resourceAttributes: attributes,
  });
  assert.equal(allowed.at('status', 'allowed'), true);
  assert.match(String(allowed.at('status', 'reason')), /ClusterRoleBinding "system-views"/);
  assert.equal((await ask({ user: 'x', resourceAttributes: attributes })).at('status', 'allowed'), false);
  assert.equal(
    (await ask({ user: 'x', nonResourceAttributes: { verb: 'get', path: '/metrics' } })).at('status', 'allowed'),
    false,
  );
  assert.equal((await ask({ user: 'x' })).status, 400);
});

test('components of the lab come with their own names and rights', async () => {
  const node = await lab.api.tokenFor('system:node:node-1', ['system:nodes']);
  const scheduler = await lab.api.tokenFor('system:kube-scheduler', []);
  const manager = await lab.api.tokenFor('system:kube-controller-manager', []);
  assert.equal((await lab.call('GET', '/api/v1/pods', { token: node })).status, 200);
  assert.equal(
    (await lab.call('POST', '/api/v1/nodes', { token: node, body: { metadata: { name: 'node-1' } } })).status,
    201,
  );
  assert.equal((await lab.call('DELETE', '/api/v1/nodes/node-1', { token: node })).status, 403);
  await lab.call('POST', PODS, { body: POD('to-bind') });
  assert.equal(
    (await lab.call('POST', `${PODS}/to-bind/binding`, { token: scheduler, body: { target: { name: 'node-1' } } }))
      .status,
    201,
  );
  assert.equal((await lab.call('GET', '/api/v1/secrets', { token: scheduler })).status, 403);
  assert.equal((await lab.call('GET', '/apis/apps/v1/deployments', { token: manager })).status, 200);
  const who = await lab.call('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { token: node, body: {} });
  assert.deepEqual(who.at('status', 'userInfo', 'groups'), ['system:nodes', 'system:authenticated']);
});
