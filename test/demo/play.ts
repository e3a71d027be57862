import { type Segment, startsTlsRecord } from '../../lab/capture/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import { captured } from '../support/capture.ts';
import { eventually } from '../support/shell.ts';
import type { World } from '../support/world.ts';
import { playL7 } from './l7.ts';
import { ALL, BATCH, CART_URL, REPORTER, WEB } from './places.ts';
import { ALLOW_WEB, DEFAULT_DENY, STRICT } from './policies.ts';
import type { Script } from './script.ts';
import { Stage } from './stage.ts';

const LEDGER_CALL = ['tcp://ledger.shop:9000', 'two-apples'];
const PRICE_CALL = ['grpc://price.shop:9090', 'apples'];
const HBONE_PORT = 15_008;
const REDIRECTION = 'ambient.istio.io/redirection';

const [NODE_A, NODE_B] = ['node-1', 'node-2'];

/** The demo, scene by scene. Throws at the first expectation that does not hold. */
export async function play(world: World, script: Script): Promise<void> {
  const stage = new Stage(world, script);

  await script.step('A cluster of two nodes on this machine', async () => {
    script.command(`ambit lab up --name ${world.lab} --nodes 2`);
    await world.ambit(['lab', 'up', '--name', world.lab, '--nodes', '2']);
    world.useKubeconfig((await world.ambit(['lab', 'kubeconfig', '--name', world.lab])).trim());
    await stage.kubectl(['get', 'nodes']);
  });

  await script.step('The mesh is installed, and a small shop is deployed', async () => {
    // Certificates that live for a minute: so that the demo sees one replaced.
    script.command('ambit install --env ztunnel.SECRET_TTL=60s');
    const [said] = await Promise.all([
      world.ambitSays(['install', '--env', 'ztunnel.SECRET_TTL=60s']),
      world.deploySamples(NODE_A, NODE_B),
    ]);
    script.evidence(said);
    script.command('kubectl apply -f samples/shop.yaml');
    await world.waitForDeployments(ALL);
    await stage.kubectl(['get', 'pods', '-A', '-o', 'wide']);
  });

  const before = await podIds(world);

  await script.step('Without the mesh: everything crosses the link in the clear', async () => {
    const { segments } = await captured(world, NODE_B, async () => {
      const answer = await stage.call(WEB, [`${CART_URL}/in-the-clear`]);
      script.expect('web reaches cart', answer.code === 0, answer.stderr);
    });
    const clear = segments.find((segment) => segment.payload.includes('/in-the-clear'));
    script.command(`ambit lab capture --node ${NODE_B}`);
    script.evidence(clear === undefined ? 'nothing readable' : describe(clear));
    script.expect(
      'the request can be read on the link between the nodes',
      clear !== undefined,
      `${segments.length} segments`,
    );
  });

  await script.step('A label puts two namespaces into the mesh', async () => {
    await stage.kubectl(['label', 'namespace', 'shop', 'office', 'istio.io/dataplane-mode=ambient']);
    await eventually('every pod of shop and office is enrolled', async () =>
      (await enrolledCount(world)) === 5 ? true : undefined,
    );
    script.expect('no pod was restarted or replaced', (await podIds(world)) === before, await podIds(world));
    await eventually('the tunnel protocol has reached every node', async () => {
      const lines = await world.ambit(['ztunnel-config', 'workloads', '--workload-namespace', 'shop']);
      return (lines.match(/HBONE/g) ?? []).length === 4 ? true : undefined;
    });
    script.command('ambit status');
    script.evidence(await world.ambit(['status']));
  });

  await script.step('The same request: only TLS, only on port 15008', async () => {
    const { segments } = await captured(world, NODE_B, async () => {
      const answers = [
        await stage.call(WEB, [`${CART_URL}/in-the-tunnel`]),
        await stage.call(REPORTER, LEDGER_CALL),
        await stage.call(REPORTER, PRICE_CALL),
      ];
      for (const answer of answers) script.expect('the call is answered', answer.code === 0, answer.stderr);
    });
    const secrets = ['/in-the-tunnel', 'two-apples', 'apples', '"caller"'];
    const readable = segments.filter((segment) => secrets.some((secret) => segment.payload.includes(secret)));
    const tunnel = segments.filter((segment) => segment.srcPort === HBONE_PORT || segment.dstPort === HBONE_PORT);
    const records = tunnel.filter((segment) => startsTlsRecord(segment.payload));
    script.command(`ambit lab capture --node ${NODE_B}`);
    script.evidence(
      `${tunnel.length} segments on port 15008, ${records.length} of them begin a TLS record; readable: ${readable.length}`,
    );
    script.expect('there was a tunnel', records.length > 0, `${segments.length} segments`);
    script.expect(
      'nothing of what was said can be read on the link',
      readable.length === 0,
      readable.map(describe).join('\n'),
    );
  });

  await script.step('The access log names both identities', async () => {
    const line = await eventually('the access log line of the tunnel', async () => {
      const logs = await world.kubectl(['logs', '-n', 'istio-system', '-l', 'app=ztunnel', '--tail=200']);
      return logs
        .split('\n')
        .find((l) => l.includes('direction="inbound"') && l.includes('/sa/cart') && l.includes('/sa/web'));
    });
    script.command('kubectl logs -n istio-system -l app=ztunnel');
    script.evidence(line);
    script.expect('who called', line.includes('src.identity="spiffe://cluster.local/ns/shop/sa/web"'), line);
    script.expect('who was called', line.includes('dst.identity="spiffe://cluster.local/ns/shop/sa/cart"'), line);
  });

  await script.step('Default deny, and one service account that may', async () => {
    await stage.apply(DEFAULT_DENY);
    await world.settles(WEB, [`${CART_URL}/`], false);
    await stage.apply(ALLOW_WEB);
    await world.settles(WEB, [`${CART_URL}/`], true);
    const allowed = await stage.call(WEB, [`${CART_URL}/allowed`]);
    script.expect('web may call cart', allowed.code === 0, allowed.stderr);
    const denied = await stage.call(REPORTER, [`${CART_URL}/denied`]);
    script.expect('reporter may not', denied.code === 1, denied.stdout);
    const line = await eventually('the denial in the log', async () => {
      const logs = await world.kubectl(['logs', '-n', 'istio-system', '-l', 'app=ztunnel', '--tail=200']);
      return logs.split('\n').find((l) => l.includes('/sa/reporter') && l.includes('/sa/cart') && l.includes('error='));
    });
    script.evidence(line);
    await stage.kubectl(['delete', 'authorizationpolicy', '-n', 'shop', 'default-deny', 'cart-allows-web']);
    await world.settles(REPORTER, [`${CART_URL}/`], true);
  });

  await script.step('STRICT: a caller outside the mesh is refused', async () => {
    const outside = await stage.call(BATCH, LEDGER_CALL);
    script.expect('before, batch reaches ledger in plaintext', outside.code === 0, outside.stderr);
    await stage.apply(STRICT);
    await world.settles(BATCH, LEDGER_CALL, false);
    const refused = await stage.call(BATCH, LEDGER_CALL);
    script.expect('now it is refused', refused.code === 1, refused.stdout);
    const inside = await stage.call(REPORTER, LEDGER_CALL);
    script.expect('a caller inside the mesh is not', inside.code === 0, inside.stderr);
  });

  await script.step('A certificate is replaced under load', async () => {
    const old = await serials(world);
    script.evidence(`before: ${[...old].join(', ')}`);
    const load = world.call(WEB, [`${CART_URL}/load`, '--for', '9s']);
    const renewed = await eventually(
      'a new certificate for cart and for web',
      async () => {
        const now = await serials(world);
        return [...old].every((serial) => !now.has(serial)) && now.size > 0 ? now : undefined;
      },
      60_000,
    );
    const result = await load;
    script.evidence(`after:  ${[...renewed].join(', ')}\n${result.stdout.trim()}`);
    script.expect('not one call failed meanwhile', result.code === 0, `${result.stdout}${result.stderr}`);
  });

  await playL7(world, script, stage);

  await script.step('The label is removed: the pods leave, and still talk', async () => {
    await stage.kubectl(['delete', 'peerauthentication', '-n', 'shop', 'default']);
    await stage.kubectl(['label', 'namespace', 'shop', 'office', 'istio.io/dataplane-mode-']);
    await eventually('no pod is enrolled', async () => ((await enrolledCount(world)) === 0 ? true : undefined));
    const { segments } = await captured(world, NODE_B, async () => {
      // The other version may be on the caller's own node, where nothing crosses a link.
      await world.settles(WEB, ['http://cart-v1.shop:8080/in-the-clear-again'], true);
    });
    script.expect(
      'the request can be read again',
      segments.some((s) => s.payload.includes('/in-the-clear-again')),
      `${segments.length} segments`,
    );
    script.expect(
      'no pod was restarted or replaced, from the beginning to the end',
      (await podIds(world)) === before,
      await podIds(world),
    );
  });
}

function describe(segment: Segment): string {
  const text = segment.payload
    .toString('latin1')
    .split('\r\n')
    .slice(0, 2)
    .join(' | ')
    .replace(/[^\x20-\x7e]/g, '.');
  return `${segment.src}:${segment.srcPort} > ${segment.dst}:${segment.dstPort}  ${text.slice(0, 100)}`;
}

const MINE = new Set(ALL.map(({ namespace, app }) => `${namespace}/${app}`));

/** The pods that are there from the beginning to the end: all but the second version, and the waypoint. */
async function samplePods(world: World): Promise<KubeObject[]> {
  return (await world.objects('pods', ['-A', '-l', 'version=v1'])).filter(({ metadata }) =>
    MINE.has(`${metadata.namespace}/${metadata.labels?.['app']}`),
  );
}

async function enrolledCount(world: World): Promise<number> {
  return (await samplePods(world)).filter((pod) => pod.metadata.annotations?.[REDIRECTION] === 'enabled').length;
}

/** Each pod's uid and restarts: the same text before and after means the same pods, never restarted. */
async function podIds(world: World): Promise<string> {
  const lines = (await samplePods(world)).map((pod) => {
    const status = pod['status'] as { containerStatuses?: { restartCount: number }[] };
    return `${pod.metadata.namespace}/${pod.metadata.name} ${pod.metadata.uid} ${status.containerStatuses?.[0]?.restartCount}`;
  });
  return lines.sort().join('\n');
}

type CertificateEntry = {
  readonly identity: string;
  readonly certChain?: readonly { readonly serialNumber: string }[];
};

/** Serial numbers of the certificates in use for cart and web. */
async function serials(world: World): Promise<Set<string>> {
  const entries = JSON.parse(await world.ambit(['ztunnel-config', 'certificates', '-o', 'json'])) as CertificateEntry[];
  return new Set(
    entries
      .filter(({ identity }) => identity.endsWith('/sa/cart') || identity.endsWith('/sa/web'))
      .flatMap(({ certChain }) => certChain?.slice(0, 1).map(({ serialNumber }) => serialNumber) ?? []),
  );
}
