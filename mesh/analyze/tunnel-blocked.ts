/**
 * NetworkPolicies that let a connection through but not the tunnel that carries it: between pods of the mesh every connection
 * arrives on port 15008, whatever the application dialled. Pods that are alike are judged once.
 */
import { numericIp } from '../cidr.ts';
import { HBONE_PORT } from '../decide/way.ts';
import { selectorHolds } from '../derive/label-selector.ts';
import { fields, type Labels, list } from '../derive/read.ts';
import { getOrAdd } from '../derive/selector.ts';
import { type Finding, finding, some } from './finding.ts';
import {
  admitsAddress,
  admitsPort,
  blockAdmits,
  type Direction,
  type NetworkPeer,
  type NetworkPolicy,
  type NetworkRule,
  readNetworkPolicy,
} from './network-policy.ts';
import type { AnalyzedPod, World } from './world.ts';

const KIND = 'networking.k8s.io/NetworkPolicy';
/** What kubelet's probes come from in the mesh (cni.md section 4). */
const PROBE_SOURCE = '169.254.7.127';
const DNS_PORT = 53;

/** Pods of one namespace with the same labels: no selector tells them apart. */
type Alike = {
  readonly namespace: string;
  readonly labels: Labels;
  readonly isEnrolled: boolean;
  readonly pods: readonly AnalyzedPod[];
};

export function* blockedTunnels(world: World): Generator<Finding> {
  const policies = world.objects(KIND).map(readNetworkPolicy);
  if (policies.length === 0) return;
  const network = new Network(world, policies);
  yield* network.blocked('ingress');
  yield* network.blocked('egress');
  yield* network.blockedProbes();
}

class Network {
  readonly #world: World;
  readonly #policies: ReadonlyMap<string, readonly NetworkPolicy[]>;
  readonly #alike: ReadonlyMap<string, readonly Alike[]>;
  readonly #admitted = new Map<NetworkRule, ReadonlySet<Alike>>();

  constructor(world: World, policies: readonly NetworkPolicy[]) {
    this.#world = world;
    this.#policies = Map.groupBy(policies, ({ namespace }) => namespace);
    const groups = new Map<string, AnalyzedPod[]>();
    for (const pod of world.pods) {
      if (pod.facts.hostNetwork) continue; // no NetworkPolicy means them
      const labels = Object.entries(pod.labels).sort(([a], [b]) => (a < b ? -1 : 1));
      getOrAdd(groups, JSON.stringify([pod.namespace, pod.enrolment.enrolled, labels]), () => []).push(pod);
    }
    const alike = [...groups.values()].flatMap((pods): readonly Alike[] => {
      const [first] = pods;
      if (first === undefined) return [];
      return [{ namespace: first.namespace, labels: first.labels, isEnrolled: first.enrolment.enrolled, pods }];
    });
    this.#alike = Map.groupBy(alike, ({ namespace }) => namespace);
  }

  *blocked(direction: Direction): Generator<Finding> {
    const found = new Map<NetworkRule, { readonly of: Set<string>; readonly peers: Set<string> }>();
    const judged = new Map<string, readonly [NetworkRule, readonly Alike[]][]>();
    for (const subject of this.#enrolled()) {
      const rules = this.#rulesFor(subject, direction);
      if (rules === undefined) continue;
      // The same policies judge alike, whoever is behind them.
      const key = [...new Set(rules.map(({ policy }) => policy.ref.name))].join(' ');
      for (const [rule, peers] of getOrAdd(judged, `${subject.namespace} ${key}`, () => this.#cut(rules))) {
        const names = getOrAdd(found, rule, () => ({ of: new Set<string>(), peers: new Set<string>() }));
        for (const name of namesOf([subject])) names.of.add(name);
        for (const name of namesOf(peers)) names.peers.add(name);
      }
    }
    for (const [rule, { of, peers }] of found) yield cutFinding(direction, rule, some(of), some(peers));
  }

  *#enrolled(): Generator<Alike> {
    for (const alike of this.#alike.values()) for (const one of alike) if (one.isEnrolled) yield one;
  }

  /** Undefined: nothing isolates these pods in this direction. */
  #rulesFor({ namespace, labels }: Alike, direction: Direction): readonly NetworkRule[] | undefined {
    const isolating = (this.#policies.get(namespace) ?? []).filter(
      (policy) => policy[direction] !== undefined && selectorHolds(policy.selector, labels),
    );
    return isolating.length === 0 ? undefined : isolating.flatMap((policy) => policy[direction] ?? []);
  }

  /** Rules that let pods of the mesh through on other ports, with those that no rule lets through on the tunnel's. */
  #cut(rules: readonly NetworkRule[]): readonly [NetworkRule, readonly Alike[]][] {
    const forTunnel = rules.filter((rule) => admitsPort(rule, HBONE_PORT));
    if (forTunnel.some(({ peers }) => peers === undefined)) return [];
    const through = new Set(forTunnel.flatMap((rule) => [...this.#admits(rule)]));
    return rules.flatMap((rule): [NetworkRule, readonly Alike[]][] => {
      if (forTunnel.includes(rule) || isDnsOnly(rule)) return [];
      const candidates = rule.peers === undefined ? [...this.#enrolled()] : [...this.#admits(rule)];
      const cut = candidates.filter((peer) => peer.isEnrolled && !through.has(peer));
      return cut.length === 0 ? [] : [[rule, cut]];
    });
  }

  #admits(rule: NetworkRule): ReadonlySet<Alike> {
    return getOrAdd(this.#admitted, rule, () => {
      const admitted = new Set<Alike>();
      for (const peer of rule.peers ?? []) for (const alike of this.#meant(peer, rule)) admitted.add(alike);
      return admitted;
    });
  }

  *#meant(peer: NetworkPeer, rule: NetworkRule): Generator<Alike> {
    for (const [namespace, alike] of this.#alike) {
      if (peer.kind === 'pods') {
        const isMeant =
          peer.namespaces === undefined
            ? namespace === rule.policy.namespace
            : selectorHolds(peer.namespaces, this.#world.namespaceLabels(namespace));
        if (!isMeant) continue;
      }
      for (const one of alike) {
        const isIn =
          peer.kind === 'pods'
            ? selectorHolds(peer.pods, one.labels)
            : one.pods.some(({ facts }) => facts.addresses?.some((ip) => blockAdmits(peer, numericIp(ip))));
        if (isIn) yield one;
      }
    }
  }

  *blockedProbes(): Generator<Finding> {
    const found = new Map<NetworkPolicy, Set<string>>();
    for (const subject of this.#enrolled()) {
      const rules = this.#rulesFor(subject, 'ingress');
      const [pod] = subject.pods;
      if (rules === undefined || pod === undefined) continue;
      const isCut = probePorts(pod).some(
        (port) => !rules.some((rule) => admitsAddress(rule, PROBE_SOURCE) && admitsPort(rule, port, pod.facts.ports)),
      );
      if (!isCut) continue;
      const [policy] = (this.#policies.get(subject.namespace) ?? []).filter(
        (one) => one.ingress !== undefined && selectorHolds(one.selector, subject.labels),
      );
      if (policy !== undefined)
        for (const name of namesOf([subject])) getOrAdd(found, policy, () => new Set()).add(name);
    }
    for (const [{ ref }, names] of found) {
      yield finding('AMB0403', ref, {
        field: 'spec.ingress',
        message: `does not admit ${PROBE_SOURCE}, from which kubelet's probes of ${some(names)} come in the mesh; with network plugins that look at that address the probes fail`,
        fix: `admit it: ingress: [{ from: [{ ipBlock: { cidr: ${PROBE_SOURCE}/32 } }] }]`,
      });
    }
  }
}

function cutFinding(direction: Direction, { policy, index, ports }: NetworkRule, of: string, peers: string): Finding {
  const field = `spec.${direction}[${index}].ports`;
  const port = (ports ?? []).map((range) => ('name' in range ? range.name : rangeText(range))).join(', ');
  const message =
    direction === 'ingress'
      ? `admits ${peers} to port ${port} of ${of}, but not to port ${HBONE_PORT}, where callers of the mesh arrive: they are cut off`
      : `lets ${of} call port ${port} of ${peers}, but not port ${HBONE_PORT}, where the mesh calls: they are cut off`;
  const fix = `add { protocol: TCP, port: ${HBONE_PORT} } to ${field}; which application ports may be called is for an AuthorizationPolicy to say`;
  return finding(direction === 'ingress' ? 'AMB0401' : 'AMB0402', policy.ref, { field, message, fix });
}

const rangeText = ({ first, last }: { first: number; last: number }) =>
  first === last ? `${first}` : `${first}-${last}`;

function namesOf(alike: readonly Alike[]): readonly string[] {
  return alike.flatMap(({ namespace, pods }) => (pods[0] === undefined ? [] : [`${namespace}/${pods[0].owner.name}`]));
}

/** Lookups of names, and rules without any TCP port: nothing that a tunnel would carry. */
function isDnsOnly({ ports }: NetworkRule): boolean {
  return (ports ?? []).every((range) => !('name' in range) && range.first === DNS_PORT && range.last === DNS_PORT);
}

/** Ports that kubelet dials over TCP to see how the pod is. */
function probePorts({ object, facts }: AnalyzedPod): readonly number[] {
  return list(fields(object['spec'])['containers']).flatMap((container) =>
    ['readinessProbe', 'livenessProbe', 'startupProbe'].flatMap((probe) => {
      const { httpGet, tcpSocket, grpc } = fields(fields(container)[probe]);
      const port = fields(httpGet ?? tcpSocket ?? grpc)['port'];
      const number = typeof port === 'string' ? facts.ports.get(port) : port;
      return typeof number === 'number' ? [number] : [];
    }),
  );
}
