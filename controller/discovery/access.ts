/**
 * Who may subscribe to what: wildcard workloads and policies only for the node proxies that we trust; a waypoint gets what it is
 * told itself, and the addresses that this names.
 */
import { type Metadata, status } from '@grpc/grpc-js';
import { type Access, ADDRESS_TYPE, type ClientNode, RpcError, WAYPOINT_TYPE } from '../../core/xds/index.ts';
import type { Address } from '../../mesh/index.ts';
import { type AuthenticatorOptions, authenticate, type Caller } from '../authority/caller.ts';
import { type NodeVerdict, trustedNode, type WaypointVerdict, waypointPod } from '../authority/trust.ts';
import type { PodIndex } from '../kube/pod-index.ts';

export type Subscriber = {
  readonly caller: Caller;
  /** The node that it speaks for. */
  readonly node: NodeVerdict;
  /** The waypoint that it is, where it is no node proxy. */
  readonly waypoint: WaypointVerdict | undefined;
};

/** What a waypoint may have, by the gateway's key. */
export type WaypointScope = {
  /** Whether the gateway exists. */
  exists(gateway: string): boolean;
  /** Whether something that the waypoint is told needs that address resource. */
  needs(gateway: string, addressName: string): boolean;
};

export type AccessOptions = {
  readonly authenticator: AuthenticatorOptions;
  readonly pods: PodIndex;
  readonly trustedAccounts: ReadonlySet<string>;
  readonly informerLagMs: number;
};

/** Proves who opens a stream, and finds the node it speaks for. Throws RpcError UNAUTHENTICATED. */
export async function subscriber(o: AccessOptions, metadata: Metadata, peer: string): Promise<Subscriber> {
  const caller = await authenticate(o.authenticator, metadata, peer);
  const account = `${caller.namespace}/${caller.serviceAccount}`;
  if (!o.trustedAccounts.has(account)) {
    const waypoint = await o.pods.settle(() => waypointPod(caller, o.pods), o.informerLagMs);
    return { caller, node: trustedNode(caller, o.trustedAccounts, o.pods), waypoint };
  }
  const ask = () => trustedNode(caller, o.trustedAccounts, o.pods);
  return { caller, node: await o.pods.settle(ask, o.informerLagMs), waypoint: undefined };
}

/** Throws RpcError INVALID_ARGUMENT for a client that does not say properly what it is. */
export function access(
  { caller, node, waypoint }: Subscriber,
  typeUrl: string,
  claimed: ClientNode,
  scope: WaypointScope,
): Access {
  const problem = nodeIdProblem(claimed.id);
  if (problem !== undefined) throw new RpcError(status.INVALID_ARGUMENT, problem);
  const lie = falseClaim(caller, claimed);
  if (lie !== undefined) return { kind: 'denied', reason: lie };
  if (waypoint?.allowed) return waypointAccess(waypoint, typeUrl, scope);
  if (!node.allowed) return { kind: 'denied', reason: node.reason };
  if (typeUrl === WAYPOINT_TYPE) return { kind: 'denied', reason: 'only a waypoint may ask what it is told' };
  return { kind: 'all' };
}

/** The scope is asked again for each resource: what a waypoint needs changes with what it is told. */
function waypointAccess(
  { gateway, pod }: Extract<WaypointVerdict, { allowed: true }>,
  typeUrl: string,
  scope: WaypointScope,
): Access {
  if (!scope.exists(gateway)) return { kind: 'denied', reason: `there is no Gateway ${gateway}` };
  const own = `${gateway}/`;
  const itself = `//Pod/${pod.key}`; // where it is: what it prefers endpoints by
  switch (typeUrl) {
    case WAYPOINT_TYPE:
      return { kind: 'only', allows: (name) => name === gateway || name.startsWith(own) };
    case ADDRESS_TYPE:
      return { kind: 'only', allows: (name) => scope.needs(gateway, name) || name.endsWith(itself) };
    default:
      return { kind: 'denied', reason: `a waypoint may not ask for ${typeUrl}` };
  }
}

/** For on-demand clients: the workloads of the node that their pod is on, whatever node they claim. */
export function* ownWorkloads({ node }: Subscriber, addresses: ReadonlyMap<string, Address>): Generator<string> {
  if (!node.allowed) return;
  for (const [name, address] of addresses) {
    if (address.kind === 'workload' && address.workload.node === node.node) yield name;
  }
}

const TYPES: ReadonlySet<string> = new Set(['sidecar', 'router', 'waypoint', 'ztunnel', 'agentgateway']);

// controller.md section 6.1: type~address~pod.namespace~domain
function nodeIdProblem(id: string): string | undefined {
  const parts = id.split('~');
  if (parts.length !== 4) return `node id "${id.slice(0, 200)}" does not have four parts`;
  return TYPES.has(parts[0] ?? '') ? undefined : `node id "${id.slice(0, 200)}" is of an unknown type`;
}

// controller.md section 6.4: what the client says of itself must fit its token; what it leaves out fits anything.
function falseClaim(caller: Caller, { metadata }: ClientNode): string | undefined {
  const claims = { NAMESPACE: caller.namespace, SERVICE_ACCOUNT: caller.serviceAccount };
  for (const [name, actual] of Object.entries(claims)) {
    const claimed = metadata[name];
    if (claimed !== undefined && claimed !== '' && claimed !== actual)
      return `the token is not of ${name} ${String(claimed)}`;
  }
  return undefined;
}
