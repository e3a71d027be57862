/**
 * What breaks, for how long, and that it heals by itself: a lab of two nodes in which parts of the mesh, nodes and in the end
 * the whole lab are killed. The scenarios build on one another, in order; the lab is taken down also when one fails.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { ensureKubectl } from '../../lab/api/kubectl.ts';
import type { Segment } from '../../lab/capture/index.ts';
import { captured } from '../support/capture.ts';
import {
  descriptorsOf,
  labDirectory,
  type Program,
  processesNaming,
  processOn,
  supervisorOf,
} from '../support/lab-processes.ts';
import { eventually } from '../support/shell.ts';
import { type Place, World } from '../support/world.ts';

const WEB: Place = { namespace: 'shop', app: 'web' };
const CART: Place = { namespace: 'shop', app: 'cart' };
const REPORTER: Place = { namespace: 'office', app: 'reporter' };
const BATCH: Place = { namespace: 'legacy', app: 'batch' };
const ALL = [WEB, CART, REPORTER, BATCH, { namespace: 'shop', app: 'ledger' }, { namespace: 'shop', app: 'price' }];
const CART_URL = 'http://cart.shop:8080/whisper';
const LEDGER = ['tcp://ledger.shop:9000', 'whisper'];
const REDIRECTION = 'ambient.istio.io/redirection';
const KUBELET_PORT = 10_250;

type Status = { readonly problems: readonly string[] };
type PodOptions = { readonly command?: string; readonly labels?: Record<string, string>; readonly spec?: object };

describe('a mesh whose parts are killed', { skip: process.getuid?.() === 0 ? false : 'needs root' }, () => {
  let world: World;

  const ambient = (namespace: string, on: boolean) =>
    world.kubectl(['label', 'namespace', namespace, '--overwrite', `istio.io/dataplane-mode${on ? '=ambient' : '-'}`]);
  const problems = async () => {
    const said = await world.ambitResult(['status', '-o', 'json']);
    return (JSON.parse(said.stdout) as Status).problems;
  };
  const healthy = (what: string) =>
    eventually(`no problem ${what}`, async () => ((await problems()).length === 0 ? true : undefined), 30_000);
  const redirections = async (namespace: string) =>
    (await world.objects('pods', ['-n', namespace])).map((pod) => pod.metadata.annotations?.[REDIRECTION]);
  const allAre = (namespace: string, value: 'enabled' | undefined) =>
    eventually(`the pods of ${namespace} are ${value ?? 'outside'}`, async () =>
      (await redirections(namespace)).every((is) => is === value) ? true : undefined,
    );
  const on = (node: string, program: Program): number => {
    const pid = processOn(world.lab, node, program);
    assert.ok(pid !== undefined, `no ${program} on ${node}`);
    return pid;
  };
  const kill = (node: string, program: Program): number => {
    const pid = on(node, program);
    process.kill(pid, 'SIGKILL');
    return pid;
  };
  /** What the two sides said to each other in the clear. What people read over the kubelet is none of the mesh's. */
  const leaked = (segments: readonly Segment[]) =>
    segments.filter((s) => s.srcPort !== KUBELET_PORT && s.dstPort !== KUBELET_PORT && s.payload.includes('whisper'));
  const startPod = (namespace: string, name: string, node: string, { command, labels, spec }: PodOptions = {}) =>
    world.apply(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace, labels: { app: name, ...labels } },
        spec: {
          nodeSelector: { 'kubernetes.io/hostname': node },
          terminationGracePeriodSeconds: 0,
          containers: [
            {
              name: 'main',
              image: 'ambit/samples:0.1.0',
              command: ['sh', '-c', command ?? 'sleep 600'],
            },
          ],
          ...spec,
        },
      }),
    );
  const found = async (namespace: string, name: string) => {
    const pod = (await world.objects('pods', ['-n', namespace])).find((p) => p.metadata.name === name);
    assert.ok(pod, `no pod ${namespace}/${name}`);
    const { phase } = pod['status'] as { phase: string };
    return { phase, redirection: pod.metadata.annotations?.[REDIRECTION] };
  };
  const runs = (namespace: string, name: string) =>
    eventually(`${namespace}/${name} runs`, async () =>
      (await found(namespace, name)).phase === 'Running' ? true : undefined,
    );
  /** A daemon set whose pods go, and come back at `Symbol.asyncDispose`. */
  const without = async (daemonSet: string) => {
    const selector = (value: string | null) =>
      world.kubectl([
        ...['patch', 'daemonset', daemonSet, '-n', 'istio-system', '--type', 'merge', '-p'],
        JSON.stringify({ spec: { template: { spec: { nodeSelector: { nowhere: value } } } } }),
      ]);
    await selector('yes');
    await eventually(`${daemonSet} is gone`, async () =>
      (await world.objects('pods', ['-n', 'istio-system'])).some((p) => p.metadata.name.startsWith(daemonSet))
        ? undefined
        : true,
    );
    return {
      async [Symbol.asyncDispose]() {
        await selector(null);
      },
    };
  };

  before(
    async () => {
      world = new World(`chaos-${process.pid}`, await ensureKubectl({ env: process.env }));
      await world.ambit(['lab', 'up', '--name', world.lab, '--nodes', '2']);
      world.useKubeconfig((await world.ambit(['lab', 'kubeconfig', '--name', world.lab])).trim());
      await Promise.all([world.ambit(['install']), world.deploySamples('node-1', 'node-2')]);
      await world.waitForDeployments(ALL);
      await ambient('shop', true);
      await allAre('shop', 'enabled');
      await healthy('at the start');
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

  test('a killed ztunnel serves its pods again, and nothing crosses in plaintext meanwhile', async () => {
    const { segments } = await captured(world, 'node-2', async () => {
      const load = world.call(WEB, [CART_URL, '--for', '4s']);
      for (const node of ['node-1', 'node-2']) kill(node, 'ztunnel');
      await load;
      await world.settles(WEB, [CART_URL], true);
    });
    assert.deepEqual(leaked(segments), []);
    await healthy('after the ztunnels came back');
  });

  test('a killed agent and a killed controller fail no call', async () => {
    const load = world.call(WEB, [CART_URL, '--for', '4s']);
    for (const node of ['node-1', 'node-2']) kill(node, 'agent');
    const controller = ['node-1', 'node-2'].find((node) => processOn(world.lab, node, 'controller') !== undefined);
    assert.ok(controller);
    kill(controller, 'controller');
    const { code, stdout, stderr } = await load;
    assert.equal(code, 0, stdout + stderr);
    await healthy('after agents and controller came back');
  });

  test('a pod of an enrolled namespace waits for a hanging agent, one outside does not', async () => {
    const agent = on('node-1', 'agent');
    process.kill(agent, 'SIGSTOP');
    try {
      await Promise.all([startPod('shop', 'waiting', 'node-1'), startPod('legacy', 'free', 'node-1')]);
      await runs('legacy', 'free');
      assert.equal((await found('shop', 'waiting')).phase, 'Pending');
      assert.match((await problems()).join('\n'), /shop\/waiting should be in the mesh and is not/);
    } finally {
      process.kill(agent, 'SIGCONT');
    }
    await runs('shop', 'waiting');
    assert.equal((await found('shop', 'waiting')).redirection, 'enabled');
    await world.kubectl(['delete', 'pod', '-n', 'shop', 'waiting', '--wait=false']);
    await world.kubectl(['delete', 'pod', '-n', 'legacy', 'free', '--wait=false']);
  });

  test('a namespace labelled without a ztunnel is pending, loud, and healed when one comes', async () => {
    {
      await using _ = await without('ztunnel');
      await ambient('office', true);
      await eventually('the pod of office is pending', async () =>
        (await redirections('office')).every((is) => is === 'pending') ? true : undefined,
      );
      assert.match((await problems()).join('\n'), /office\/reporter-\S+ waits for the ztunnel of node node-1/);
      assert.notEqual((await world.call(REPORTER, LEDGER)).code, 0, 'captured, and nobody serves it');
    }
    await allAre('office', 'enabled');
    await world.settles(REPORTER, LEDGER, true);
    await healthy('after the ztunnels came');
  });

  test('labelling back and forth under load fails no new connection and leaves no descriptor', async () => {
    const rounds = 3;
    const held = () =>
      ['node-1', 'node-2'].flatMap((node) => [descriptorsOf(on(node, 'ztunnel')), descriptorsOf(on(node, 'agent'))]);
    await world.settles(BATCH, LEDGER, true);
    const before = held();
    const stop = new AbortController();
    const load = Promise.all([
      world.call(WEB, [CART_URL, '--for', '9s']),
      world.call(BATCH, [...LEDGER, '--for', '9s']),
    ]).finally(() => stop.abort());
    for (let round = 0; round < rounds && !stop.signal.aborted; round++) {
      await ambient('shop', false);
      await allAre('shop', undefined);
      await ambient('shop', true);
      await allAre('shop', 'enabled');
    }
    for (const { stdout } of await load) {
      // Connections that live while their pod leaves are cut; at most the one of the caller, each time.
      const cut = Number(/(\d+) failed$/m.exec(stdout)?.[1]);
      assert.ok(cut <= rounds, stdout);
      assert.doesNotMatch(stdout, /ECONNREFUSED/);
    }
    await healthy('after the last label');
    await eventually('no more descriptors than before', async () =>
      // A kept-alive connection to the API server and one to a peer may have come.
      held().every((count, i) => count <= (before[i] ?? 0) + 4) ? true : undefined,
    );
  });

  test('pods that crash, end, opt out or have no network of their own', async () => {
    const call = '/opt/ambit/samples/call tcp://ledger.shop:9000 whisper';
    await Promise.all([
      startPod('shop', 'crashing', 'node-1', { command: `${call}; exit 3` }),
      startPod('shop', 'ending', 'node-1', { command: call, spec: { restartPolicy: 'Never' } }),
      startPod('shop', 'outside', 'node-1', { labels: { 'istio.io/dataplane-mode': 'none' } }),
      startPod('shop', 'of-the-node', 'node-1', { spec: { hostNetwork: true } }),
    ]);
    await eventually('the pod that ends has ended well', async () =>
      (await found('shop', 'ending')).phase === 'Succeeded' ? true : undefined,
    );
    await Promise.all([runs('shop', 'outside'), runs('shop', 'of-the-node')]);
    await eventually('the pod that crashes says what it was answered', async () =>
      (await world.kubectl(['logs', '-n', 'shop', 'crashing'])).includes('whisper') ? true : undefined,
    );
    assert.equal((await found('shop', 'crashing')).redirection, 'enabled');
    for (const name of ['outside', 'of-the-node']) assert.equal((await found('shop', name)).redirection, undefined);
    await eventually('the pod that has ended has left', async () =>
      (await found('shop', 'ending')).redirection === undefined ? true : undefined,
    );
    await healthy('with all of them');
    await world.kubectl(['delete', 'pod', '-n', 'shop', 'crashing', 'ending', 'outside', 'of-the-node']);
  });

  test('a node that was killed comes back with its pods in the mesh', async () => {
    // A caller that dials from its first moment: it would be seen in plaintext if it started outside the mesh.
    await startPod('shop', 'eager', 'node-1', {
      command: 'while :; do /opt/ambit/samples/call tcp://ledger.shop:9000 whisper; sleep 0.1; done',
    });
    await runs('shop', 'eager');
    const { segments } = await captured(world, 'node-2', async () => {
      kill('node-1', 'kubelet');
      await eventually('the node has a new kubelet', async () => processOn(world.lab, 'node-1', 'ztunnel'));
      await world.settles(WEB, [CART_URL], true);
      await runs('shop', 'eager');
      await healthy('after the node came back');
    });
    assert.deepEqual(leaked(segments), []);
    await world.kubectl(['delete', 'pod', '-n', 'shop', 'eager', '--wait=false']);
  });

  test('a lab whose supervisor was killed is taken down without a trace', async () => {
    const supervisor = supervisorOf(world.lab);
    process.kill(supervisor, 'SIGKILL');
    await eventually('its processes have ended with it', async () =>
      existsSync(`/proc/${supervisor}`) ? undefined : true,
    );
    await world.ambit(['lab', 'down', '--name', world.lab]);
    assert.ok(!existsSync(labDirectory(world.lab)));
    assert.deepEqual(processesNaming(labDirectory(world.lab)), []);
    assert.ok(!readFileSync('/proc/mounts', 'utf8').includes(world.lab));
    const groups = readdirSync('/sys/fs/cgroup', { recursive: true, encoding: 'utf8' });
    assert.deepEqual(
      groups.filter((path) => path.includes(`ambit-lab-${world.lab}`)),
      [],
    );
  });
});
