/**
 * The mesh end to end in a lab of two nodes: the real components, installed from the manifests, driven by the real kubectl.
 * The scenarios build on one another, in order; the lab is taken down also when one fails.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { currentKubectl } from '../../lab/api/index.ts';
import { startsTlsRecord } from '../../lab/capture/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import { captured } from '../support/capture.ts';
import { eventually } from '../support/shell.ts';
import { type Place, World } from '../support/world.ts';

const WEB: Place = { namespace: 'shop', app: 'web' };
const CART: Place = { namespace: 'shop', app: 'cart' };
const REPORTER: Place = { namespace: 'office', app: 'reporter' };
const BATCH: Place = { namespace: 'legacy', app: 'batch' };
const ALL = [WEB, CART, REPORTER, BATCH, { namespace: 'shop', app: 'ledger' }, { namespace: 'shop', app: 'price' }];
const CART_URL = 'http://cart.shop:8080';
const LEDGER = ['tcp://ledger.shop:9000', 'greetings'];
const REDIRECTION = 'ambient.istio.io/redirection';

const policy = (name: string, spec: string) =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: ${name}, namespace: shop }\nspec: ${spec}\n`;

describe('the mesh in a lab of two nodes', { skip: process.getuid?.() === 0 ? false : 'needs root' }, () => {
  let world: World;

  const enrolled = async (namespace: string) =>
    (await world.objects('pods', ['-n', namespace])).filter(
      (pod) => pod.metadata.annotations?.[REDIRECTION] === 'enabled',
    ).length;
  const ambient = (namespace: string, on: boolean) =>
    world.kubectl(['label', 'namespace', namespace, '--overwrite', `istio.io/dataplane-mode${on ? '=ambient' : '-'}`]);
  const ztunnelLog = () => world.kubectl(['logs', '-n', 'istio-system', '-l', 'app=ztunnel', '--tail=400']);

  before(
    async () => {
      world = new World(`e2e-${process.pid}`, await currentKubectl({ env: process.env }));
      await world.ambit(['lab', 'up', '--name', world.lab, '--nodes', '2']);
      world.useKubeconfig((await world.ambit(['lab', 'kubeconfig', '--name', world.lab])).trim());
      await Promise.all([world.ambit(['install']), world.deploySamples('node-1', 'node-2')]);
      await world.waitForDeployments(ALL);
    },
    { timeout: 180_000 },
  );

  after(
    async () => {
      await world.ambit(['lab', 'down', '--name', world.lab]);
      world[Symbol.dispose]();
    },
    { timeout: 60_000 },
  );

  test('before any label the mesh is installed, healthy and touches nobody', async () => {
    const status = JSON.parse(await world.ambit(['status', '-o', 'json'])) as {
      problems: string[];
      namespaces: unknown[];
    };
    assert.deepEqual(status.problems, []);
    assert.deepEqual(status.namespaces, []);
    assert.deepEqual(JSON.parse(await world.ambit(['analyze', '-o', 'json'])), []);
    assert.equal((await world.call(WEB, [`${CART_URL}/`])).code, 0);
  });

  test('a check before enrolment finds nothing that would break, and says what it can not see', async () => {
    const { code, stdout, stderr } = await world.ambitResult(['enroll', 'shop', '--check', '-o', 'json']);
    assert.equal(code, 0, stdout + stderr);
    const { findings } = JSON.parse(stdout) as { findings: { code: string }[] };
    assert.deepEqual(
      findings.map((one) => one.code),
      ['AMB0608'],
    );
  });

  test('installing again changes nothing and succeeds', async () => {
    await world.ambit(['install']);
  });

  test('once enrolled, no plaintext crosses the link, and the same pods go on', async () => {
    const uids = async () => (await world.objects('pods', ['-n', 'shop'])).map((pod) => pod.metadata.uid).sort();
    const same = await uids();
    await world.ambit(['enroll', 'shop']);
    assert.equal(await enrolled('shop'), 4);
    await ambient('office', true);
    await eventually('five pods are enrolled', async () =>
      (await enrolled('shop')) + (await enrolled('office')) === 5 ? true : undefined,
    );
    await eventually('the servers are known to speak HBONE', async () => {
      const lines = await world.ambit([
        'ztunnel-config',
        'workloads',
        '--workload-namespace',
        'shop',
        '--node',
        'node-1',
      ]);
      return (lines.match(/HBONE/g) ?? []).length === 4 ? true : undefined;
    });
    const { result, segments } = await captured(world, 'node-2', async () => [
      await world.call(WEB, [`${CART_URL}/whisper`]),
      await world.call(REPORTER, LEDGER),
    ]);
    for (const { code, stderr } of result) assert.equal(code, 0, stderr);
    const tunnel = segments.filter((s) => s.srcPort === 15_008 || s.dstPort === 15_008);
    assert.ok(
      tunnel.some((s) => startsTlsRecord(s.payload)),
      'a tunnel was used',
    );
    assert.deepEqual(
      segments.filter((s) => s.payload.includes('whisper') || s.payload.includes('greetings')),
      [],
    );
    assert.deepEqual(await uids(), same);
  });

  test('the application sees the true address of its caller', async () => {
    const pod = await world.pod(WEB);
    const { stdout } = await world.call(WEB, [`${CART_URL}/`]);
    const { podIPs } = pod['status'] as { podIPs: { ip: string }[] };
    assert.ok(
      podIPs.some(({ ip }) => ip === (JSON.parse(stdout) as { caller: string }).caller),
      stdout,
    );
  });

  test('a new pod in an enrolled namespace is in the mesh before its first connection', async () => {
    await world.kubectl(['rollout', 'restart', '-n', 'office', 'deploy/reporter']);
    await world.waitForDeployments([REPORTER]);
    await eventually('the old pod is gone', async () =>
      (await world.objects('pods', ['-n', 'office'])).length === 1 ? true : undefined,
    );
    assert.equal(await enrolled('office'), 1);
    assert.equal((await world.call(REPORTER, LEDGER)).code, 0);
    const log = await eventually('its access log line', async () => {
      const line = (await ztunnelLog())
        .split('\n')
        .find((l) => l.includes('direction="inbound"') && l.includes('/sa/reporter'));
      return line;
    });
    assert.match(log, /dst\.identity="spiffe:\/\/cluster\.local\/ns\/shop\/sa\/ledger"/);
  });

  test('names are answered inside the pod: a ServiceEntry of the mesh, and by the DNS of the cluster what the mesh does not know', async () => {
    await world.apply(
      `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: billing, namespace: shop }
spec:
  hosts: [billing.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 8080, name: http, protocol: HTTP }]
  workloadSelector: { labels: { app: cart } }
---
apiVersion: v1
kind: Service
metadata: { name: basket, namespace: shop }
spec: { type: ExternalName, externalName: cart.shop.svc.cluster.local }
`,
    );
    await world.settles(WEB, ['http://billing.example.com:8080/'], true); // no other DNS knows it
    assert.equal((await world.call(WEB, ['http://basket.shop.svc.cluster.local:8080/'])).code, 0);
    const nobody = await world.call(WEB, ['http://nobody.example.com:8080/']);
    assert.match(nobody.stderr, /ENOTFOUND/);
  });

  test('default deny cuts everybody off, an allow lets one service account in again', async () => {
    await world.apply(policy('deny-all', '{}'));
    await world.settles(WEB, [`${CART_URL}/`], false);
    await world.apply(
      policy(
        'web-may',
        '{ selector: { matchLabels: { app: cart } }, action: ALLOW, rules: [{ from: [{ source: { principals: [cluster.local/ns/shop/sa/web] } }] }] }',
      ),
    );
    await world.settles(WEB, [`${CART_URL}/`], true);
    assert.equal((await world.call(REPORTER, [`${CART_URL}/`])).code, 1);
    assert.equal((await world.call(BATCH, [`${CART_URL}/`])).code, 1);
  });

  test('what is predicted is what happens, and a denial that happened can be explained', async () => {
    for (const [from, to, args] of [
      [WEB, 'svc/cart.shop:8080', [`${CART_URL}/`]],
      [REPORTER, 'cart.shop:8080', [`${CART_URL}/`]],
      [BATCH, 'svc/cart.shop:8080', [`${CART_URL}/`]],
      [REPORTER, 'svc/ledger.shop:9000', LEDGER],
    ] as const) {
      const [{ code, stdout }, call] = await Promise.all([
        world.ambitResult(['why', `pod/${from.app}.${from.namespace}`, to, '--compare']),
        world.call(from, args),
      ]);
      assert.equal(code, call.code === 0 ? 0 : 1, `${stdout}\ncall: ${call.code} ${call.stderr}`);
      assert.match(stdout, /The ztunnels on the path \(node-1, node-2\) hold what this was predicted with/);
    }
    const line = await eventually('the denial in the log', async () =>
      (await ztunnelLog()).split('\n').find((l) => l.includes('receipt=') && l.includes('/sa/reporter')),
    );
    const id = /receipt="?([0-9A-Z]{26})/.exec(line)?.[1] ?? line;
    const { code, stdout } = await world.ambitResult(['why', '--receipt', id]);
    assert.equal(code, 1, stdout);
    assert.match(stdout, /closest: shop\/web-may, rule 0, wants principals cluster\.local\/ns\/shop\/sa\/web/);
  });

  test('a policy that the API refuses is named with its field, and what is in force stays', async () => {
    await assert.rejects(world.apply(policy('broken', '{ action: PERHAPS }')), /spec\.action/);
    // What no schema can say the controller says: it has proven by now that the API server asks it.
    await eventually('the webhook is closed', async () => {
      const [validator] = await world.objects('validatingwebhookconfigurations');
      const [first] = (validator?.['webhooks'] ?? []) as { failurePolicy: string }[];
      return first?.failurePolicy === 'Fail' ? true : undefined;
    });
    const unknownKey = '{ rules: [{ when: [{ key: source.port, values: ["80"] }] }] }';
    await assert.rejects(
      world.apply(policy('broken', unknownKey)),
      /rev\.validation\.istio\.io" denied the request: AuthorizationPolicy shop\/broken is invalid: spec\.rules\[0\]\.when\[0\]\.key/,
    );
    const httpOnly = '{ action: DENY, rules: [{ to: [{ operation: { paths: [/admin] } }] }] }';
    const { code, stderr } = await world.applied(policy('no-admin', httpOnly), ['--dry-run=server']);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Warning: AuthorizationPolicy shop\/no-admin: spec\.rules\[0\]: denies every connection/);
    assert.equal((await world.call(REPORTER, [`${CART_URL}/`])).code, 1);
    assert.equal((await world.call(WEB, [`${CART_URL}/`])).code, 0);
  });

  test('the status of a policy says that it is enforced', async () => {
    const accepted = await eventually('a condition on the policy', async () => {
      const [found] = (await world.objects('authorizationpolicies', ['-n', 'shop'])).filter(
        (p: KubeObject) => p.metadata.name === 'web-may',
      );
      const { conditions = [] } = (found?.['status'] ?? {}) as {
        conditions?: { type: string; status: string; reason: string }[];
      };
      return conditions.find((c) => c.type === 'ZtunnelAccepted');
    });
    assert.deepEqual([accepted.status, accepted.reason], ['True', 'Accepted']);
    await world.kubectl(['delete', 'authorizationpolicy', '-n', 'shop', '--all']);
    await world.settles(REPORTER, [`${CART_URL}/`], true);
  });

  test('a plaintext caller is refused under STRICT, a caller of the mesh is not', async () => {
    assert.equal((await world.call(BATCH, LEDGER)).code, 0);
    await world.apply(
      'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: default, namespace: shop }\nspec: { mtls: { mode: STRICT } }\n',
    );
    await world.settles(BATCH, LEDGER, false);
    assert.equal((await world.call(REPORTER, LEDGER)).code, 0);
    const { code, stdout } = await world.ambitResult(['analyze', '-n', 'shop']);
    assert.equal(code, 1);
    assert.match(
      stdout,
      /AMB0202 .*: PeerAuthentication shop\/default\n {2}legacy\/batch.* called ledger without identity, on port 9000/,
    );
    await world.kubectl(['delete', 'peerauthentication', '-n', 'shop', 'default']);
    await world.settles(BATCH, LEDGER, true);
  });

  test('traffic goes on while the controller is away, and while it comes back', async () => {
    await world.kubectl(['scale', '-n', 'istio-system', 'deploy/istiod', '--replicas=0']);
    await eventually('the controller is gone', async () =>
      (await world.objects('pods', ['-n', 'istio-system', '-l', 'app=istiod'])).length === 0 ? true : undefined,
    );
    const load = await world.call(WEB, [`${CART_URL}/`, '--for', '2s']);
    assert.equal(load.code, 0, load.stdout + load.stderr);
    await world.kubectl(['scale', '-n', 'istio-system', 'deploy/istiod', '--replicas=1']);
    await world.kubectl(['rollout', 'status', '-n', 'istio-system', 'deploy/istiod', '--timeout=60s']);
    assert.equal((await world.call(WEB, [`${CART_URL}/`])).code, 0);
  });

  test('a rolling restart of the ztunnels loses no new connection', async () => {
    const load = world.call(WEB, [`${CART_URL}/`, '--for', '12s'], { deadlineMs: 60_000 });
    await world.kubectl(['rollout', 'restart', '-n', 'istio-system', 'ds/ztunnel']);
    await world.kubectl(['rollout', 'status', '-n', 'istio-system', 'ds/ztunnel', '--timeout=90s'], {
      deadlineMs: 100_000,
    });
    const { code, stdout, stderr } = await load;
    assert.equal(code, 0, stdout + stderr);
  });

  test('the agents can be replaced without a word from the pods', async () => {
    const load = world.call(WEB, [`${CART_URL}/`, '--for', '6s']);
    await world.kubectl(['rollout', 'restart', '-n', 'istio-system', 'ds/istio-cni-node']);
    await world.kubectl(['rollout', 'status', '-n', 'istio-system', 'ds/istio-cni-node', '--timeout=90s'], {
      deadlineMs: 100_000,
    });
    const { code, stdout, stderr } = await load;
    assert.equal(code, 0, stdout + stderr);
    assert.equal(await enrolled('shop'), 4);
  });

  test('a namespace leaves the mesh, and its pods still talk', async () => {
    await world.ambit(['unenroll', 'office']);
    assert.equal(await enrolled('office'), 0);
    assert.equal((await world.call(REPORTER, LEDGER)).code, 0);
  });

  test('uninstall takes every pod out, finds no rule left in any, and they still talk', async () => {
    const said = await world.ambitSays(['uninstall', '--purge']);
    assert.match(said, /node node-1: no rule is left in any pod/);
    assert.match(said, /node node-2: no rule is left in any pod/);
    assert.equal((await enrolled('shop')) + (await enrolled('office')), 0);
    assert.equal((await world.call(WEB, [`${CART_URL}/`])).code, 0);
    assert.equal((await world.call(BATCH, LEDGER)).code, 0);
    assert.deepEqual(await world.objects('crds'), []);
    assert.deepEqual(await world.objects('validatingwebhookconfigurations'), []);
  });
});
