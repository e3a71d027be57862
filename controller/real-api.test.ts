import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { generateKeyAndCsr, inspectCertificate } from '../core/identity/index.ts';
import { KubeError, kubeClient, RESOURCES } from '../core/kube/index.ts';
import { createLogger } from '../core/telemetry/index.ts';
import { CaClient, DeltaClient } from '../core/xds/index.ts';
import { TestLab } from '../lab/api/test-lab.ts';
import type { KubeObject } from '../mesh/index.ts';
import { SYSTEM_CLOCK } from './clock.ts';
import { parseConfig } from './config.ts';
import { startController } from './controller.ts';
import { conditionsOf } from './kube/status-writer.ts';
import { podObject, until } from './test-mesh.ts';

const MANIFESTS = join(import.meta.dirname, '..', 'manifests');

function manifests(): readonly KubeObject[] {
  return readdirSync(MANIFESTS)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .flatMap((file) =>
      parseAllDocuments(readFileSync(join(MANIFESTS, file), 'utf8')).map((d) => d.toJS() as KubeObject),
    );
}

test('with the rights that the manifests give, against an API server that checks them', async () => {
  await using lab = await TestLab.start();
  await using admin = kubeClient({ kubeconfig: join(lab.dir, 'kubeconfig'), env: {} });
  for (const object of manifests()) await admin.apply(object, { fieldManager: 'test' });

  const token = async (account: string, spec: object): Promise<string> => {
    const path = `/api/v1/namespaces/istio-system/serviceaccounts/${account}/token`;
    const made = (await admin.raw({
      method: 'POST',
      path,
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec },
    })) as {
      status: { token: string };
    };
    return made.status.token;
  };
  const own = await token('istiod', {});
  writeFileSync(
    join(lab.dir, 'istiod'),
    JSON.stringify({
      'current-context': 'x',
      contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
      users: [{ name: 'x', user: { token: own } }],
      clusters: [
        {
          name: 'x',
          cluster: { server: lab.url, 'certificate-authority-data': Buffer.from(lab.api.caPem).toString('base64') },
        },
      ],
    }),
  );
  const logs: string[] = [];
  const log = createLogger({ format: 'plain', level: 'info', root: 'controller', write: (line) => logs.push(line) });
  const config = parseConfig({
    CA_TRUSTED_NODE_ACCOUNTS: 'istio-system/ztunnel',
    POD_NAME: 'istiod-1',
    ROOT_CA_DIR: join(lab.dir, 'cacerts'),
    AMBIT_GRPC_PORT: '0',
    AMBIT_READY_PORT: '0',
    AMBIT_MONITORING_PORT: '0',
    AMBIT_DEBUG_PORT: '0',
    AMBIT_DRAIN_DEADLINE: '200ms',
  });
  await using client = kubeClient({ kubeconfig: join(lab.dir, 'istiod'), env: {} });
  await using controller = await startController(config, { client, log, clock: SYSTEM_CLOCK, host: '127.0.0.1' });

  await admin.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'sleep', namespace: 'default' } });
  const place = async (pod: KubeObject): Promise<KubeObject> => {
    const { status, ...rest } = pod;
    const spec = { ...(pod['spec'] as object), containers: [{ name: 'c', image: 'x' }] };
    const made = await admin.create({ ...rest, spec } as KubeObject);
    return admin.patch(RESOURCES.Pod, made.metadata as never, 'merge', { status }, { subresource: 'status' });
  };
  const ztunnel = await place(
    podObject({
      name: 'ztunnel-1',
      namespace: 'istio-system',
      serviceAccount: 'ztunnel',
      redirection: undefined,
      ip: '10.244.1.2',
    }),
  );
  await place(podObject({ name: 'sleep-1', serviceAccount: 'sleep', labels: { app: 'sleep' } }));
  const bound = await token('ztunnel', {
    audiences: ['istio-ca'],
    boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'ztunnel-1', uid: ztunnel.metadata.uid },
  });
  const plane = {
    address: `https://127.0.0.1:${controller.ports.grpc}`,
    altHostname: 'istiod.istio-system.svc',
    rootCertificate: async () => Buffer.from(controller.rootPem),
    token: async () => bound,
    clusterId: 'Kubernetes',
  };
  using ca = new CaClient(plane);
  const identity = 'spiffe://cluster.local/ns/default/sa/sleep';
  const { csrPem } = await generateKeyAndCsr(identity);
  const [leaf = ''] = await ca.createCertificate(csrPem, identity, 3_600);
  assert.deepEqual(inspectCertificate(leaf).uris, [identity]);

  const names = new Set<string>();
  await using xds = new DeltaClient({
    ...plane,
    node: { id: 'ztunnel~10.0.0.9~z.istio-system~istio-system.svc.cluster.local', metadata: {} },
    handlers: {
      onUpdate(_type, update) {
        for (const { name } of update.upserted) names.add(name);
        return [];
      },
    },
  });
  xds.start();
  await until(() => names.has('Kubernetes//Pod/default/sleep-1'), 'the workload arrives');

  const policy = `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p, namespace: default},
    spec: {selector: {matchLabels: {app: sleep}}, action: DENY, rules: [{from: [{source: {namespaces: [x]}}]}]}}`;
  await admin.apply(parse(policy), { fieldManager: 'person' });
  await until(() => names.has('default/p'), 'the policy arrives');
  const held = () => admin.get(RESOURCES.AuthorizationPolicy, 'p', 'default');
  for (let object = await held(); conditionsOf(object).length === 0; object = await held()) {
    assert.ok(!logs.some((line) => line.includes('tried again')), logs.join(''));
  }
  assert.equal(conditionsOf(await held())[0]?.status, 'True');
  await admin.create({
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'strict', namespace: 'default' },
    spec: { mtls: { mode: 'STRICT' } },
  });
  await until(() => names.has('istio-system/istio_converted_static_strict'), 'the strict policy arrives');
  const root = await admin.get(RESOURCES.ConfigMap, 'istio-ca-root-cert', 'default');
  assert.deepEqual(root['data'], { 'root-cert.pem': controller.rootPem });

  for (const [what, bad] of Object.entries({
    'only one of targetRefs or selector': policy.replace('action:', 'targetRefs: [{kind: Service, name: x}], action:'),
    'wildcard not allowed in label value': policy.replace('app: sleep', 'app: "*"'),
    'Cannot set serviceAccounts with namespaces': policy.replace(
      'namespaces: [x]',
      'namespaces: [x], serviceAccounts: [someone]',
    ),
    'Unsupported value': policy.replace('DENY', 'deny'),
  })) {
    await assert.rejects(
      admin.apply(parse(bad), { fieldManager: 'person', force: true }),
      (error) => error instanceof KubeError && error.code === 422 && error.message.includes(what),
    );
  }
  assert.deepEqual(
    logs.filter((line) => line.includes('\twarn\t') || line.includes('\terror\t')),
    [],
  );
});
