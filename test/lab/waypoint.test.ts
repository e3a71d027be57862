/** A waypoint's life in a lab: from a Gateway to a program that carries what is asked of a service, and to nothing again. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ensureKubectl } from '../../lab/api/kubectl.ts';
import { playL7 } from '../demo/l7.ts';
import { Script } from '../demo/script.ts';
import { Stage } from '../demo/stage.ts';
import { needsRoot } from '../support/netns.ts';
import { eventually } from '../support/shell.ts';
import { type Place, World } from '../support/world.ts';

const WEB: Place = { namespace: 'shop', app: 'web' };
const CART: Place = { namespace: 'shop', app: 'cart' };
const LEDGER: Place = { namespace: 'shop', app: 'ledger' };
const PRICE: Place = { namespace: 'shop', app: 'price' };
const CART_URL = 'http://cart.shop:8080';
const GATEWAY = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'gate', namespace: 'shop' },
  spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
};
const MADE = ['deployments', 'services', 'serviceaccounts', 'replicasets', 'pods'] as const;

describe('a waypoint in a lab', { skip: needsRoot }, () => {
  let world: World;

  const ofGateway = async (kind: string) =>
    (await world.objects(kind, ['-n', 'shop', '-l', 'gateway.networking.k8s.io/gateway-name=gate'])).map(
      ({ metadata }) => metadata.name,
    );

  before(
    async () => {
      world = new World(`waypoint-${process.pid}`, await ensureKubectl({ env: process.env }));
      await world.ambit(['lab', 'up', '--name', world.lab, '--nodes', '2']);
      world.useKubeconfig((await world.ambit(['lab', 'kubeconfig', '--name', world.lab])).trim());
      await Promise.all([world.ambit(['install']), world.deploySamples('node-1', 'node-2')]);
      await world.waitForDeployments([WEB, CART, LEDGER]);
      await world.kubectl(['label', 'namespace', 'shop', 'istio.io/dataplane-mode=ambient']);
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

  test('a Gateway becomes a pod that runs, and is programmed with the addresses of its Service', async () => {
    await world.apply(JSON.stringify(GATEWAY));
    await world.kubectl(['wait', '-n', 'shop', 'gtw/gate', '--for=condition=Programmed', '--timeout=30s'], {
      deadlineMs: 40_000,
    });
    const shown = await world.kubectl(['get', 'gtw', 'gate', '-n', 'shop', '--no-headers']);
    const ip = await world.kubectl(['get', 'service', 'gate', '-n', 'shop', '-o', 'jsonpath={.spec.clusterIP}']);
    assert.match(shown, new RegExp(`^gate +istio-waypoint +${ip.replaceAll('.', '[.]')},.*gate[.]shop[.]svc.* True `));
    assert.match(await world.kubectl(['get', 'gatewayclass', '--no-headers']), /^istio-waypoint .* True /);
  });

  test('what a caller asks of a service goes through its waypoint from the moment the service names it', async () => {
    await world.kubectl(['label', 'service', 'cart', '-n', 'shop', 'istio.io/use-waypoint=gate']);
    await eventually('the waypoint saw a request', async () => {
      const { code, stdout } = await world.call(WEB, [`${CART_URL}/seen`, '--include']);
      assert.equal(code, 0);
      return /^server: ambit$/im.test(stdout) ? true : undefined;
    });
  });

  test('nobody gets around the waypoint from the moment that policy hangs on it', async () => {
    const { status } = await world.pod(CART);
    const around = `http://${(status as { readonly podIP: string }).podIP}:8080/around`;
    await world.settles(WEB, [around], true);
    const operation = { methods: ['GET'] };
    await world.apply(
      JSON.stringify({
        apiVersion: 'security.istio.io/v1',
        kind: 'AuthorizationPolicy',
        metadata: { name: 'get-only', namespace: 'shop' },
        spec: { targetRefs: [{ group: '', kind: 'Service', name: 'cart' }], rules: [{ to: [{ operation }] }] },
      }),
    );
    await world.settles(WEB, [around], false);
    await world.settles(WEB, [`${CART_URL}/through`], true);
    const required = '{.status.conditions[?(@.type=="ambit.io/WaypointRequired")].reason}';
    await eventually('the Service says so', async () => {
      const said = await world.kubectl(['get', 'service', 'cart', '-n', 'shop', '-o', `jsonpath=${required}`]);
      return said.trim() === 'PolicyAttached' ? true : undefined;
    });
    await world.kubectl(['delete', 'authorizationpolicy', 'get-only', '-n', 'shop']);
    await world.settles(WEB, [around], true);
  });

  test('an HTTPRoute of the service is carried out, and its status says so', async () => {
    const path = { type: 'PathPrefix', value: '/before' };
    const rewrite = { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/behind' } };
    const backendRefs = [{ name: 'cart', port: 8080 }];
    const rules = [
      { matches: [{ path }], filters: [{ type: 'URLRewrite', urlRewrite: rewrite }], backendRefs },
      { backendRefs },
    ];
    await world.apply(
      JSON.stringify({
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'HTTPRoute',
        metadata: { name: 'moved', namespace: 'shop' },
        spec: { parentRefs: [{ group: '', kind: 'Service', name: 'cart' }], rules },
      }),
    );
    await eventually('the path is rewritten', async () => {
      const { stdout } = await world.call(WEB, [`${CART_URL}/before/x`]);
      return stdout.includes('"path":"/behind/x"') ? true : undefined;
    });
    await eventually('the status is written', async () => {
      const conditions = '{range .status.parents[0].conditions[*]}{.type}={.status} {end}';
      const said = await world.kubectl(['get', 'httproute', 'moved', '-n', 'shop', '-o', `jsonpath=${conditions}`]);
      return said.trim() === 'Accepted=True ResolvedRefs=True ResolvedWaypoints=True' ? true : undefined;
    });
    await world.kubectl(['delete', 'httproute', 'moved', '-n', 'shop']);
    await eventually('the path is as it was', async () => {
      const { stdout } = await world.call(WEB, [`${CART_URL}/before/x`]);
      return stdout.includes('"path":"/before/x"') ? true : undefined;
    });
  });

  test('a waypoint is replaced without a failed request', async () => {
    const before = await ofGateway('pods');
    const load = world.call(WEB, [`${CART_URL}/during`, '--for', '6s']);
    await world.kubectl(['annotate', 'gtw', 'gate', '-n', 'shop', 'sidecar.istio.io/logLevel=debug']);
    await eventually('the template is new', async () => {
      const [deployment] = await world.objects('deploy', [
        '-n',
        'shop',
        '-l',
        'gateway.networking.k8s.io/gateway-name=gate',
      ]);
      return JSON.stringify(deployment).includes('"RUST_LOG","value":"debug"') ? true : undefined;
    });
    await world.kubectl(['rollout', 'status', '-n', 'shop', 'deploy/gate', '--timeout=30s'], { deadlineMs: 40_000 });
    const { code, stdout, stderr } = await load;
    assert.equal(code, 0, `${stdout}${stderr}`);
    const now = await ofGateway('pods');
    assert.ok(
      now.some((pod) => !before.includes(pod)),
      `${now} after ${before}`,
    );
  });

  test('a Gateway that is deleted leaves nothing, and callers go on', async () => {
    await world.kubectl(['delete', 'gtw', 'gate', '-n', 'shop']);
    for (const kind of MADE) {
      await eventually(
        `no ${kind} is left`,
        async () => ((await ofGateway(kind)).length === 0 ? true : undefined),
        60_000,
      );
    }
    await world.settles(WEB, [`${CART_URL}/after`], true);
  });

  test('what the demo shows of L7 holds: canary, retries, a denied path, tokens, gRPC, WebSocket', async () => {
    const script = new Script(() => undefined, false);
    await world.waitForDeployments([PRICE]);
    await world.kubectl(['label', 'service', 'cart', '-n', 'shop', 'istio.io/use-waypoint-']);
    await playL7(world, script, new Stage(world, script));
  });
});
