/** How far a waypoint has come: what its Gateway and its pods say, in words, and waiting until both are content. */
import { RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { isLive } from '../enrolment.ts';
import { CliError } from '../errors.ts';
import { readiness } from '../install/readiness.ts';
import { waitUntil } from '../wait.ts';
import { conditionOf } from './gateways.ts';
import { GATEWAY_NAME } from './manifest.ts';

export type Place = { readonly namespace: string; readonly name: string };
export type Waiting = { readonly deadlineMs: number; readonly progress: (line: string) => void };

/**
 * Until the Gateway is programmed and the Deployment behind it is rolled out. Throws CliError with what is missing and where
 * to look: at the deadline, or at once when the controller says that it will not be.
 */
export async function waitForWaypoint(cluster: Cluster, place: Place, waiting: Waiting): Promise<void> {
  const { namespace, name } = place;
  try {
    await waitUntil(`waypoint ${namespace}/${name}`, () => missingFor(cluster, place), waiting);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new CliError(`${error.message}\n${lookAt(place)}`, { cause: error });
  }
}

function lookAt({ namespace, name }: Place): string {
  return [
    'Next:',
    `  kubectl -n ${namespace} describe gateway ${name}                  what the controller says of it`,
    `  kubectl -n ${namespace} describe pods -l ${GATEWAY_NAME}=${name}     why its pods do not start`,
    '  ambit status                                        whether the controller itself is well',
  ].join('\n');
}

async function missingFor(cluster: Cluster, place: Place): Promise<readonly string[]> {
  const { namespace, name } = place;
  const gateway = await cluster.get(RESOURCES.Gateway, name, namespace);
  if (gateway === undefined) throw new CliError(`waypoint ${namespace}/${name} was deleted meanwhile`);
  return [...gatewayMissing(gateway), ...(await podsMissing(cluster, place, gateway))];
}

function gatewayMissing(gateway: KubeObject): readonly string[] {
  const [accepted, programmed] = ['Accepted', 'Programmed'].map((type) => conditionOf(gateway, type));
  const says = (reason = '', message = '') => [reason, message].filter(Boolean).join(': ');
  if (accepted?.status === 'False') {
    const { namespace, name } = gateway.metadata;
    throw new CliError(`waypoint ${namespace}/${name} is not accepted (${says(accepted.reason, accepted.message)})`);
  }
  if (programmed?.status === 'True') return [];
  if (programmed === undefined || programmed.reason === 'Pending') return ['the controller has not taken it up yet'];
  return [`not programmed (${says(programmed.reason, programmed.message)})`];
}

/** Nobody but the controller that runs them knows how many there are to be: without a Deployment only the Gateway counts. */
async function podsMissing(cluster: Cluster, { namespace, name }: Place, gateway: KubeObject) {
  const selection = { namespace, labelSelector: `${GATEWAY_NAME}=${name}` };
  const [deployment] = await cluster.list(RESOURCES.Deployment, selection);
  if (deployment === undefined) return isElsewhere(gateway) ? [] : ['its Deployment is not there yet'];
  const { ready, wanted, complete } = readiness(deployment);
  if (complete) return [];
  const pods = (await cluster.list(RESOURCES.Pod, selection)).filter(isLive);
  const [why] = pods.length === 0 ? ['no pod is there yet'] : pods.flatMap(podProblem);
  return [`${ready} of ${wanted} pods ready${why === undefined ? '' : `; ${why}`}`];
}

/** An address that is written by hand means a waypoint that somebody else runs. */
export function isElsewhere(gateway: KubeObject): boolean {
  const { addresses } = (gateway['spec'] ?? {}) as { readonly addresses?: readonly unknown[] };
  return addresses !== undefined && addresses.length > 0;
}

type PodStatus = {
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  readonly containerStatuses?: readonly {
    readonly ready?: boolean;
    readonly state?: {
      readonly waiting?: { readonly reason?: string; readonly message?: string };
      readonly terminated?: { readonly reason?: string; readonly exitCode?: number };
    };
  }[];
};

/** Why a pod is not ready, in the words of who knows: the scheduler, the container runtime, or nobody yet. */
export function podProblem(pod: KubeObject): readonly string[] {
  const { conditions = [], containerStatuses = [] } = (pod['status'] ?? {}) as PodStatus;
  if (conditions.some(({ type, status }) => type === 'Ready' && status === 'True')) return [];
  const { name } = pod.metadata;
  const unplaced = conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  if (unplaced !== undefined) return [`${name} has no node (${unplaced.message ?? 'no reason is given'})`];
  for (const { state = {} } of containerStatuses) {
    const { waiting, terminated } = state;
    if (waiting !== undefined) {
      return [`${name} waits (${[waiting.reason, waiting.message].filter(Boolean).join(': ')})`];
    }
    if (terminated !== undefined) return [`${name} ended (${terminated.reason ?? `exit code ${terminated.exitCode}`})`];
  }
  return [`${name} runs and is not ready`];
}
