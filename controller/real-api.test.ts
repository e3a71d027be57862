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

/** The manifests applied, and the controller running with the rights of its own account and no more. */
async function installed() {
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(await TestLab.start());
  const admin = stack.use(kubeClient({ kubeconfig: join(lab.dir, 'kubeconfig'), env: {} }));
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
    AMBIT_WEBHOOK_PORT: '0',
    AMBIT_READY_PORT: '0',
    AMBIT_MONITORING_PORT: '0',
    AMBIT_DEBUG_PORT: '0',
    AMBIT_DRAIN_DEADLINE: '200ms',
  });
  const client = stack.use(kubeClient({ kubeconfig: join(lab.dir, 'istiod'), env: {} }));
  const controller = stack.use(await startController(config, { client, log, clock: SYSTEM_CLOCK, host: '127.0.0.1' }));

  const open = stack.move();
  return { lab, admin, token, logs, controller, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

test('with the rights that the manifests give, against an API server that checks them', async () => {
  await using mesh = await installed();
  const { admin, token, logs, controller } = mesh;

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

test('once the API server is proven to ask the controller, a bad policy is refused and an unwise one is warned about', async () => {
  await using mesh = await installed();
  const { lab, admin, controller } = mesh;
  const NAME = 'istio-validator-istio-system';
  type Hook = { name: string; failurePolicy: string; clientConfig: { caBundle?: string } };
  const hooks = async () =>
    ((await admin.get(RESOURCES.ValidatingWebhookConfiguration, NAME)) as unknown as { webhooks: Hook[] }).webhooks;
  const settled = async (holds: (all: readonly Hook[]) => boolean, what: string): Promise<void> => {
    const deadline = Date.now() + 20_000;
    while (!holds(await hooks())) {
      assert.ok(Date.now() < deadline, `did not happen: ${what}\n${mesh.logs.join('')}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const caBundle = Buffer.from(controller.rootPem).toString('base64');
  await settled((all) => all.every((hook) => hook.clientConfig.caBundle === caBundle), 'the root is there');
  // Nobody is reached so far: an object that must be refused would be taken, so nothing is closed.
  assert.deepEqual(
    (await hooks()).map((hook) => hook.failurePolicy),
    ['Ignore', 'Ignore', 'Ignore'],
  );
  await admin.create({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'istiod-1', namespace: 'istio-system', labels: { 'kubernetes.io/service-name': 'istiod' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'] }],
    ports: [{ name: 'https-webhook', port: controller.ports.webhook }],
  } as KubeObject);
  const isClosed = (all: readonly Hook[]) =>
    all.map(({ failurePolicy }) => failurePolicy).join() === 'Fail,Ignore,Ignore';
  await settled(isClosed, 'it is closed');

  const apply = (kind: string, spec: string) =>
    lab.kubectl(
      ['apply', '-f', '-'],
      `{apiVersion: security.istio.io/v1, kind: ${kind}, metadata: {name: p, namespace: default}, spec: ${spec}}`,
    );
  const bad = await apply('AuthorizationPolicy', '{rules: [{when: [{key: source.port, values: ["80"]}]}]}');
  assert.notEqual(bad.code, 0);
  assert.match(bad.stderr, /rev.validation.istio.io" denied the request: AuthorizationPolicy default\/p is invalid/);
  assert.match(bad.stderr, /spec\.rules\[0\]\.when\[0\]\.key: "source\.port" is no known key/);
  const unwise = await apply('AuthorizationPolicy', '{action: DENY, rules: [{to: [{operation: {paths: [/admin]}}]}]}');
  assert.equal(unwise.code, 0, unwise.stderr);
  assert.match(unwise.stderr, /Warning: AuthorizationPolicy default\/p: spec\.rules\[0\]: denies every connection/);
  const useless = await apply('PeerAuthentication', '{selector: {matchLabels: {app: nobody}}, mtls: {mode: STRICT}}');
  assert.match(useless.stderr, /Warning: PeerAuthentication default\/p: spec\.selector: no pod of namespace default/);

  // Labels are looked at where there are some of the mesh, and nowhere else.
  const slip = await lab.kubectl(['label', 'namespace', 'default', 'istio.io/dataplane-mode=Ambient']);
  assert.match(slip.stderr, /labels.validation.ambit.io" denied the request: .*"Ambient" is none of ambient, none/);
  assert.equal((await lab.kubectl(['label', 'namespace', 'default', 'team=a'])).code, 0);

  // Routes are looked at where they are about a service, and left to others where they are about Gateways.
  const route = (parent: string) =>
    lab.kubectl(
      ['apply', '-f', '-'],
      `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r, namespace: default}, spec: {parentRefs: [${parent}],
        rules: [{matches: [{path: {type: RegularExpression, value: "/("}}], backendRefs: [{name: a, port: 80}]}]}}`,
    );
  const badRoute = await route('{group: "", kind: Service, name: a}');
  assert.match(badRoute.stderr, /routes.validation.ambit.io" denied the request: HTTPRoute default\/r is invalid/);
  assert.equal((await route('{name: edge}')).code, 0);

  // Somebody overwrites it, as `kubectl apply` of the manifest does.
  const spoilt = {
    webhooks: [{ name: 'rev.validation.istio.io', failurePolicy: 'Ignore', clientConfig: { caBundle: null } }],
  };
  await admin.patch(RESOURCES.ValidatingWebhookConfiguration, { name: NAME }, 'strategic', spoilt);
  await settled((all) => isClosed(all) && all[0]?.clientConfig.caBundle === caBundle, 'it is put right');
});

test('a ServiceEntry gets addresses, and a waypoint counts from the moment that Gateway API is installed', async () => {
  await using mesh = await installed();
  const { lab, admin, logs } = mesh;
  const apply = async (text: string): Promise<void> => {
    const { code, stderr } = await lab.kubectl(['apply', '-f', '-'], text);
    assert.equal(code, 0, stderr);
  };
  const become = async (holds: (object: KubeObject) => boolean, what: string): Promise<KubeObject> => {
    const deadline = Date.now() + 15_000;
    for (;;) {
      const object = await admin.get(RESOURCES.ServiceEntry, 'e', 'default');
      if (holds(object)) return object;
      assert.ok(Date.now() < deadline, `did not happen: ${what}\n${JSON.stringify(object)}\n${logs.join('')}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const bound = (object: KubeObject) =>
    conditionsOf(object).find(({ type }) => type === 'istio.io/WaypointBound')?.reason;
  const addressesOf = (object: KubeObject) =>
    ((object['status'] ?? {}) as { addresses?: { value: string; host: string }[] }).addresses ?? [];

  await apply(`{apiVersion: networking.istio.io/v1, kind: ServiceEntry,
    metadata: {name: e, namespace: default, labels: {istio.io/use-waypoint: w}},
    spec: {hosts: [api.example.com], resolution: DNS, ports: [{name: https, number: 443, protocol: TLS}]}}`);
  const entry = await become(
    (o) => bound(o) === 'WaypointIsNotReady' && addressesOf(o).length > 0,
    'addresses, no waypoint',
  );
  assert.deepEqual(
    addressesOf(entry).map(({ host, value }) => [host, value.replace(/^240\.240\..*|^2001:2:.*/, 'allocated')]),
    [
      ['api.example.com', 'allocated'],
      ['api.example.com', 'allocated'],
    ],
  );
  const shown = await lab.kubectl(['get', 'se', 'e', '-n', 'default']);
  assert.match(shown.stdout, /HOSTS +LOCATION +RESOLUTION +AGE\ne +\["api.example.com"\] +DNS/);

  await apply(`{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: w, namespace: default},
    spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}}`);
  await admin.patch(
    RESOURCES.Gateway,
    { name: 'w', namespace: 'default' },
    'merge',
    { status: { addresses: [{ type: 'Hostname', value: 'w.default.svc.cluster.local' }] } },
    { subresource: 'status' },
  );
  const after = await become((o) => bound(o) === 'WaypointAccepted', 'the waypoint is found');
  assert.deepEqual(addressesOf(after), addressesOf(entry), 'its addresses stay');
  const bad = await lab.kubectl(
    ['apply', '-f', '-'],
    `{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: bad, namespace: default},
    spec: {hosts: ["*"], resolution: NONE, endpoints: [{address: 1.2.3.4}]}}`,
  );
  assert.match(bad.stderr, /hostname cannot be wildcard/);
  assert.match(bad.stderr, /NONE mode cannot set endpoints/);
});

test('a Secret is read by who was let read just that one, and until then the rule that names it says why not', async () => {
  await using mesh = await installed();
  const { admin } = mesh;
  const meta = (name: string) => ({ name, namespace: 'default' });
  const rbac = 'rbac.authorization.k8s.io';
  const create = (object: object) => admin.create(object as KubeObject);
  await create({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: meta('w'),
    spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
  });
  await admin.patch(
    RESOURCES.Gateway,
    meta('w'),
    'merge',
    { status: { addresses: [{ type: 'Hostname', value: 'w.default.svc.cluster.local' }] } },
    { subresource: 'status' },
  );
  await create({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { ...meta('api'), labels: { 'istio.io/use-waypoint': 'w' } },
    spec: { hosts: ['api.example.com'], resolution: 'DNS', ports: [{ name: 'http', number: 80, protocol: 'HTTP' }] },
  });
  const pem = '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n';
  await create({ apiVersion: 'v1', kind: 'Secret', metadata: meta('ca'), stringData: { 'ca.crt': pem } });
  await create({
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: meta('tls'),
    spec: { host: 'api.example.com', trafficPolicy: { tls: { mode: 'SIMPLE', credentialName: 'ca' } } },
  });
  const said = async () => {
    const conditions = conditionsOf(await admin.get(RESOURCES.DestinationRule, 'tls', 'default'));
    return conditions.find(({ type }) => type === 'ambit.io/Accepted')?.message;
  };
  const become = async (holds: (message: string | undefined) => boolean, what: string): Promise<void> => {
    for (const deadline = Date.now() + 20_000; !holds(await said()); ) {
      assert.ok(Date.now() < deadline, `${what}\n${mesh.logs.join('')}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await become((message) => message?.includes('the controller may not read it') === true, 'it is not let');
  const verbs = ['get', 'list', 'watch'];
  const rules = [{ apiGroups: [''], resources: ['secrets'], resourceNames: ['ca'], verbs }];
  await create({ apiVersion: `${rbac}/v1`, kind: 'Role', metadata: meta('read-ca'), rules });
  await create({
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata: meta('read-ca'),
    roleRef: { apiGroup: rbac, kind: 'Role', name: 'read-ca' },
    subjects: [{ kind: 'ServiceAccount', name: 'istiod', namespace: 'istio-system' }],
  });
  await become((message) => message === undefined, 'it is let');
});

test('a Gateway becomes a waypoint, with the rights that the manifests give and by server-side apply that counts', async () => {
  await using mesh = await installed();
  const { admin, lab, logs } = mesh;
  const at = { name: 'w', namespace: 'default' };
  const until = async <T>(what: string, look: () => Promise<T | undefined>): Promise<T> => {
    const deadline = Date.now() + 15_000;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      assert.ok(Date.now() < deadline, `${what}\n${logs.join('')}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const apply = (more: object): Promise<KubeObject> =>
    admin.apply(
      {
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'Gateway',
        metadata: { ...at, ...more },
        spec: {
          gatewayClassName: 'istio-waypoint',
          listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }],
        },
      },
      { fieldManager: 'user', force: true },
    );
  await apply({ labels: { team: 'a' } });
  const service = await until('Service', () => admin.find(RESOURCES.Service, at.name, at.namespace));
  const deployment = await until('Deployment', () => admin.find(RESOURCES.Deployment, at.name, at.namespace));
  assert.equal(deployment.metadata.labels?.['team'], 'a');
  await admin.patch(
    RESOURCES.Deployment,
    at,
    'merge',
    { status: { replicas: 1, readyReplicas: 1 } },
    { subresource: 'status' },
  );
  const shown = await until('programmed', async () => {
    const { stdout } = await lab.kubectl(['get', 'gtw', 'w', '-n', 'default', '--no-headers']);
    return stdout.includes('True') ? stdout : undefined;
  });
  const { clusterIP } = service['spec'] as { clusterIP: string };
  assert.match(shown, new RegExp(`^w +istio-waypoint +${clusterIP.replaceAll('.', '[.]')}.* +True`));
  const theClass = await lab.kubectl(['get', 'gc', '--no-headers']);
  assert.match(theClass.stdout, /^istio-waypoint +istio\.io\/mesh-controller +True/);

  // A label that is taken away goes, and what somebody else has added stays.
  await admin.patch(RESOURCES.Deployment, at, 'merge', { metadata: { labels: { mine: 'b' } }, spec: { replicas: 3 } });
  await apply({});
  const changed = await until('label gone', async () => {
    const now = await admin.get(RESOURCES.Deployment, at.name, at.namespace);
    return now.metadata.labels?.['team'] === undefined ? now : undefined;
  });
  assert.equal(changed.metadata.labels?.['mine'], 'b');
  assert.equal((changed['spec'] as { replicas: number }).replicas, 3);
  assert.deepEqual(
    logs.filter((line) => /warn|error|forbidden/i.test(line)),
    [],
  );
});
