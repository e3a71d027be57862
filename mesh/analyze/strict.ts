/** STRICT: which pods accept tunnels only, because of which object, and whom that shuts out. */
import { parseIp } from '../address.ts';
import { type PeerFacts, readPeerAuthentication } from '../derive/peer-authentication.ts';
import { fields, labelsOf, list } from '../derive/read.ts';
import { getOrAdd } from '../derive/selector.ts';
import { GATEWAY_NAME_LABEL } from '../derive/waypoints.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Workload } from '../model.ts';
import { evaluate } from '../policy/evaluate.ts';
import { GATEWAY, isWaypoint } from './bindings.ts';
import { whyOutside } from './enrolment.ts';
import { type Finding, finding, formatRef, type ObjectRef, type ObservedFlow, some } from './finding.ts';
import type { AnalyzedPod, World } from './world.ts';

const PEER = 'security.istio.io/PeerAuthentication';
/** Policies that STRICT becomes (controller.md section 3.3). */
const DERIVED = /\/(istio_converted_static_strict$|converted_peer_authentication_)/;
const BYPASS = 'ambient.istio.io/bypass-inbound-capture';

export function* strictProblems(world: World): Generator<Finding> {
  const peers = world.objects(PEER).map((object) => readPeerAuthentication(object, world.config.rootNamespace));
  if (peers.length === 0) return;
  const strict = strictPods(world, peers);
  for (const [peer, pods] of strict) {
    const found = outsiders(world, peer, pods);
    if (found !== undefined) yield found;
    yield* plaintextCallers(world, peer, pods);
  }
  yield* externalServices(world, strict);
}

/** Pods of the mesh that refuse plaintext, on some port at least, by the object that says so. */
function strictPods(world: World, peers: readonly PeerFacts[]): ReadonlyMap<PeerFacts, readonly AnalyzedPod[]> {
  const found = new Map<PeerFacts, AnalyzedPod[]>();
  const inOrder = [...peers].sort((a, b) =>
    a.created === b.created ? (a.key < b.key ? -1 : 1) : a.created < b.created ? -1 : 1,
  );
  const byNamespace = Map.groupBy(inOrder, ({ namespace }) => namespace);
  for (const pod of world.pods) {
    if (!pod.enrolment.enrolled || !workloadOf(world, pod)?.authorizationPolicies.some((key) => DERIVED.test(key)))
      continue;
    const near = byNamespace.get(pod.namespace) ?? [];
    const wide = byNamespace.get(world.config.rootNamespace) ?? [];
    const cause = [
      near.find((peer) => peer.selector !== undefined && selects(peer.selector, pod.labels)),
      near.find((peer) => peer.selector === undefined),
      wide.find((peer) => peer.selector === undefined),
    ].find((peer) => peer !== undefined && (peer.mode === 'STRICT' || [...peer.ports.values()].includes('STRICT')));
    if (cause !== undefined) getOrAdd(found, cause, () => []).push(pod);
  }
  return found;
}

function selects(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

/** What the model holds of a pod; undefined while it has no address. */
export function workloadOf(world: World, pod: AnalyzedPod): Workload | undefined {
  return world.model.view.workloadByUid(`${world.config.clusterId}//Pod/${pod.facts.key}`);
}

const refOfPeer = ({ namespace, name }: PeerFacts): ObjectRef => ({ kind: 'PeerAuthentication', namespace, name });

function outsiders(world: World, peer: PeerFacts, pods: readonly AnalyzedPod[]): Finding | undefined {
  const namespaces = [...new Set(pods.map(({ namespace }) => namespace))];
  const outside = namespaces
    .flatMap(world.podsIn)
    .filter(({ enrolment, namespace }) => !enrolment.enrolled && namespace !== world.config.rootNamespace)
    .filter((pod) => !isOfWaypoint(pod, world));
  if (outside.length === 0) return undefined;
  return finding('AMB0201', refOfPeer(peer), {
    message: `refuses plaintext, and beside the pods that it protects are some outside the mesh, which can not call them: ${whyOutside(outside)}`,
    fix: 'bring them into the mesh, or exempt the ports that they call with mode PERMISSIVE in portLevelMtls',
    related: distinct(outside.map(({ owner }) => owner)),
  });
}

/** Nobody enrols them, and yet they speak with an identity. */
function isOfWaypoint({ namespace, labels }: AnalyzedPod, world: World): boolean {
  const name = labels[GATEWAY_NAME_LABEL];
  const gateway = name === undefined ? undefined : world.find(GATEWAY, namespace, name);
  return gateway !== undefined && isWaypoint(gateway, world);
}

function* plaintextCallers(world: World, peer: PeerFacts, pods: readonly AnalyzedPod[]): Generator<Finding> {
  for (const alike of Map.groupBy(pods, ({ owner }) => formatRef(owner)).values()) {
    const refused = alike.flatMap((pod) => {
      const workload = workloadOf(world, pod);
      if (workload === undefined) return [];
      return plaintextFlowsTo(world, workload.uid).filter((flow) => isRefusedByStrict(world, workload, flow));
    });
    const [pod] = alike;
    if (pod === undefined || refused.length === 0) continue;
    const times = refused.reduce((sum, { count }) => sum + count, 0);
    const last = refused
      .map(({ lastSeen }) => lastSeen)
      .sort()
      .at(-1);
    const ports = some(refused.map(({ port }) => String(port)));
    yield finding('AMB0202', refOfPeer(peer), {
      message: `${some(refused.map(({ source }) => nameOfSource(world, source)))} called ${pod.owner.name} without identity, on port ${ports}, ${times} times, last at ${last}: STRICT refuses that`,
      fix: 'bring the callers into the mesh, or exempt the port with mode PERMISSIVE in portLevelMtls',
      related: [pod.owner],
    });
  }
}

/** Whether a caller without identity is turned away for that, rather than by some other policy. */
export function isRefusedByStrict(
  world: World,
  workload: Workload,
  flow: { readonly source: string; readonly port: number },
): boolean {
  const [from, to] = [parseIp(flow.source), workload.addresses[0]];
  if (from === undefined || to === undefined) return false;
  const scope = world.model.view.policyScope(workload);
  const { verdict, because } = evaluate(scope, { from: { ip: from, port: 0 }, to: { ip: to, port: flow.port } });
  return verdict === 'deny' && typeof because === 'object' && DERIVED.test(because.policy);
}

const byDestination = new WeakMap<readonly ObservedFlow[], ReadonlyMap<string, readonly ObservedFlow[]>>();

/** Flows of the ledger to one workload whose source proved no identity. */
export function plaintextFlowsTo(world: World, uid: string): readonly ObservedFlow[] {
  let grouped = byDestination.get(world.flows);
  if (grouped === undefined) {
    grouped = Map.groupBy(
      world.flows.filter(({ source }) => !source.startsWith('spiffe://')),
      ({ destination }) => destination,
    );
    byDestination.set(world.flows, grouped);
  }
  return grouped.get(uid) ?? [];
}

/** The pod behind an address where one is known. */
export function nameOfSource(world: World, source: string): string {
  const ip = parseIp(source);
  const workload = ip && world.model.view.workloadByAddress(world.config.network, ip);
  if (workload === undefined) return source;
  return workload.networkMode === 'HOST_NETWORK'
    ? `node ${workload.node} (${source})`
    : `${workload.namespace}/${workload.workloadName}`;
}

function* externalServices(world: World, strict: ReadonlyMap<PeerFacts, readonly AnalyzedPod[]>): Generator<Finding> {
  const causes = new Map([...strict].flatMap(([peer, pods]) => pods.map((pod) => [pod, peer] as const)));
  for (const service of world.objects('/Service')) {
    const how = openTo(service);
    const selector = labelsOf(fields(service['spec'])['selector']);
    if (how === undefined || Object.keys(selector).length === 0) continue;
    const { namespace = '', name } = service.metadata;
    for (const pod of world.podsSelected(namespace, selector)) {
      const peer = causes.get(pod);
      if (peer === undefined || pod.object.metadata.annotations?.[BYPASS] === 'true') continue;
      yield finding(
        'AMB0204',
        { kind: 'Service', namespace, name },
        {
          field: how.field,
          message: `is open to callers from outside the cluster (${how.words}), who have no identity: ${refName(peer)} refuses them at ${pod.owner.name}`,
          fix: 'let them in through a gateway that is in the mesh, or exempt the port with mode PERMISSIVE in portLevelMtls',
          related: [refOfPeer(peer), pod.owner],
        },
      );
      break;
    }
  }
}

const refName = (peer: PeerFacts) => `PeerAuthentication ${peer.key}`;

function openTo(service: KubeObject): { readonly field: string; readonly words: string } | undefined {
  const spec = fields(service['spec']);
  const { type } = spec;
  if (type === 'LoadBalancer' || type === 'NodePort') return { field: 'spec.type', words: `type ${type}` };
  return list(spec['externalIPs']).length > 0 ? { field: 'spec.externalIPs', words: 'external addresses' } : undefined;
}

function distinct(refs: readonly ObjectRef[]): readonly ObjectRef[] {
  return [...new Map(refs.map((ref) => [`${ref.kind}/${ref.namespace}/${ref.name}`, ref])).values()];
}
