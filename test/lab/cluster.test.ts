import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, needsRoot } from '../support/netns.ts';
import { fetching, pod, TestLab } from './test-lab.ts';

const skip = needsRoot;
let lab: TestLab;

before(async () => {
  if (skip) return;
  lab = await TestLab.start();
  await lab.apply(pod('near', { node: 'node-1' }), pod('far', { node: 'node-2' }), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'far' },
    spec: { selector: { app: 'far' }, ipFamilyPolicy: 'PreferDualStack', ports: [{ port: 80, targetPort: 8080 }] },
  });
  await lab.ready('near', 'far');
});
after(() => lab?.[Symbol.asyncDispose]());

test('pods on two nodes talk over IPv4 and IPv6, each by its own address', { skip }, async () => {
  const [ip4, ip6] = (await lab.field('far', '.status.podIPs[*].ip')).split(' ');
  const [own4, own6] = (await lab.field('near', '.status.podIPs[*].ip')).split(' ');
  assert.equal(await lab.sh('near', fetching(`http://${ip4}:8080`)), `far to ${own4}\n`);
  assert.equal(await lab.sh('near', fetching(`http://[${ip6}]:8080`)), `far to ${own6}\n`);
});

test('a service is reached by its addresses and by its names', { skip }, async () => {
  const ips = (await lab.kubectl(['get', 'service', 'far', '-o', 'jsonpath={.spec.clusterIPs[*]}'])).split(' ');
  assert.equal(ips.length, 2);
  const hosts = ['far', 'far.default', 'far.default.svc.cluster.local', ips[0], `[${ips[1]}]`];
  const line = hosts.map((host) => fetching(`http://${host}`)).join('; ');
  const answers = (await lab.sh('near', line)).trim().split('\n');
  assert.equal(answers.length, hosts.length);
  for (const answer of answers) assert.match(answer, /^far to /);
});

test('a pod reaches itself through its service', { skip }, async () => {
  // `far` alone is the pod's own host name.
  assert.match(await lab.sh('far', fetching('http://far.default')), /^far to /);
});

test('a pod calls the API server with the token it was given', { skip }, async () => {
  const dir = '/var/run/secrets/kubernetes.io/serviceaccount';
  const script = `fetch('https://kubernetes.default/api/v1/namespaces/default/pods', { headers: { authorization: 'Bearer ' + require('fs').readFileSync('${dir}/token', 'utf8') } }).then(async (r) => console.log(r.status, (await r.json()).message))`;
  const answer = await lab.sh('near', `NODE_EXTRA_CA_CERTS=${dir}/ca.crt /opt/ambit/scripts/node.sh -e "${script}"`);
  assert.match(answer, /^403 .*system:serviceaccount:default:default/); // known, and allowed nothing
});

test('a ConfigMap that changes reaches the running container', { skip }, async () => {
  const config = (text: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'words' },
    data: { word: text },
  });
  await lab.apply(
    config('first'),
    pod('reader', {
      container: { volumeMounts: [{ name: 'words', mountPath: '/words' }] },
      spec: { volumes: [{ name: 'words', configMap: { name: 'words' } }] },
    }),
  );
  await lab.ready('reader');
  assert.equal(await lab.sh('reader', 'cat /words/word'), 'first');
  await lab.apply(config('second'));
  await eventually('the file changes', async () => (await lab.sh('reader', 'cat /words/word')) === 'second', 10_000);
});

test('a pod waits for a ConfigMap that is not there yet, and starts when it comes', { skip }, async () => {
  const volumes = [{ name: 'late', configMap: { name: 'late' } }];
  await lab.apply(
    pod('patient', { container: { volumeMounts: [{ name: 'late', mountPath: '/late' }] }, spec: { volumes } }),
  );
  await eventually('it says what it waits for', async () =>
    (await lab.kubectl(['get', 'events'])).includes('configmap "late" not found'),
  );
  await lab.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'late' }, data: { word: 'here' } });
  await lab.ready('patient');
  assert.equal(await lab.sh('patient', 'cat /late/word'), 'here');
});

test('a container whose liveness probe fails is started again', { skip }, async () => {
  const livenessProbe = {
    exec: { command: ['test', '!', '-e', '/tmp/broken'] },
    periodSeconds: 1,
    timeoutSeconds: 10, // a busy machine is no failure
    failureThreshold: 1,
  };
  await lab.apply(pod('fragile', { container: { livenessProbe } }));
  await lab.ready('fragile');
  await lab.sh('fragile', 'touch /tmp/broken');
  await eventually(
    'a restart',
    async () => (await lab.field('fragile', '.status.containerStatuses[0].restartCount')) === '1',
    15_000,
  );
  await lab.ready('fragile');
  assert.match(await lab.kubectl(['get', 'events']), /Liveness probe failed/);
});

test('kubectl exec carries input, output and exit code', { skip }, async () => {
  assert.equal(await lab.kubectl(['exec', '-i', 'near', '--', 'cat'], 'to and fro\n'), 'to and fro\n');
  const failed = await lab.tryKubectl(['exec', 'near', '--', 'sh', '-c', 'echo oops >&2; exit 7']);
  assert.equal(failed.code, 7);
  assert.match(failed.stderr, /^oops/);
  const unknown = await lab.tryKubectl(['exec', 'near', '--', 'no-such-program']);
  assert.match(unknown.stderr, /no-such-program: executable file not found/);
});

test('kubectl logs shows lines, a tail, and follows to the end', { skip }, async () => {
  const command = ['sh', '-c', 'for n in 1 2 3 4; do echo line $n; sleep 0.2; done'];
  const quiet = { readinessProbe: undefined, command };
  await lab.apply(pod('talker', { container: quiet, spec: { restartPolicy: 'Never' } }));
  await eventually(
    'it starts',
    async () => (await lab.field('talker', '.status.containerStatuses[0].containerID')) !== '',
  );
  assert.equal(await lab.kubectl(['logs', '-f', 'talker']), 'line 1\nline 2\nline 3\nline 4\n');
  assert.equal(await lab.kubectl(['logs', 'talker', '--tail=1']), 'line 4\n');
  assert.match(
    await lab.kubectl(['logs', 'talker', '--timestamps', '--tail=1']),
    /^\d{4}-\d\d-\d\dT[\d:.]+Z line 4\n$/,
  );
  await eventually('it has succeeded', async () => (await lab.field('talker', '.status.phase')) === 'Succeeded');
});

test('a port is forwarded into the pod', { skip }, async () => {
  const stream = await lab.client.portForward('default', 'far', 8080, AbortSignal.timeout(10_000));
  stream.write('GET / HTTP/1.1\r\nhost: pod\r\nconnection: close\r\n\r\n');
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  assert.match(text, /far to 127\.0\.0\.1/);
});

test('an image that nobody added is named with the way out', { skip }, async () => {
  await lab.apply(pod('stranger', { container: { image: 'nginx:1.29' } }));
  const reason = () => lab.field('stranger', '.status.containerStatuses[0].state.waiting');
  const said = await eventually('the reason', async () =>
    (await reason()).includes('ErrImagePull') ? reason() : undefined,
  );
  assert.match(said, /ambit lab image add nginx DIR/);
});

test('a container gets exactly the rights of its security context', { skip }, async () => {
  const securityContext = {
    runAsUser: 1337,
    runAsGroup: 42,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
  };
  const root = { capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] } };
  await lab.apply(
    pod('meek', { container: { securityContext } }),
    pod('admin', { container: { securityContext: root } }),
  );
  await lab.ready('meek', 'admin');
  const said = await lab.sh(
    'meek',
    'id -u; id -g; grep -E "CapEff|CapBnd|NoNewPrivs" /proc/self/status; touch /x 2>&1; true',
  );
  assert.match(said, /^1337\n42\nCapEff:\t0+\nCapBnd:\t0+\nNoNewPrivs:\t1\n.*Read-only file system/);
  assert.match(await lab.sh('admin', 'grep CapEff /proc/self/status'), /CapEff:\t0+1000\n/);
});

test('a deleted pod leaves nothing on its node', { skip }, async () => {
  await lab.apply(pod('brief', { node: 'node-1' }));
  await lab.ready('brief');
  const uid = await lab.field('brief', '.metadata.uid');
  await lab.apply(
    pod('watcher', {
      node: 'node-1',
      container: {
        volumeMounts: [
          { name: 'host', mountPath: '/host' },
          { name: 'netns', mountPath: '/netns', mountPropagation: 'HostToContainer' },
        ],
      },
      spec: {
        hostNetwork: true,
        volumes: [
          { name: 'host', hostPath: { path: '/var/lib/kubelet/pods' } },
          { name: 'netns', hostPath: { path: '/var/run/netns' } },
        ],
      },
    }),
  );
  await lab.ready('watcher');
  const look = () =>
    lab.sh(
      'watcher',
      `ls -d /host/${uid}; ls /netns | wc -l; ip -o link | grep -c veth; grep -l ${uid} /proc/[0-9]*/cgroup | wc -l; true`,
    );
  const before = (await look()).split('\n');
  assert.equal(before[0], `/host/${uid}`);
  await lab.kubectl(['delete', 'pod', 'brief']);
  const [netns, veths, processes] = (await look()).split('\n');
  assert.deepEqual([netns, veths, processes], [String(Number(before[1]) - 1), String(Number(before[2]) - 1), '0']);
});

test('a pod keeps its chain of CNI plugins, and a failing one is tried again with a fresh sandbox', {
  skip,
}, async () => {
  const mounts = [
    { name: 'conf', mountPath: '/conf' },
    { name: 'bin', mountPath: '/bin-dir' },
  ];
  const volumes = [
    { name: 'conf', hostPath: { path: '/etc/cni/net.d' } },
    { name: 'bin', hostPath: { path: '/opt/cni/bin' } },
  ];
  await lab.apply(pod('installer', { node: 'node-2', container: { volumeMounts: mounts }, spec: { volumes } }));
  await lab.ready('installer');
  // Fails the first time; then passes the result of the plugin before it on, and keeps what it was given.
  const plugin = `#!/bin/sh
input=$(cat)
[ "$CNI_COMMAND" = ADD ] || exit 0
echo "$CNI_NETNS" >>/opt/cni/bin/calls
[ "$(wc -l </opt/cni/bin/calls)" -gt 1 ] || { echo '{"code":100,"msg":"not yet"}'; exit 1; }
printf '%s\\n' "$input $CNI_ARGS" >/opt/cni/bin/seen
printf '%s' "$input" | sed 's/.*"prevResult":\\(.*\\)}$/\\1/'
`;
  await lab.kubectl(
    ['exec', '-i', 'installer', '--', 'sh', '-c', 'cat >/bin-dir/second; chmod +x /bin-dir/second'],
    plugin,
  );
  const conflist = '/conf/10-lab.conflist';
  await lab.sh('installer', `sed -i 's/^  ]/  ,{"type":"second"}]/' ${conflist}`);
  await lab.apply(pod('chained', { node: 'node-2' }));
  await lab.ready('chained');
  const calls = (await lab.sh('installer', 'cat /bin-dir/calls')).trim().split('\n');
  assert.equal(calls.length, 2);
  assert.notEqual(calls[0], calls[1]);
  const seen = await lab.sh('installer', 'cat /bin-dir/seen');
  assert.match(seen, /"prevResult":.*K8S_POD_NAMESPACE=default;K8S_POD_NAME=chained/);
  assert.ok(seen.includes(await lab.field('chained', '.status.podIP')));
  assert.match(await lab.kubectl(['get', 'events']), /FailedCreatePodSandBox.*not yet/);
});
