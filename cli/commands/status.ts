import type { Command } from 'commander';
import { RESOURCES } from '../../core/kube/index.ts';
import {
  causedBy,
  DEFAULT_MESH_CONFIG,
  type KubeObject,
  MeshError,
  meshConfigMapName,
  readMeshConfig,
} from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import type { CliContext } from '../context.ts';
import { isLive, type PodEnrolment, podEnrolment } from '../enrolment.ts';
import { ifServed } from '../if-served.ts';
import { COMPONENTS, DEFAULT_NAMESPACE } from '../install/bundle.ts';
import { readiness } from '../install/readiness.ts';
import { validationProblem, validatorName } from '../install/validation.ts';
import { parseOutputFormat, render } from '../output.ts';
import { formatTable } from '../table.ts';
import { type WaypointStatus, waypointOverview } from '../waypoint/overview.ts';

export type MeshStatus = {
  readonly components: readonly {
    name: string;
    kind: string;
    ready: number;
    wanted: number;
    image: string;
    healthy: boolean;
  }[];
  readonly namespaces: readonly ({ readonly name: string } & Record<PodEnrolment, number>)[];
  readonly waypoints: readonly WaypointStatus[];
  readonly problems: readonly string[];
};

export function addStatus(program: Command, context: CliContext): void {
  program
    .command('status')
    .summary('is the mesh healthy, and who is in it')
    .description(
      `Shows everything that is not as it should be (pods that should be enrolled and are not, waypoints that do not serve, policies that
are not enforced as written), then the components, the namespaces with pods in the mesh, and the waypoints with who uses them. Exit
code 1 when there is a problem.`,
    )
    .option('-n, --namespace <name>', 'namespace of the mesh', DEFAULT_NAMESPACE)
    .option('-o, --output <format>', 'short, json or yaml', 'short')
    .addHelpText('after', '\nExamples:\n  ambit status\n  ambit status -o json | jq .problems')
    .action(async (options: { namespace: string; output: string }) => {
      const format = parseOutputFormat(options.output);
      const status = await meshStatus(context.cluster(), options.namespace);
      context.out(format === 'short' ? describe(status) : render(format, status, () => ({ header: [], rows: [] }), ''));
      if (status.problems.length > 0) context.setExitCode(1);
    });
}

async function meshStatus(cluster: Cluster, namespace: string): Promise<MeshStatus> {
  const problems = [...(await configProblems(cluster, namespace))];
  const components = [];
  for (const { kind, name } of Object.values(COMPONENTS)) {
    const object = await cluster.get(RESOURCES[kind], name, namespace);
    if (object === undefined) {
      problems.push(`${kind} ${namespace}/${name} does not exist: install the mesh with \`ambit install\``);
      continue;
    }
    const { ready, wanted, complete } = readiness(object);
    if (!complete)
      problems.push(
        `${kind} ${namespace}/${name}: ${ready} of ${wanted} ready: kubectl -n ${namespace} describe ${kind.toLowerCase()} ${name}`,
      );
    if (kind === 'Deployment' && wanted === 0)
      problems.push(
        `${kind} ${namespace}/${name} is scaled to 0: proxies go on by what they know, and nothing is told them or renewed: kubectl -n ${namespace} scale deployment ${name} --replicas=1`,
      );
    components.push({ name, kind, ready, wanted, image: imageOf(object), healthy: complete });
  }
  const namespaces = await enrolmentByNamespace(cluster, problems);
  const { waypoints, problems: ofWaypoints } = await waypointOverview(cluster);
  problems.push(...ofWaypoints, ...(await policyProblems(cluster)));
  const validator = await cluster.get(RESOURCES.ValidatingWebhookConfiguration, validatorName(namespace));
  problems.push(...[validationProblem(validator)].filter((problem) => problem !== undefined));
  return { components, namespaces, waypoints, problems };
}

/** Of the mesh configuration. */
async function configProblems(cluster: Cluster, namespace: string): Promise<readonly string[]> {
  const configMap = await cluster.get(RESOURCES.ConfigMap, meshConfigMapName('default'), namespace);
  try {
    readMeshConfig(configMap, DEFAULT_MESH_CONFIG, namespace);
    return [];
  } catch (error) {
    const known = causedBy(error, MeshError);
    if (known === undefined) throw error;
    return [
      `${known.message.replace(/^\[[A-Z_]+\] /, '')}: the controller goes on by what it read before, and does not start again until this is mended`,
    ];
  }
}

function imageOf(object: KubeObject): string {
  const spec = object['spec'] as { template: { spec: { containers: readonly { image?: string }[] } } };
  return spec.template.spec.containers[0]?.image ?? '';
}

async function enrolmentByNamespace(cluster: Cluster, problems: string[]): Promise<MeshStatus['namespaces']> {
  const labels = new Map(
    (await cluster.list(RESOURCES.Namespace)).map((n) => [n.metadata.name, n.metadata.labels ?? {}]),
  );
  const counts = new Map<string, Record<PodEnrolment, number>>();
  for (const pod of (await cluster.list(RESOURCES.Pod)).filter(isLive)) {
    // A waypoint is of the mesh without being captured; its line is further down.
    if (pod.metadata.labels?.['gateway.networking.k8s.io/gateway-name'] !== undefined) continue;
    const namespace = pod.metadata.namespace ?? '';
    const state = podEnrolment(pod, labels.get(namespace) ?? {});
    const count = counts.get(namespace) ?? { enrolled: 0, pending: 0, missing: 0, leaving: 0, outside: 0 };
    count[state] += 1;
    counts.set(namespace, count);
    const node = (pod['spec'] as { nodeName?: string } | undefined)?.nodeName;
    if (state === 'missing' && node !== undefined) {
      problems.push(
        `pod ${namespace}/${pod.metadata.name} should be in the mesh and is not: look at the agent on node ${node}`,
      );
    }
    if (state === 'pending')
      problems.push(
        `pod ${namespace}/${pod.metadata.name} waits for the ztunnel of node ${node ?? '?'}; its traffic is down`,
      );
  }
  return [...counts]
    .filter(([, count]) => count.enrolled + count.pending + count.missing + count.leaving > 0)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, count]) => ({ name, ...count }));
}

type Condition = {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
};

/** Policies that are not enforced as written, routes that are not in force, and rules of traffic that can not be kept. */
async function policyProblems(cluster: Cluster): Promise<readonly string[]> {
  const all = await Promise.all(JUDGED.map((kind) => ifServed(cluster.list(kind))));
  return all.flat().flatMap((object) => {
    const { conditions = [], parents = [], ancestors = [] } = (object['status'] ?? {}) as ObjectStatus;
    const above = [...parents, ...ancestors].flatMap((one) => one.conditions ?? []);
    const said = [...conditions, ...above].filter(isProblem);
    const messages = new Set(said.map(({ message, reason, type }) => message ?? reason ?? type));
    return [...messages].map((text) => `${object.kind} ${object.metadata.namespace}/${object.metadata.name}: ${text}`);
  });
}

const JUDGED = [
  RESOURCES.AuthorizationPolicy,
  RESOURCES.RequestAuthentication,
  RESOURCES.HTTPRoute,
  RESOURCES.GRPCRoute,
  RESOURCES.TCPRoute,
  RESOURCES.TLSRoute,
  RESOURCES.DestinationRule,
  RESOURCES.BackendTLSPolicy,
  RESOURCES.Telemetry,
] as const;

type Judged = { readonly conditions?: readonly Condition[] };
type ObjectStatus = Judged & { readonly parents?: readonly Judged[]; readonly ancestors?: readonly Judged[] };

/** In these, True is bad news. */
const NEGATIVE: ReadonlySet<string> = new Set(['PartiallyInvalid']);

function isProblem({ type, status, reason }: Condition): boolean {
  if (NEGATIVE.has(type)) return status === 'True';
  return status === 'False' || reason === 'PartiallyInvalid' || reason === 'UnsupportedValue';
}

/** More users than this are counted. */
const MAX_USERS = 3;

/** Problems stand where they are seen first. */
function describe({ components, namespaces, waypoints, problems }: MeshStatus): string {
  const parts: string[] = [];
  if (problems.length > 0) {
    const lines = problems.map((problem) => `  ${problem}`);
    parts.push([`${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}:`, ...lines].join('\n'));
  }
  if (components.length > 0) {
    const rows = components.map((c) => [c.name, `${c.ready}/${c.wanted}`, c.image]);
    parts.push(formatTable(['COMPONENT', 'READY', 'IMAGE'], rows));
  }
  parts.push(
    namespaces.length === 0
      ? 'No pod is in the mesh. Try: ambit enroll NAMESPACE'
      : formatTable(
          ['NAMESPACE', 'IN THE MESH', 'PENDING', 'MISSING', 'LEAVING', 'OUTSIDE'],
          namespaces.map((n) => [n.name, ...[n.enrolled, n.pending, n.missing, n.leaving, n.outside].map(String)]),
        ),
  );
  if (waypoints.length > 0) {
    const rows = waypoints.map(({ namespace, name, trafficType, programmed, ready, wanted, usedBy }) => {
      const users = usedBy.slice(0, MAX_USERS).join(', ') || '(nobody)';
      const more = usedBy.length > MAX_USERS ? ` and ${usedBy.length - MAX_USERS} more` : '';
      return [`${namespace}/${name}`, trafficType, programmed ? 'yes' : 'no', `${ready}/${wanted}`, `${users}${more}`];
    });
    parts.push(formatTable(['WAYPOINT', 'FOR', 'PROGRAMMED', 'READY', 'USED BY'], rows));
  }
  if (problems.length === 0)
    parts.push('No problems found. For mistakes in policies, labels and services: ambit analyze');
  return parts.join('\n\n');
}
