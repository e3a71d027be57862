import { join } from 'node:path';
import { token } from '../../samples/token.ts';
import { eventually } from '../support/shell.ts';
import type { World } from '../support/world.ts';
import { CART, CART_URL, WEB } from './places.ts';
import type { Script } from './script.ts';
import type { Stage } from './stage.ts';

const BETA = ['--header', 'x-beta: yes'];
const PRICE_CALL = ['grpc://price.shop:9090', 'apples'];
const ROUTE_STATUS = [
  ...['httproute', 'cart-canary', '-n', 'shop', '-o'],
  'jsonpath={range .status.parents[*].conditions[*]}{.type}={.status}: {.message}{"\\n"}{end}',
];
/** The ordinary DENY that stands on the endpoints of a service whose policies are a waypoint's. */
const REQUIRED = 'ambit_require_waypoint_shop_cart';
const SHOP_L7 = join(import.meta.dirname, '../../samples/shop-l7.yaml');
const bearer = (text: string) => ['--header', `authorization: Bearer ${text}`];

/** What only HTTP shows: a waypoint, and what `samples/shop-l7.yaml` asks of it. */
export async function playL7(world: World, script: Script, stage: Stage): Promise<void> {
  const nowS = Math.floor(Date.now() / 1000);
  const tokens = {
    good: token({ sub: 'alice' }, nowS),
    expired: token({ sub: 'alice', isExpired: true }, nowS),
    forged: token({ sub: 'alice', isForged: true }, nowS),
  };

  await script.step('A waypoint, for what only HTTP shows', async () => {
    await stage.ambit(['waypoint', 'apply', '-n', 'shop', '--enroll-namespace', '--wait']);
    script.command('kubectl apply -f samples/shop-l7.yaml');
    script.evidence(await world.kubectl(['apply', '-f', SHOP_L7]));
    await world.waitForDeployments([{ namespace: 'shop', app: 'cart-v2' }]);
    await eventually('the waypoint has heard of routes, policies and keys', async () => {
      const [beta, admin, forged, price] = await Promise.all([
        world.call(WEB, [`${CART_URL}/`, ...BETA]),
        world.call(WEB, [`${CART_URL}/admin`]),
        world.call(WEB, [`${CART_URL}/`, ...bearer(tokens.forged)]),
        world.call(WEB, PRICE_CALL),
      ]);
      const isThere = beta.stdout.includes('cart-v2') && price.stdout.includes('EUR');
      return isThere && admin.stderr.includes('403') && forged.stderr.includes('401') ? true : undefined;
    });
    await eventually('the status of the route is written', async () =>
      (await world.kubectl(['get', ...ROUTE_STATUS])) === '' ? undefined : true,
    );
    const said = await stage.kubectl(['get', ...ROUTE_STATUS]);
    script.expect('the route says who carries it out', said.includes('enforced by waypoint shop/waypoint'), said);
  });

  await script.step('A canary: one request of five, and whoever asks for it', async () => {
    const shared = await stage.call(WEB, [`${CART_URL}/`, '--times', '60']);
    const isShared = /\d+ times: cart$/m.test(shared.stdout) && /\d+ times: cart-v2$/m.test(shared.stdout);
    script.expect('both versions answer', isShared, shared.stdout);
    const beta = await stage.call(WEB, [`${CART_URL}/`, '--times', '10', ...BETA]);
    script.expect('with the header, it is the new one', beta.stdout.includes('10 times: cart-v2'), beta.stdout);
  });

  await script.step('The new version is flaky, and retries hide it', async () => {
    const bare = await stage.call(WEB, ['http://cart-v2.shop:8080/', '--times', '10']);
    script.expect('asked directly, it fails every second time', bare.stdout.includes('5 failed'), bare.stdout);
    const tried = await stage.call(WEB, [`${CART_URL}/`, '--times', '10', ...BETA]);
    script.expect(
      'behind the route, nobody sees a failure',
      tried.stdout.includes('10 answered, 0 failed'),
      tried.stdout,
    );
  });

  await script.step('A path that is for nobody, and the receipt of who tried', async () => {
    const denied = await stage.call(WEB, [`${CART_URL}/admin`]);
    script.expect('the path is denied', denied.stderr.includes('403'), denied.stdout);
    const line = await eventually('the denial in the log of the waypoint', async () => {
      const logs = await world.kubectl(['logs', '-n', 'shop', 'deploy/waypoint', '--tail=50']);
      return logs.split('\n').findLast((l) => l.includes('a request is denied') && l.includes('/admin'));
    });
    script.command('kubectl logs -n shop deploy/waypoint');
    script.evidence(line);
    const receipt = /receipt="(\w+)"/.exec(line)?.[1] ?? '';
    script.command(`ambit why --receipt ${receipt}`);
    const { stdout: said } = await world.ambitResult(['why', '--receipt', receipt]);
    script.evidence(said);
    script.expect('the receipt names caller and policy', /\/sa\/web[\s\S]*cart-no-admin/.test(said), said);

    const pod = (await world.pod(CART))['status'] as { podIP: string };
    const around = await stage.call(WEB, [`http://${pod.podIP}:8080/admin`]);
    script.expect('around the waypoint, to the pod itself, there is no way', around.code === 1, around.stdout);
    const refusal = await eventually('the refusal in the log of the ztunnel', async () => {
      const logs = await world.kubectl(['logs', '-n', 'istio-system', '-l', 'app=ztunnel', '--tail=200']);
      return logs.split('\n').findLast((l) => l.includes('/sa/web') && l.includes(REQUIRED));
    });
    script.evidence(refusal);
  });

  await script.step('A path that is for callers with a token', async () => {
    const account = `${CART_URL}/account`;
    const none = await stage.call(WEB, [account]);
    script.expect('without one: denied', none.stderr.includes('403'), none.stdout);
    for (const [kind, typed] of [
      ['expired', '$(samples/token --expired)'],
      ['forged', '$(samples/token --forged)'],
    ] as const) {
      const bad = await stage.call(WEB, [account, ...bearer(tokens[kind])], shownWith(account, typed));
      script.expect(`with one that is ${kind}: refused`, bad.stderr.includes('401'), bad.stdout);
    }
    const good = await stage.call(WEB, [account, ...bearer(tokens.good)], shownWith(account, '$(samples/token)'));
    script.expect('with one that is good: answered', good.code === 0, good.stderr);
  });

  await script.step('gRPC and WebSocket go through it, too, and can be watched', async () => {
    const tapped = await watched(world, ['tap', 'svc/price.shop', '--max', '1'], async () => {
      const said = await stage.call(WEB, PRICE_CALL);
      script.expect('the waypoint has added the currency', said.stdout.includes('in EUR'), said.stdout);
    });
    script.command('ambit tap svc/price.shop');
    script.evidence(tapped);
    script.expect('the call was seen', tapped.includes('/ambit.samples.Echo/Say'), tapped);
    const live = await stage.call(WEB, ['ws://cart.shop:8080/live', 'hello']);
    script.expect('a WebSocket is a WebSocket', live.stdout.includes('heard hello'), live.stderr);
  });
}

const shownWith = (url: string, text: string): string => `${url} --header "authorization: Bearer ${text}"`;

/** What a command that listens tells of the work, which begins when it says that it listens. */
async function watched(world: World, args: readonly string[], work: () => Promise<void>) {
  const listening = Promise.withResolvers<void>();
  const onOutput = (text: string) => text.includes('Listening') && listening.resolve();
  const heard = world.ambit(args, { onOutput, deadlineMs: 30_000 });
  await Promise.race([listening.promise, heard]);
  const [output] = await Promise.all([heard, work()]);
  return output;
}
