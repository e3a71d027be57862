/** NetworkPolicies as Kubernetes means them: whom they isolate, whom their rules let through, on which ports. */
import { parseIp } from '../address.ts';
import { type CompiledCidr, cidrContains, compileCidr, type NumericIp, numericIp, parseCidr } from '../cidr.ts';
import type { LabelSelector } from '../derive/label-selector.ts';
import { fields, isFields, labelsOf, list, text, texts } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import { type ObjectRef, refOf } from './finding.ts';

export type Direction = 'ingress' | 'egress';

/** Inclusive; a name is a container port's. */
export type PortRange = { readonly first: number; readonly last: number } | { readonly name: string };

export type NetworkPeer =
  | { readonly kind: 'block'; readonly block: CompiledCidr; readonly except: readonly CompiledCidr[] }
  /** Without `namespaces`: pods of the policy's own namespace. */
  | { readonly kind: 'pods'; readonly pods: LabelSelector; readonly namespaces: LabelSelector | undefined };

export type NetworkRule = {
  readonly policy: NetworkPolicy;
  /** In `spec.ingress` or `spec.egress`. */
  readonly index: number;
  /** TCP ports; undefined: all, of every protocol. */
  readonly ports: readonly PortRange[] | undefined;
  /** Undefined: everybody. */
  readonly peers: readonly NetworkPeer[] | undefined;
};

export type NetworkPolicy = {
  readonly ref: ObjectRef;
  readonly namespace: string;
  readonly selector: LabelSelector;
  /** Undefined: says nothing about this direction. */
  readonly ingress: readonly NetworkRule[] | undefined;
  readonly egress: readonly NetworkRule[] | undefined;
};

/** What the API server would refuse is read as selecting, or admitting, nothing. */
export function readNetworkPolicy(object: KubeObject): NetworkPolicy {
  const spec = fields(object['spec']);
  const types = texts(spec['policyTypes']);
  // Without policyTypes: Ingress always, Egress when there are rules for it.
  const isolates = (type: string, byDefault: boolean) => (types.length > 0 ? types.includes(type) : byDefault);
  const policy: { -readonly [K in keyof NetworkPolicy]: NetworkPolicy[K] } = {
    ref: refOf(object),
    namespace: object.metadata.namespace ?? '',
    selector: selectorOf(spec['podSelector']),
    ingress: undefined,
    egress: undefined,
  };
  const rules = (value: unknown, peers: string) => list(value).map((rule, i) => readRule(rule, i, peers, policy));
  if (isolates('Ingress', true)) policy.ingress = rules(spec['ingress'], 'from');
  if (isolates('Egress', list(spec['egress']).length > 0)) policy.egress = rules(spec['egress'], 'to');
  return policy;
}

function readRule(value: unknown, index: number, peersField: string, policy: NetworkPolicy): NetworkRule {
  const rule = fields(value);
  const [ports, peers] = [list(rule['ports']), list(rule[peersField])];
  return {
    policy,
    index,
    ports: ports.length === 0 ? undefined : ports.flatMap(readPort),
    peers: peers.length === 0 ? undefined : peers.flatMap(readPeer),
  };
}

function readPort(value: unknown): readonly PortRange[] {
  const { port, endPort, protocol = 'TCP' } = fields(value);
  if (protocol !== 'TCP') return [];
  if (port === undefined) return [{ first: 1, last: 65_535 }];
  if (typeof port === 'string') return [{ name: port }];
  if (typeof port !== 'number') return [];
  return [{ first: port, last: typeof endPort === 'number' ? endPort : port }];
}

function readPeer(value: unknown): readonly NetworkPeer[] {
  const { ipBlock, podSelector, namespaceSelector } = fields(value);
  if (isFields(ipBlock)) {
    const block = rangeOf(text(ipBlock['cidr']));
    const except = texts(ipBlock['except']).flatMap((range) => rangeOf(range) ?? []);
    return block === undefined ? [] : [{ kind: 'block', block, except }];
  }
  if (podSelector === undefined && namespaceSelector === undefined) return [];
  const namespaces = namespaceSelector === undefined ? undefined : selectorOf(namespaceSelector);
  return [{ kind: 'pods', pods: selectorOf(podSelector), namespaces }];
}

function selectorOf(value: unknown): LabelSelector {
  const { matchLabels, matchExpressions } = fields(value);
  const expressions = list(matchExpressions).map((expression) => {
    const { key, operator, values } = fields(expression);
    return { key: text(key), operator: text(operator) as 'In', values: texts(values) };
  });
  return { matchLabels: labelsOf(matchLabels), matchExpressions: expressions };
}

function rangeOf(written: string): CompiledCidr | undefined {
  const range = parseCidr(written);
  return range && compileCidr(range);
}

/** Whether the rule lets this TCP port through. `named` are the ports of the pod that is called. */
export function admitsPort(rule: NetworkRule, port: number, named?: ReadonlyMap<string, number>): boolean {
  return (
    rule.ports === undefined ||
    rule.ports.some((range) =>
      'name' in range ? named?.get(range.name) === port : range.first <= port && port <= range.last,
    )
  );
}

/** Whether a block admits the address. Plugins differ on whether blocks mean pods at all; here they do. */
export function blockAdmits(peer: NetworkPeer & { readonly kind: 'block' }, ip: NumericIp): boolean {
  return cidrContains(peer.block, ip) && !peer.except.some((range) => cidrContains(range, ip));
}

/** Whether the rule lets an address through that is no pod's. */
export function admitsAddress(rule: NetworkRule, address: string): boolean {
  const ip = parseIp(address);
  if (rule.peers === undefined || ip === undefined) return rule.peers === undefined;
  const numeric = numericIp(ip);
  return rule.peers.some((peer) => peer.kind === 'block' && blockAdmits(peer, numeric));
}
