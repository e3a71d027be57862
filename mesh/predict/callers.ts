/** Who may be meant by FROM: pods as they run, or one that is made up where nothing of the kind runs. */
import type { IpAddress } from '../address.ts';
import type { Workload } from '../model.ts';
import { lookupOf, type Membership, offer } from './lookup.ts';
import type { MeshModel } from './model.ts';
import { type Caller, formatCaller } from './question.ts';

export type PredictedCaller = {
  /** `namespace/name`, or an address. */
  readonly name: string;
  readonly workload: Workload;
  readonly membership: Membership;
  /** Whether its node is known: choosing an endpoint may look at it. */
  readonly isPlaced: boolean;
  /** Whether its addresses are the true ones: policies may look at them. */
  readonly isAddressKnown: boolean;
};

export type Callers =
  | { readonly kind: 'callers'; readonly callers: readonly PredictedCaller[]; readonly note?: string }
  | { readonly kind: 'nobody'; readonly because: string };

export function callersOf(model: MeshModel, caller: Caller): Callers {
  if (caller.kind === 'address') return ofAddress(model, caller.ip);
  if (caller.kind === 'service-account') return ofServiceAccount(model, caller);
  const pods = podsNamed(model, caller);
  if (pods.length > 0) return { kind: 'callers', callers: pods.map((pod) => running(model, pod)) };
  return { kind: 'nobody', because: missingPod(model, caller) };
}

/** The pod of that name; when there is none, the pods of the Deployment or the like of that name. */
export function podsNamed(
  { view, config }: MeshModel,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): readonly Workload[] {
  const exact = view.workloadByUid(`${config.clusterId}//Pod/${namespace}/${name}`);
  if (exact !== undefined) return [exact];
  return byUid([...view.workloads()].filter((w) => w.namespace === namespace && w.workloadName === name));
}

/** The answer must not depend on the order in which objects came. */
function byUid(workloads: readonly Workload[]): readonly Workload[] {
  return workloads.toSorted((a, b) => (a.uid < b.uid ? -1 : 1));
}

/** Why there is no such pod, and what is there. */
export function missingPod(model: MeshModel, wanted: { readonly namespace: string; readonly name: string }): string {
  const { namespace, name } = wanted;
  if (lookupOf(model).pod(namespace, name) !== undefined)
    return `pod ${namespace}/${name} has no address: it does not run`;
  const all = [...model.view.workloads()].filter((w) => w.uid.includes('//Pod/'));
  const elsewhere = all.filter((w) => w.name === name || w.workloadName === name);
  const near = elsewhere.length > 0 ? elsewhere : all.filter((w) => w.namespace === namespace);
  return `no pod ${name} runs in namespace ${namespace}${offer(near.map((w) => `pod/${w.name}.${w.namespace}`))}`;
}

export function running(model: MeshModel, workload: Workload): PredictedCaller {
  const name = `${workload.namespace}/${workload.name}`;
  const lookup = lookupOf(model);
  const isReal = lookup.hasTrueAddress(workload);
  return { name, workload, membership: lookup.membership(workload), isPlaced: isReal, isAddressKnown: isReal };
}

function ofServiceAccount(model: MeshModel, caller: Extract<Caller, { kind: 'service-account' }>): Callers {
  const { namespace, name } = caller;
  const pods = byUid([...model.view.workloads()].filter((w) => w.namespace === namespace && w.serviceAccount === name));
  if (pods.length > 0) return { kind: 'callers', callers: pods.map((pod) => running(model, pod)) };
  const { enrolled, because } = lookupOf(model).enrolledByNamespace(namespace);
  const membership: Membership = { state: enrolled ? 'in' : 'outside', because };
  const workload = madeUp(model, { namespace, serviceAccount: name, tunnelProtocol: enrolled ? 'HBONE' : 'NONE' });
  return {
    kind: 'callers',
    callers: [{ name: formatCaller(caller), workload, membership, isPlaced: false, isAddressKnown: false }],
    note: `no pod runs as service account ${namespace}/${name}: an ordinary pod of that namespace is assumed`,
  };
}

function ofAddress(model: MeshModel, ip: IpAddress): Callers {
  const { view } = model;
  const workload = view.workloadByAddress(view.network, ip);
  if (workload !== undefined) return { kind: 'callers', callers: [running(model, workload)] };
  const service = view.serviceByVip(view.network, ip);
  if (service?.addresses.some(({ address, length }) => address === ip && length === undefined)) {
    return {
      kind: 'nobody',
      because: `${ip} is the address of service ${service.namespace}/${service.name}: nobody calls from it`,
    };
  }
  const host = [...view.workloads()].find((w) => w.networkMode === 'HOST_NETWORK' && w.addresses.includes(ip));
  const because = host
    ? `it is the address of node ${host.node}, and what uses the network of a node has no identity`
    : 'no pod that the mesh knows has this address';
  const outsider = madeUp(model, { name: ip, addresses: [ip], ...(host && { node: host.node }) });
  const membership: Membership = { state: 'outside', because };
  return {
    kind: 'callers',
    callers: [{ name: ip, workload: outsider, membership, isPlaced: host !== undefined, isAddressKnown: true }],
  };
}

function madeUp({ view, config }: MeshModel, known: Partial<Workload>): Workload {
  return {
    uid: '',
    name: '',
    namespace: '',
    addresses: [],
    network: view.network,
    tunnelProtocol: 'NONE',
    trustDomain: config.trustDomain,
    serviceAccount: '',
    node: '',
    canonicalName: '',
    canonicalRevision: '',
    workloadType: 'POD',
    workloadName: '',
    nativeTunnel: false,
    authorizationPolicies: [],
    status: 'HEALTHY',
    clusterId: config.clusterId,
    hostname: '',
    services: new Map(),
    networkMode: 'STANDARD',
    capacity: 1,
    ...known,
  };
}
