import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { type KubectlResult, TestLab } from './test-lab.ts';

let lab: TestLab;
before(async () => {
  lab = await TestLab.start();
});
after(async () => {
  await lab[Symbol.asyncDispose]();
});

const k = (...args: string[]): Promise<KubectlResult> => lab.kubectl(args);

async function ok(...args: string[]): Promise<string> {
  const result = await k(...args);
  assert.equal(result.code, 0, `kubectl ${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}
async function apply(manifest: string, ...args: string[]): Promise<KubectlResult> {
  return await lab.kubectl(['apply', '-f', '-', ...args], manifest);
}

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, labels: { app: web } }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: c, image: web, ports: [{ containerPort: 80 }] }] }
`;

const WIDGETS = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: widgets.example.io }
spec:
  group: example.io
  scope: Namespaced
  names: { plural: widgets, kind: Widget, shortNames: [wd] }
  versions:
  - name: v1
    served: true
    storage: true
    subresources: { status: {}, scale: { specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas } }
    additionalPrinterColumns:
    - { name: Size, type: string, jsonPath: .spec.size }
    - { name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status' }
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            description: What the widget should be.
            required: [size]
            x-kubernetes-validations: [{ rule: "self.size != 'huge'", message: too huge }]
            properties:
              size: { type: string, description: How large it is. }
              color: { type: string, default: red }
              replicas: { type: integer }
          status: { type: object, x-kubernetes-preserve-unknown-fields: true }
  - name: v1beta1
    served: true
    storage: false
    schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
`;
const WIDGET = (name: string, spec: string) => `
apiVersion: example.io/v1
kind: Widget
metadata: { name: ${name} }
spec: ${spec}
`;

test('a new cluster has its namespaces, version, and the Service of its own API', async () => {
  assert.match(await ok('version'), /Server Version: v1\.35\.0/);
  assert.match(await ok('get', 'namespaces'), /kube-system +Active/);
  assert.match(await ok('get', 'service', 'kubernetes'), /ClusterIP +10\.96\.0\.1 /);
  assert.match(await ok('api-resources', '--api-group=apps'), /deployments +deploy +apps\/v1 +true +Deployment/);
});

test('apply creates, then says that nothing changed, then changes what differs', async () => {
  assert.match((await apply(DEPLOYMENT)).stdout, /web created/);
  assert.match((await apply(DEPLOYMENT)).stdout, /web unchanged/);
  assert.match((await apply(DEPLOYMENT.replace('replicas: 2', 'replicas: 3'))).stdout, /web configured/);
  assert.match(await ok('get', 'deployment', 'web'), /web +0\/3 +0 +0 /);
  const generation = await ok('get', 'deployment', 'web', '-o', 'jsonpath={.metadata.generation}');
  assert.equal(generation, '2');
});

test('scale, label, annotate, patch, set image and restart change a deployment', async () => {
  await apply(DEPLOYMENT.replaceAll('web', 'many'));
  await ok('scale', 'deployment/many', '--replicas=5');
  await ok('label', 'deployment/many', 'tier=front');
  await ok('annotate', 'deployment/many', 'note=seen');
  await ok(
    'patch',
    'deployment',
    'many',
    '-p',
    '{"spec":{"template":{"spec":{"containers":[{"name":"c","env":[{"name":"A","value":"1"}]}]}}}}',
  );
  await ok('set', 'image', 'deployment/many', 'c=many:2');
  await ok('rollout', 'restart', 'deployment/many');
  const path =
    '{.spec.replicas} {.metadata.labels.tier} {.metadata.annotations.note} {.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].env[0].value} {.spec.template.spec.containers[0].ports[0].containerPort}';
  assert.equal(await ok('get', 'deployment', 'many', '-o', `jsonpath=${path}`), '5 front seen many:2 1 80');
  assert.match(await ok('get', 'deployment', 'many', '--show-labels'), /tier=front/);
});

test('every kind of `kubectl create` arrives as protobuf and is stored', async () => {
  const commands = [
    ['configmap', 'a', '--from-literal=k=v'],
    ['secret', 'generic', 'a', '--from-literal=k=v'],
    ['serviceaccount', 'a'],
    ['service', 'clusterip', 'a', '--tcp=80'],
    ['deployment', 'a', '--image=a'],
    ['job', 'a', '--image=a'],
    ['cronjob', 'a', '--image=a', '--schedule=* * * * *'],
    ['role', 'a', '--verb=get', '--resource=pods'],
    ['rolebinding', 'a', '--role=a', '--user=joe'],
    ['clusterrole', 'a', '--verb=get', '--resource=pods'],
    ['clusterrolebinding', 'a', '--clusterrole=a', '--user=joe'],
    ['ingress', 'a', '--rule=h/p=s:80'],
    ['poddisruptionbudget', 'a', '--selector=a=b', '--min-available=1'],
    ['quota', 'a', '--hard=pods=1'],
    ['priorityclass', 'a', '--value=1'],
    ['namespace', 'protobuf'],
  ];
  for (const command of commands) assert.match(await ok('create', ...command), / created/, command.join(' '));
  assert.equal(await ok('get', 'secret', 'a', '-o', 'jsonpath={.data.k} {.type}'), 'dg== Opaque');
  assert.equal(
    await ok('get', 'cronjob', 'a', '-o', 'jsonpath={.metadata.creationTimestamp}').then((t) => t.slice(0, 2)),
    '20',
  );
});

test('apply merges lists by their keys: what others added stays, what the manifest dropped goes', async () => {
  const manifest = (strategy: string, env: string, volume: string, ports: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: merged }
spec:
  strategy: ${strategy}
  selector: { matchLabels: { app: merged } }
  template:
    metadata: { labels: { app: merged } }
    spec:
      tolerations: [{ key: ${env.length > 30 ? 'first' : 'second'}, operator: Exists }]
      containers: [{ name: c, image: i, env: ${env}, volumeMounts: [{ name: v, mountPath: /v }] }]
      volumes: [{ name: v, ${volume} }]
---
apiVersion: v1
kind: Service
metadata: { name: merged }
spec: { selector: { app: merged }, ports: ${ports} }
`;
  const one = manifest(
    '{ type: RollingUpdate }',
    '[{ name: A, value: "1" }, { name: B, value: "2" }]',
    'emptyDir: {}',
    '[{ name: a, port: 80 }, { name: b, port: 81 }]',
  );
  const two = manifest(
    '{ type: Recreate }',
    '[{ name: B, value: "3" }]',
    'configMap: { name: cm }',
    '[{ name: b, port: 81 }, { name: c, port: 82 }]',
  );
  assert.equal((await apply(one)).code, 0);
  const sidecar =
    '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s"},{"name":"c","env":[{"name":"OTHER","value":"x"}]}]}}}}';
  await ok('patch', 'deployment', 'merged', '-p', sidecar);
  const applied = await apply(two);
  assert.equal(applied.code, 0, applied.stderr);
  const get = (path: string) => ok('get', 'deployment', 'merged', '-o', `jsonpath=${path}`);
  assert.deepEqual((await get('{.spec.template.spec.containers[*].name}')).split(' ').sort(), ['c', 'side']);
  assert.equal(
    await get('{range .spec.template.spec.containers[?(@.name=="c")].env[*]}{.name}={.value} {end}'),
    'B=3 OTHER=x ',
  );
  assert.match(
    await get('{.spec.template.spec.volumes}'),
    /^\[\{"configMap":\{"defaultMode":420,"name":"cm"\},"name":"v"\}\]$/,
  );
  assert.equal(await get('{.spec.strategy}'), '{"type":"Recreate"}');
  assert.equal(await get('{.spec.template.spec.tolerations[*].key}'), 'second');
  assert.equal(
    await ok('get', 'service', 'merged', '-o', 'jsonpath={.spec.ports[*].name}').then((t) =>
      t.split(' ').sort().join(),
    ),
    'b,c',
  );
});

test('explain knows the built-in kinds', async () => {
  assert.match(await ok('explain', 'pod.spec.containers.env'), /valueFrom\t<EnvVarSource>/);
  assert.match(await ok('explain', 'deployment'), /Keeps a number of equal pods running/);
});

test('a typo in a built-in manifest is refused by name, not dropped', async () => {
  const result = await apply(DEPLOYMENT.replaceAll('web', 'typo').replace('replicas:', 'replica:'));
  assert.equal(result.code, 1);
  assert.match(result.stderr, /strict decoding error: unknown field "spec\.replica"/);
});

test('an invalid object is refused with one line for each broken rule', async () => {
  const result = await apply(
    DEPLOYMENT.replaceAll('web', 'wrong').replace('matchLabels: { app: wrong }', 'matchLabels: { app: other }'),
  );
  assert.match(result.stderr, /`selector` does not match template `labels`/);
  await apply(DEPLOYMENT.replaceAll('web', 'fixed'));
  const moved = await k(
    'patch',
    'deployment',
    'fixed',
    '--type=merge',
    '-p',
    '{"spec":{"selector":{"matchLabels":{"app":"x"}}}}',
  );
  assert.match(moved.stderr, /field is immutable/);
});

test('a definition is established at once; its objects are pruned, defaulted, checked, shown and explained', async () => {
  assert.equal((await apply(WIDGETS)).code, 0);
  await ok('wait', '--for=condition=Established', 'crd/widgets.example.io', '--timeout=5s');
  assert.match((await apply(WIDGET('one', '{ size: big }'))).stdout, /one created/);
  assert.equal(await ok('get', 'widget', 'one', '-o', 'jsonpath={.spec.color}'), 'red');
  assert.match((await apply(WIDGET('typo', '{ size: big, colour: blue }'))).stderr, /unknown field "spec\.colour"/);
  assert.match((await apply(WIDGET('huge', '{ size: huge }'))).stderr, /spec: Invalid value: .*too huge/);
  assert.match((await apply(WIDGET('none', '{}'))).stderr, /spec\.size: Required value/);
  assert.match(await ok('get', 'wd'), /NAME +SIZE +READY\none +big/);
  assert.match(await ok('explain', 'widget.spec.size'), /How large it is\./);
  await ok(
    'patch',
    'widget',
    'one',
    '--subresource=status',
    '--type=merge',
    '-p',
    '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}',
  );
  assert.match(await ok('get', 'wd'), /one +big +True/);
  assert.match(
    (await k('patch', 'widget', 'one', '-p', '{"spec":{"size":"s"}}')).stderr,
    /is not supported by example\.io\/v1/,
  );
  await ok('scale', 'widget/one', '--replicas=4');
  assert.equal(
    await ok('get', 'widgets.v1beta1.example.io', 'one', '-o', 'jsonpath={.apiVersion} {.spec.replicas}'),
    'example.io/v1beta1 4',
  );
  await ok('delete', 'crd', 'widgets.example.io');
  assert.match(
    (await k('get', 'widgets')).stderr,
    /the server could not find the requested resource|doesn't have a resource type/,
  );
});

test('server-side apply owns fields, and another manager meets a conflict', async () => {
  const manifest = (value: string) =>
    `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"owned"},"data":{"k":"${value}"}}`;
  assert.match((await apply(manifest('1'), '--server-side', '--field-manager=first')).stdout, /serverside-applied/);
  const second = await apply(manifest('2'), '--server-side', '--field-manager=second');
  assert.equal(second.code, 1);
  assert.match(second.stderr, /conflict with "first" using v1: \.data\.k/);
  const forced = await apply(manifest('2'), '--server-side', '--field-manager=second', '--force-conflicts');
  assert.match(forced.stdout, /serverside-applied/);
  assert.equal(await ok('get', 'configmap', 'owned', '-o', 'jsonpath={.data.k}'), '2');
});

test('moving from client-side to server-side apply migrates the ownership', async () => {
  const manifest = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"moved"},"data":{"k":"1","gone":"x"}}';
  await apply(manifest);
  const moved = await apply(manifest.replace(',"gone":"x"', ''), '--server-side');
  assert.equal(moved.code, 0, moved.stderr);
  assert.equal(await ok('get', 'configmap', 'moved', '-o', 'jsonpath={.data}'), '{"k":"1"}');
});

test('diff shows a change and stores nothing; a dry run leaves no trace', async () => {
  await apply(DEPLOYMENT.replaceAll('web', 'dry'));
  const result = await lab.kubectl(
    ['diff', '-f', '-'],
    DEPLOYMENT.replaceAll('web', 'dry').replace('replicas: 2', 'replicas: 9'),
  );
  assert.equal(result.code, 1);
  assert.match(result.stdout, /\+ {2}replicas: 9/);
  assert.equal(await ok('get', 'deployment', 'dry', '-o', 'jsonpath={.spec.replicas}'), '2');
  await ok('create', 'configmap', 'ghost', '--dry-run=server');
  assert.equal((await k('get', 'configmap', 'ghost')).code, 1);
});

test('replace, replace --force and a List in one file work', async () => {
  await ok('create', 'configmap', 'swap', '--from-literal=a=1');
  const manifest = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"swap"},"data":{"b":"2"}}';
  assert.match((await lab.kubectl(['replace', '-f', '-'], manifest)).stdout, /replaced/);
  assert.equal(await ok('get', 'configmap', 'swap', '-o', 'jsonpath={.data}'), '{"b":"2"}');
  assert.match((await lab.kubectl(['replace', '--force', '-f', '-'], manifest)).stdout, /replaced/);
  const list = `{"apiVersion":"v1","kind":"List","items":[${manifest.replace('swap', 'l1')},${manifest.replace('swap', 'l2')}]}`;
  assert.match((await apply(list)).stdout, /l1 created\nconfigmap\/l2 created/);
});

test('`get -w` shows what is there and then each change', async () => {
  await ok('create', 'configmap', 'seen', '--from-literal=a=1');
  const watching = await lab.start(['get', 'configmap', 'seen', '-w', '-o', 'jsonpath={.data.a}{"\\n"}']);
  assert.ok(watching.stdout);
  const lines = createInterface(watching.stdout)[Symbol.asyncIterator](); // kubectl may write a line in pieces
  try {
    assert.equal((await lines.next()).value, '1');
    await ok('patch', 'configmap', 'seen', '-p', '{"data":{"a":"2"}}');
    assert.equal((await lines.next()).value, '2');
  } finally {
    watching.kill();
  }
});

test('wait ends when the condition comes, and delete waits for a finalizer', async () => {
  await ok('create', 'configmap', 'held');
  await ok('patch', 'configmap', 'held', '-p', '{"metadata":{"finalizers":["example.io/hold"]}}');
  const deleting = k('delete', 'configmap', 'held', '--timeout=10s');
  await ok('wait', '--for=jsonpath={.metadata.deletionGracePeriodSeconds}=0', 'configmap/held', '--timeout=10s');
  const added = await k('patch', 'configmap', 'held', '-p', '{"metadata":{"finalizers":["example.io/other"]}}');
  assert.match(added.stderr, /no new finalizers can be added/);
  await ok('patch', 'configmap', 'held', '--type=json', '-p', '[{"op":"remove","path":"/metadata/finalizers"}]');
  assert.equal((await deleting).code, 0);
  assert.equal((await k('get', 'configmap', 'held')).code, 1);
});

test('a deleted namespace is emptied, and nothing new enters meanwhile', async () => {
  await ok('create', 'namespace', 'short');
  await ok('create', 'configmap', 'inside', '-n', 'short');
  await ok('patch', 'configmap', 'inside', '-n', 'short', '-p', '{"metadata":{"finalizers":["example.io/hold"]}}');
  await ok('delete', 'namespace', 'short', '--wait=false');
  assert.match(await ok('get', 'namespace', 'short'), /Terminating/);
  assert.match((await k('create', 'configmap', 'late', '-n', 'short')).stderr, /because it is being terminated/);
  await ok('patch', 'configmap', 'inside', '-n', 'short', '-p', '{"metadata":{"finalizers":null}}');
  await ok('wait', '--for=delete', 'namespace/short', '--timeout=5s');
});

test('a pod gets its account, its token volume and the defaults that debuggers need', async () => {
  await ok('create', 'namespace', 'pods');
  await ok('run', 'one', '-n', 'pods', '--image=one');
  const path =
    '{.spec.serviceAccountName} {.spec.securityContext} {.status.phase} {.spec.volumes[0].projected.sources[0].serviceAccountToken.path} {.spec.containers[0].volumeMounts[0].mountPath}';
  assert.equal(
    await ok('get', 'pod', 'one', '-n', 'pods', '-o', `jsonpath=${path}`),
    'default {} Pending token /var/run/secrets/kubernetes.io/serviceaccount',
  );
  const stranger = await k(
    'run',
    'two',
    '-n',
    'pods',
    '--image=x',
    '--overrides={"spec":{"serviceAccountName":"nobody"}}',
  );
  assert.match(stranger.stderr, /serviceaccount "nobody" not found/);
  await ok('debug', 'one', '-n', 'pods', '--image=tools', '--container=dbg', '--attach=false');
  assert.equal(
    await ok('get', 'pod', 'one', '-n', 'pods', '-o', 'jsonpath={.spec.ephemeralContainers[0].name}'),
    'dbg',
  );
  assert.match(await ok('describe', 'pod', 'one', '-n', 'pods'), /Status: +Pending/);
});

test('tokens, whoami and can-i answer with real rights', async () => {
  const token = (await ok('create', 'token', 'default')).trim();
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sub: string };
  assert.equal(claims.sub, 'system:serviceaccount:default:default');
  assert.match(await ok('auth', 'whoami'), /kubernetes-admin/);
  assert.equal((await ok('auth', 'can-i', 'delete', 'nodes')).trim(), 'yes');
  assert.match(await ok('auth', 'can-i', '--list'), /\*\.\*/);
  assert.match((await k('get', 'pods', '--as=joe')).stderr, /impersonation is not supported/);
});

test('drain cordons a node and evicts its pods', async () => {
  await lab.kubectl(['create', '-f', '-'], '{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}}');
  await ok('cordon', 'n1');
  assert.match(await ok('get', 'node', 'n1'), /Unknown,SchedulingDisabled/);
  assert.match(await ok('drain', 'n1'), /node\/n1 drained/);
  await ok('taint', 'node', 'n1', 'a=b:NoSchedule');
});

test('services have addresses of both families when they ask for them, and keep them', async () => {
  await ok('create', 'service', 'clusterip', 'dual', '--tcp=80:8080');
  const first = await ok('get', 'service', 'dual', '-o', 'jsonpath={.spec.clusterIP}');
  await ok('patch', 'service', 'dual', '-p', '{"spec":{"ipFamilyPolicy":"PreferDualStack"}}');
  const ips = JSON.parse(await ok('get', 'service', 'dual', '-o', 'jsonpath={.spec.clusterIPs}')) as string[];
  assert.equal(ips[0], first);
  assert.match(ips[1] ?? '', /^fd00:96::/);
  const moved = await k(
    'patch',
    'service',
    'dual',
    '-p',
    '{"spec":{"clusterIP":"10.96.9.9","clusterIPs":["10.96.9.9"]}}',
  );
  assert.match(moved.stderr, /may not change once set/);
  assert.match(
    (
      await apply(
        `{"apiVersion":"v1","kind":"Service","metadata":{"name":"taken"},"spec":{"clusterIP":"${first}","ports":[{"port":80}]}}`,
      )
    ).stderr,
    /already allocated/,
  );
  await ok('expose', 'deployment', 'web', '--port=80', '--name=exposed');
});

test('a disappeared owner takes its dependents along; orphans stay', async () => {
  for (const cascade of ['background', 'foreground', 'orphan']) {
    await ok('create', 'configmap', 'owner');
    const uid = await ok('get', 'configmap', 'owner', '-o', 'jsonpath={.metadata.uid}');
    await apply(
      `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"owned-by","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"${uid}","blockOwnerDeletion":true}]}}`,
    );
    await ok('delete', 'configmap', 'owner', `--cascade=${cascade}`, '--timeout=5s');
    if (cascade !== 'orphan') await ok('wait', '--for=delete', 'configmap/owned-by', '--timeout=5s');
    else assert.equal(await ok('get', 'configmap', 'owned-by', '-o', 'jsonpath={.metadata.ownerReferences}'), '');
  }
});

test('what this server cannot do it says: port-forward, top, logs of a pod nobody runs', async () => {
  await ok('run', 'idle', '--image=x');
  assert.match((await k('top', 'pods')).stderr, /Metrics API not available/);
  assert.match((await k('logs', 'idle')).stderr, /does not have a host assigned/);
  assert.equal((await k('port-forward', 'pod/idle', '18080:80')).code, 1);
});

test('selectors, sorting, wide tables and `get all` work', async () => {
  await ok('create', 'namespace', 'sel');
  for (const [name, tier] of [
    ['a', 'x'],
    ['b', 'y'],
    ['c', ''],
  ] as const) {
    await ok('create', 'configmap', name, '-n', 'sel');
    if (tier !== '') await ok('label', 'configmap', name, '-n', 'sel', `tier=${tier}`);
  }
  const names = async (...args: string[]) =>
    (
      await ok(
        'get',
        'configmap',
        '-n',
        'sel',
        '-o',
        'name',
        '--field-selector=metadata.name!=kube-root-ca.crt',
        ...args,
      )
    )
      .trim()
      .split('\n')
      .map((n) => n.slice(10))
      .join();
  assert.equal(await names('-l', 'tier=x'), 'a');
  assert.equal(await names('-l', 'tier!=x'), 'b,c');
  assert.equal(await names('-l', 'tier in (x,y)'), 'a,b');
  assert.equal(await names('-l', '!tier'), 'c');
  assert.match(
    (await k('get', 'configmap', '--field-selector=data=x')).stderr,
    /field label not supported|not supported/,
  );
  assert.match(await ok('get', 'configmap', '-n', 'sel', '--sort-by=.metadata.name'), /a +0/);
  assert.match(await ok('get', 'all', '-A'), /service\/kubernetes/);
  assert.match(await ok('get', 'events'), /^$/);
});
