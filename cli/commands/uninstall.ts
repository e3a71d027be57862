import type { Command } from 'commander';
import * as z from 'zod';
import { RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { type CliContext, duration } from '../context.ts';
import { DATAPLANE_LABEL, isLive, REDIRECTION } from '../enrolment.ts';
import { CliError } from '../errors.ts';
import { DEFAULT_NAMESPACE, loadBundle, OWNER, OWNER_LABEL } from '../install/bundle.ts';
import { isOurs } from '../install/ownership.ts';
import { removeWaypoints } from '../install/waypoints.ts';
import { objectResource } from '../objects.ts';
import { waitUntil } from '../wait.ts';
import { MANIFESTS } from './install.ts';

const AGENT_HEALTH_PORT = 8000;

type UninstallOptions = {
  readonly namespace: string;
  readonly purge: boolean;
  readonly force: boolean;
  readonly timeout: number;
};

export function addUninstall(program: Command, context: CliContext): void {
  program
    .command('uninstall')
    .summary('take every pod out of the mesh, check that nothing is left in any, then remove the mesh')
    .description(
      `First the labels that enrol are taken away and every pod leaves the mesh; then each node's agent is asked whether a rule is left in
any pod; only then agent, ztunnel and controller are removed. Pods are not restarted and keep talking, in plaintext.`,
    )
    .option('-n, --namespace <name>', 'namespace of the mesh', DEFAULT_NAMESPACE)
    .option('--purge', 'also remove the definitions of our kinds, and with them all policies', false)
    .option('--force', 'go on although a node did not answer; its pods may keep rules that lead nowhere', false)
    .option('--timeout <duration>', 'how long to wait until every pod has left', duration, 120_000)
    .addHelpText('after', '\nExamples:\n  ambit uninstall\n  ambit uninstall --purge')
    .action(async (options: UninstallOptions) => {
      const cluster = context.cluster();
      await unenrolAll(cluster, options, context.say);
      await checkNoRuleLeft(cluster, options, context.say);
      await remove(cluster, options, context.say);
      context.say('The mesh is uninstalled.');
    });
}

const label = (object: KubeObject) => object.metadata.labels?.[DATAPLANE_LABEL];

async function unenrolAll(cluster: Cluster, options: UninstallOptions, say: (line: string) => void): Promise<void> {
  const withoutLabel = { metadata: { labels: { [DATAPLANE_LABEL]: null } } };
  for (const namespace of await cluster.list(RESOURCES.Namespace)) {
    if (label(namespace) !== 'ambient') continue;
    await cluster.patch(RESOURCES.Namespace, namespace.metadata.name, undefined, withoutLabel);
    say(`namespace ${namespace.metadata.name}: label ${DATAPLANE_LABEL} removed`);
  }
  for (const pod of await cluster.list(RESOURCES.Pod, { labelSelector: `${DATAPLANE_LABEL}=ambient` })) {
    await cluster.patch(RESOURCES.Pod, pod.metadata.name, pod.metadata.namespace, withoutLabel);
    say(`pod ${pod.metadata.namespace}/${pod.metadata.name}: label ${DATAPLANE_LABEL} removed`);
  }
  const enrolledPods = async () => {
    const pods = await cluster.list(RESOURCES.Pod);
    const left = pods.filter((pod) => isLive(pod) && pod.metadata.annotations?.[REDIRECTION] !== undefined);
    const [first] = left;
    if (first === undefined) return [];
    const node = (first['spec'] as { nodeName?: string }).nodeName ?? '?';
    return [
      `${left.length} still in the mesh, for example ${first.metadata.namespace}/${first.metadata.name} on node ${node}`,
    ];
  };
  try {
    await waitUntil('pods leaving', enrolledPods, { deadlineMs: options.timeout, progress: say });
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    if (!options.force) {
      throw new CliError(
        `${error.message}\nAgents and ztunnels were kept. Is the agent of that node well? See: ambit status. To go on without it: --force`,
      );
    }
    say(`${error.message} (going on: --force)`);
  }
}

/** What the agent's `/enrolled` says: every pod of its node that is enrolled or whose namespace holds rules. */
const enrolledAnswer = z.looseObject({
  pods: z.array(z.looseObject({ namespace: z.string(), name: z.string(), rules: z.boolean() })),
  pending: z.number(),
});

/** Asks every node's agent what it finds in its pods' namespaces; the annotation alone is not proof. */
async function checkNoRuleLeft(
  cluster: Cluster,
  options: UninstallOptions,
  say: (line: string) => void,
): Promise<void> {
  const agents = await cluster.list(RESOURCES.Pod, {
    namespace: options.namespace,
    labelSelector: 'k8s-app=istio-cni-node',
  });
  const problems: string[] = [];
  for (const agent of agents.filter(isLive)) {
    const node = (agent['spec'] as { nodeName?: string }).nodeName ?? '?';
    const wrong = await askAgent(cluster, { namespace: options.namespace, name: agent.metadata.name });
    if (wrong.length === 0) say(`node ${node}: no rule is left in any pod`);
    for (const problem of wrong) problems.push(`node ${node}: ${problem}`);
  }
  if (problems.length === 0) return;
  if (!options.force) {
    throw new CliError(
      `agent and ztunnel were kept, since removing them now would cut these pods off:\n  ${problems.join('\n  ')}`,
    );
  }
  for (const problem of problems) say(`${problem} (going on: --force)`);
}

/** What speaks against removing this agent. An answer that cannot be understood does, too. */
async function askAgent(
  cluster: Cluster,
  agent: { readonly namespace: string; readonly name: string },
): Promise<string[]> {
  try {
    const text = await cluster.podHttp(agent, AGENT_HEALTH_PORT, '/enrolled');
    const { pods, pending } = enrolledAnswer.parse(JSON.parse(text));
    const dirty = pods.filter((pod) => pod.rules).map((pod) => `rules are left in pod ${pod.namespace}/${pod.name}`);
    return pending === 0 ? dirty : [...dirty, `${pending} pods are still being changed`];
  } catch (error) {
    return [`its agent did not answer: ${error instanceof Error ? error.message : String(error)}`];
  }
}

async function remove(cluster: Cluster, options: UninstallOptions, say: (line: string) => void): Promise<void> {
  const bundle = loadBundle(MANIFESTS, { namespace: options.namespace, env: [] });
  const kept = (object: KubeObject) =>
    object.kind === 'Namespace' || (object.kind === 'CustomResourceDefinition' && !options.purge);
  for (const object of bundle.filter((o) => !kept(o)).reverse()) {
    const resource = objectResource(object);
    const present = await cluster.get(resource, object.metadata.name, object.metadata.namespace);
    if (present === undefined) continue;
    if (!isOurs(present)) {
      say(`${object.kind} ${object.metadata.name} is not Ambit's; left alone`);
      continue;
    }
    await cluster.delete(resource, object.metadata.name, object.metadata.namespace);
  }
  await waitUntil(
    'removing',
    async () => {
      const pods = await cluster.list(RESOURCES.Pod, {
        namespace: options.namespace,
        labelSelector: `${OWNER_LABEL}=${OWNER}`,
      });
      return pods.length === 0 ? [] : [`${pods.length} pods are still there`];
    },
    { deadlineMs: options.timeout, progress: say },
  );
  await removeWaypoints(cluster, say);
  // What else the controller made at run time: the root certificate in every namespace. The key stays, so that a new installation
  // keeps the trust that peers already have; --purge removes it as well.
  for (const map of await cluster.list(RESOURCES.ConfigMap, { labelSelector: 'istio.io/config=true' })) {
    await cluster.delete(RESOURCES.ConfigMap, map.metadata.name, map.metadata.namespace);
  }
  if (options.purge) await cluster.delete(RESOURCES.Secret, 'istio-ca-secret', options.namespace);
  const namespace = await cluster.get(RESOURCES.Namespace, options.namespace);
  if (options.purge && namespace !== undefined && isOurs(namespace)) {
    await cluster.delete(RESOURCES.Namespace, options.namespace);
  } else {
    say(
      `kept: namespace ${options.namespace} with the root key, and the definitions of our kinds with all policies (--purge removes them)`,
    );
  }
}
