/** Who may ask for what: the decisions, pure. Each says why. */
import { parseSpiffeId, spiffeParts } from '../../mesh/index.ts';
import type { PodFacts, PodIndex } from '../kube/pod-index.ts';
import type { Caller } from './caller.ts';

/** `final` when nothing that our caches may still learn about pods can change it. */
export type Denied = { readonly allowed: false; readonly final: boolean; readonly reason: string };

export type NodeVerdict =
  | { readonly allowed: true; readonly final: true; readonly node: string; readonly pod: PodFacts }
  | Denied;

export type Pods = Pick<PodIndex, 'get' | 'onNode'>;

/**
 * Whether the caller is a node proxy that we trust, and on which node: by list, and by the very pod that its token is bound
 * to. What the client says about itself plays no part.
 */
export function trustedNode(caller: Caller, trustedAccounts: ReadonlySet<string>, pods: Pods): NodeVerdict {
  const account = `${caller.namespace}/${caller.serviceAccount}`;
  if (!trustedAccounts.has(account)) return refused(`${account} is not a trusted node account`);
  const pod = livePod(caller, pods);
  if ('allowed' in pod) return pod;
  return { allowed: true, final: true, node: pod.node, pod };
}

export type WaypointVerdict =
  | {
      readonly allowed: true;
      readonly final: true;
      /** `namespace/name` of its Gateway. */
      readonly gateway: string;
      readonly pod: PodFacts;
    }
  | Denied;

/** Whether the caller is a pod of a waypoint, and of which: by the very pod that its token is bound to, and that pod's label. */
export function waypointPod(caller: Caller, pods: Pods): WaypointVerdict {
  const pod = livePod(caller, pods);
  if ('allowed' in pod) return pod;
  if (pod.gateway === '') return denied(`pod ${pod.key} belongs to no Gateway`);
  return { allowed: true, final: true, gateway: `${pod.namespace}/${pod.gateway}`, pod };
}

/** The pod that the caller's token is bound to, as it is now. */
function livePod(caller: Caller, pods: Pods): PodFacts | Denied {
  if (caller.pod === undefined) return refused('the token is not bound to a pod');
  const pod = pods.get(caller.namespace, caller.pod.name);
  if (pod === undefined) return denied(`pod ${caller.namespace}/${caller.pod.name} does not exist`);
  if (pod.uid !== caller.pod.uid) return denied(`pod ${pod.key} is another one now: its UID differs from the token's`);
  if (pod.serviceAccount !== caller.serviceAccount) return denied(`pod ${pod.key} runs as ${pod.serviceAccount}`);
  if (pod.terminal) return denied(`pod ${pod.key} has ended`);
  if (pod.node === '') return denied(`pod ${pod.key} is not on a node`);
  return pod;
}

export type ImpersonationVerdict =
  | {
      readonly allowed: true;
      readonly final: true;
      readonly node: string;
      readonly callerPod: PodFacts;
      readonly forPod: PodFacts;
    }
  | Denied;

/** Whether a certificate for `identity` may go to this caller. */
export function mayImpersonate(
  caller: Caller,
  identity: string,
  o: { readonly trustedAccounts: ReadonlySet<string>; readonly trustDomain: string; readonly pods: Pods },
): ImpersonationVerdict {
  if (!caller.namedCluster) return refused('the caller does not say which cluster it is in');
  const wanted = partsOf(identity);
  if (wanted === undefined) return refused('the identity asked for is not a workload identity');
  if (wanted.trustDomain !== o.trustDomain) return refused(`trust domain ${wanted.trustDomain} is not ours`);
  const node = trustedNode(caller, o.trustedAccounts, o.pods);
  if (!node.allowed) return node;
  let nearest = `no pod of ${wanted.namespace}/${wanted.serviceAccount} is on node ${node.node}`;
  for (const pod of o.pods.onNode(node.node)) {
    if (pod.namespace !== wanted.namespace || pod.serviceAccount !== wanted.serviceAccount) continue;
    if (pod.terminal) nearest = `pod ${pod.key} on node ${node.node} has ended`;
    else if (!pod.enrolled) nearest = `pod ${pod.key} on node ${node.node} is not in the mesh`;
    else return { allowed: true, final: true, node: node.node, callerPod: node.pod, forPod: pod };
  }
  return denied(nearest);
}

function partsOf(identity: string) {
  try {
    return spiffeParts(parseSpiffeId(identity));
  } catch {
    return undefined; // the refusal says it
  }
}

/** By what the caller is or asks for. */
function refused(reason: string): Denied {
  return { allowed: false, final: true, reason };
}

/** By what we know of pods, which may lag. */
function denied(reason: string): Denied {
  return { allowed: false, final: false, reason };
}
