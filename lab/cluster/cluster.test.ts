import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createLogger } from '../../core/telemetry/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import { startCluster } from './index.ts';
import { TestCluster } from './test-cluster.ts';
import {
  type DaemonSet,
  type Deployment,
  type EndpointSlice,
  type Job,
  type Node,
  type Pod,
  type ReplicaSet,
  TYPES,
} from './types.ts';

let cluster: TestCluster;
/** Pods with this label never become ready. */
const SICK = 'test/sick';

before(async () => {
  cluster = await TestCluster.start({ isHealthy: (pod) => pod.metadata.labels?.[SICK] === undefined });
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

async function namespace(name: string): Promise<string> {
  await cluster.client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  await cluster.until('the default ServiceAccount', () => cluster.client.find(TYPES.ServiceAccount, 'default', name));
  return name;
}

const template = (app: string, image = 'i', labels = {}) => ({
  metadata: { labels: { app, ...labels } },
  spec: { containers: [{ name: 'c', image, ports: [{ name: 'http', containerPort: 8080 }] }] },
});
const workload = (kind: string, ns: string, name: string, spec: object) => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name, namespace: ns },
  spec: { selector: { matchLabels: { app: name } }, template: template(name), ...spec },
});
const podsOf = (ns: string, app: string) =>
  cluster.pods.list().filter((pod) => pod.metadata.namespace === ns && pod.metadata.labels?.['app'] === app);
const live = (pods: readonly Pod[]) => pods.filter((pod) => pod.metadata.deletionTimestamp === undefined);
const statusOf = (object: KubeObject) => (object['status'] ?? {}) as Record<string, unknown>;

test('a pod gets a ready node, the emptier one, and quickly', async () => {
  const ns = await namespace('scheduling');
  const pod = { apiVersion: 'v1', kind: 'Pod', spec: template('a').spec };
  const times: number[] = [];
  for (const name of ['a', 'b', 'c', 'd']) {
    const start = performance.now();
    await cluster.client.create({ ...pod, metadata: { name, namespace: ns } });
    await cluster.until(`${name} is bound`, () => cluster.pods.get(`${ns}/${name}`)?.spec.nodeName);
    times.push(performance.now() - start);
  }
  const nodes = ['a', 'b', 'c', 'd'].map((name) => cluster.pods.get(`${ns}/${name}`)?.spec.nodeName);
  assert.deepEqual([...new Set(nodes)].sort(), ['node-1', 'node-2']);
  assert.ok(Math.min(...times) < 50, `fastest of ${times.map((t) => Math.round(t)).join(', ')} ms`);
});

test('a pod that fits nowhere says why, and is scheduled when a node comes that fits', async () => {
  const ns = await namespace('unfit');
  await cluster.client.create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: ns },
    spec: { ...template('p').spec, nodeSelector: { 'kubernetes.io/hostname': 'node-9' } },
  });
  const event = await cluster.until('an event', async () => (await cluster.list('Event', ns))[0]);
  assert.equal(event['reason'], 'FailedScheduling');
  assert.match(String(event['message']), /0\/2 nodes are available: 2 node\(s\) didn't match Pod's node affinity/);
  await cluster.addNode('node-9', { taints: [{ key: 'only', effect: 'NoSchedule', value: 'x' }] });
  await cluster.until('the taint is told', async () =>
    (await cluster.list('Event', ns)).find((e) => /untolerated taint \{only: x\}/.test(String(e['message']))),
  );
  await cluster.client.patch(TYPES.Node, { name: 'node-9' }, 'merge', { spec: { taints: null } });
  await cluster.until('bound', () => cluster.pods.get(`${ns}/p`)?.spec.nodeName === 'node-9' || undefined);
  await cluster.client.delete(TYPES.Node, 'node-9');
  await cluster.until('pods of a node that is gone go too', () =>
    cluster.pods.get(`${ns}/p`) === undefined ? true : undefined,
  );
});

test('a deployment makes its pods, rolls to a new template, and can be undone', async () => {
  const ns = await namespace('rolling');
  await cluster.client.create(workload('Deployment', ns, 'web', { replicas: 3 }));
  const rolledOut = (generation: number) =>
    cluster.until(`generation ${generation} is complete`, async () => {
      const deployment = await cluster.get<Deployment>('Deployment', 'web', ns);
      const s = statusOf(deployment);
      const done = s['observedGeneration'] === generation && s['updatedReplicas'] === 3 && s['replicas'] === 3;
      return done && s['availableReplicas'] === 3 ? deployment : undefined;
    });
  const first = await rolledOut(1);
  assert.equal(first.metadata.annotations?.['deployment.kubernetes.io/revision'], '1');
  assert.equal(live(podsOf(ns, 'web')).length, 3);

  await cluster.client.patch(TYPES.Deployment, { name: 'web', namespace: ns }, 'strategic', {
    spec: { template: { spec: { containers: [{ name: 'c', image: 'j' }] } } },
  });
  await rolledOut(2);
  const status = await cluster.lab.kubectl(['rollout', 'status', 'deploy/web', '-n', ns, '--timeout=5s']);
  assert.equal(status.code, 0, status.stderr);
  const sets = await cluster.list<ReplicaSet>('ReplicaSet', ns);
  assert.deepEqual(sets.map((set) => set.spec.replicas).toSorted(), [0, 3]);

  const undo = await cluster.lab.kubectl(['rollout', 'undo', 'deploy/web', '-n', ns]);
  assert.equal(undo.code, 0, undo.stderr);
  const undone = await rolledOut(3);
  assert.equal(undone.metadata.annotations?.['deployment.kubernetes.io/revision'], '3');
  assert.equal(undone.spec.template.spec.containers[0]?.name, 'c');
  assert.equal((await cluster.list('ReplicaSet', ns)).length, 2, 'the old set is taken up again');
  const history = await cluster.lab.kubectl(['rollout', 'history', 'deploy/web', '-n', ns]);
  assert.match(history.stdout, /^2 .*\n3 /m);
});

test('scaling goes both ways, and deleting the deployment takes everything along', async () => {
  const ns = await namespace('scaling');
  await cluster.client.create(workload('Deployment', ns, 'web', { replicas: 1 }));
  const count = (n: number) =>
    cluster.until(`${n} pods`, () => (live(podsOf(ns, 'web')).length === n ? true : undefined));
  await count(1);
  for (const replicas of [4, 2]) {
    const { code, stderr } = await cluster.lab.kubectl(['scale', 'deploy/web', `--replicas=${replicas}`, '-n', ns]);
    assert.equal(code, 0, stderr);
    await count(replicas);
  }
  const deleted = await cluster.lab.kubectl(['delete', 'deploy/web', '-n', ns]);
  assert.equal(deleted.code, 0, deleted.stderr);
  await count(0);
  await cluster.until('no replica sets', async () =>
    (await cluster.list('ReplicaSet', ns)).length === 0 ? true : undefined,
  );
});

test('a rollout whose pods never become ready keeps the old ones', async () => {
  const ns = await namespace('sick');
  await cluster.client.create(workload('Deployment', ns, 'web', { replicas: 2 }));
  await cluster.until(
    'ready',
    async () => statusOf(await cluster.get('Deployment', 'web', ns))['availableReplicas'] === 2 || undefined,
  );
  await cluster.client.patch(TYPES.Deployment, { name: 'web', namespace: ns }, 'merge', {
    spec: { template: { metadata: { labels: { [SICK]: 'yes' } } } },
  });
  await cluster.until('a sick pod runs', () =>
    podsOf(ns, 'web').find((pod) => pod.metadata.labels?.[SICK] !== undefined && pod.status?.phase === 'Running'),
  );
  const s = await cluster.until('counted', async () => {
    const status = statusOf(await cluster.get<Deployment>('Deployment', 'web', ns));
    return status['updatedReplicas'] === 1 ? status : undefined;
  });
  assert.equal(s['availableReplicas'], 2);
});

test('a daemon set runs on every node and surges when it rolls', async () => {
  const ns = await namespace('daemons');
  const rolling = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
  await cluster.client.create(workload('DaemonSet', ns, 'agent', { updateStrategy: rolling }));
  const complete = (generation: number) =>
    cluster.until(`generation ${generation} is complete`, async () => {
      const set = await cluster.get<DaemonSet>('DaemonSet', 'agent', ns);
      const s = statusOf(set);
      const all = ['desiredNumberScheduled', 'updatedNumberScheduled', 'numberAvailable', 'numberReady'];
      const isDone = s['observedGeneration'] === generation && all.every((field) => s[field] === 2);
      return isDone && live(podsOf(ns, 'agent')).length === 2 ? set : undefined;
    });
  await complete(1);
  assert.deepEqual(
    podsOf(ns, 'agent')
      .map((pod) => pod.spec.nodeName)
      .toSorted(),
    ['node-1', 'node-2'],
  );
  let fewest = 2;
  const leave = cluster.pods.on('set', () => {
    const ready = live(podsOf(ns, 'agent')).filter((pod) =>
      pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'),
    );
    fewest = Math.min(fewest, ready.length);
  });
  const restart = await cluster.lab.kubectl(['rollout', 'restart', 'ds/agent', '-n', ns]);
  assert.equal(restart.code, 0, restart.stderr);
  await complete(2);
  leave();
  assert.equal(fewest, 2, 'no node was ever without a ready pod');
  const status = await cluster.lab.kubectl(['rollout', 'status', 'ds/agent', '-n', ns, '--timeout=5s']);
  assert.equal(status.code, 0, status.stderr);
  const undo = await cluster.lab.kubectl(['rollout', 'undo', 'ds/agent', '-n', ns]);
  assert.equal(undo.code, 0, undo.stderr);
  await complete(3);
  assert.equal((await cluster.list('ControllerRevision', ns)).length, 2);
});

test('a service has the endpoints of its ready pods', async () => {
  const ns = await namespace('endpoints');
  await cluster.client.create({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: ns },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
  });
  await cluster.client.create(workload('Deployment', ns, 'web', { replicas: 2 }));
  const slice = await cluster.until('two endpoints', async () => {
    const [only] = await cluster.list<EndpointSlice>('EndpointSlice', ns);
    return only?.endpoints.filter((e) => e.conditions?.ready === true).length === 2 ? only : undefined;
  });
  assert.deepEqual(slice.ports, [{ name: 'http', protocol: 'TCP', port: 8080 }]);
  const [pod] = live(podsOf(ns, 'web'));
  assert.ok(pod);
  await cluster.setStatus(pod, { conditions: [{ type: 'Ready', status: 'False' }] });
  await cluster.until('one is not ready', async () => {
    const [only] = await cluster.list<EndpointSlice>('EndpointSlice', ns);
    return only?.endpoints.filter((e) => e.conditions?.ready === false).length === 1 ? true : undefined;
  });
  await cluster.client.delete(TYPES.Service, 'web', ns);
  await cluster.until('no slices', async () =>
    (await cluster.list('EndpointSlice', ns)).length === 0 ? true : undefined,
  );
});

test('a job ends when its pod has succeeded', async () => {
  const ns = await namespace('jobs');
  const { spec } = template('once');
  await cluster.client.create({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'once', namespace: ns },
    spec: { template: { spec: { ...spec, restartPolicy: 'Never' } } },
  });
  const pod = await cluster.until('its pod', () =>
    cluster.pods.list().find((p) => p.metadata.namespace === ns && p.status?.podIP),
  );
  await cluster.setStatus(pod, { phase: 'Succeeded' });
  const wait = await cluster.lab.kubectl(['wait', '--for=condition=complete', 'job/once', '-n', ns, '--timeout=5s']);
  assert.equal(wait.code, 0, wait.stderr);
  const job = await cluster.get<Job>('Job', 'once', ns);
  assert.equal(job.status?.succeeded, 1);
});

test('pods and sets that lost their owner are adopted by one that selects them', async () => {
  const ns = await namespace('orphans');
  await cluster.client.create(workload('Deployment', ns, 'web', { replicas: 2 }));
  const ready = () =>
    cluster.until('two available', async () => {
      const deployment = await cluster.client.find<Deployment>(TYPES.Deployment, 'web', ns);
      return (deployment && statusOf(deployment)['availableReplicas'] === 2) || undefined;
    });
  await ready();
  const before = live(podsOf(ns, 'web')).map((pod) => pod.metadata.uid);
  const orphan = { propagationPolicy: 'Orphan' } as const;
  await cluster.client.delete(TYPES.Deployment, 'web', ns, orphan);
  await cluster.until(
    'the deployment is gone',
    async () => (await cluster.client.find(TYPES.Deployment, 'web', ns)) === undefined || undefined,
  );
  await cluster.client.create(workload('Deployment', ns, 'web', { replicas: 2 }));
  await ready();
  assert.deepEqual(
    live(podsOf(ns, 'web'))
      .map((pod) => pod.metadata.uid)
      .toSorted(),
    before.toSorted(),
  );
});

test('pods of a node that falls silent are no longer ready, and the node is tainted', async () => {
  let late = 0;
  await using other = await TestCluster.start({ now: () => new Date(Date.now() + late) });
  await other.client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } });
  await other.until('the ServiceAccount', () => other.client.find(TYPES.ServiceAccount, 'default', 'x'));
  await other.client.create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'x' },
    spec: template('p').spec,
  });
  const isReady = (status: string) =>
    other.pods.get('x/p')?.status?.conditions?.some((c) => c.type === 'Ready' && c.status === status) || undefined;
  await other.until('the pod is ready', () => isReady('True'));
  const node = other.pods.get('x/p')?.spec.nodeName ?? '';
  late = 41_000;
  await other.client.patch(TYPES.Node, { name: node }, 'merge', { metadata: { labels: { look: 'now' } } });
  await other.until('the pod is not ready', () => isReady('False'));
  const tainted = await other.until('the taints', async () => {
    const { spec } = await other.get<Node>('Node', node);
    return spec?.taints?.length === 2 ? spec.taints : undefined;
  });
  assert.equal(tainted[0]?.key, 'node.kubernetes.io/unreachable');
});

test('controllers that start again find everything as it should be', async () => {
  const ns = await namespace('again');
  await cluster.client.create(workload('Deployment', ns, 'web', { replicas: 3 }));
  await cluster.until('available', async () => {
    const status = statusOf(await cluster.get<Deployment>('Deployment', 'web', ns));
    return status['availableReplicas'] === 3 || undefined;
  });
  const versions = async () => {
    const lists = await Promise.all(
      (['Deployment', 'ReplicaSet', 'Pod'] as const).map((kind) => cluster.list(kind, ns)),
    );
    return lists.flat().map(({ kind, metadata }) => `${kind} ${metadata.uid} ${metadata.resourceVersion}`);
  };
  const before = await versions();
  const log = createLogger({ format: 'plain', level: 'error' });
  await (await startCluster({ client: cluster.client, log }))[Symbol.asyncDispose]();
  assert.deepEqual(await versions(), before);
});

test('a kind that the lab does not run says so', async () => {
  const ns = await namespace('unsupported');
  await cluster.client.create(workload('StatefulSet', ns, 'db', { serviceName: 'db' }));
  const event = await cluster.until('an event', async () => (await cluster.list('Event', ns))[0]);
  assert.equal(event['reason'], 'NotImplemented');
  assert.match(String(event['message']), /no controller for StatefulSet/);
});
