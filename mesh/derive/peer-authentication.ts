/**
 * PeerAuthentication as policies of ztunnels: STRICT becomes a DENY for peers without identity. Effective modes are inherited
 * from workload to namespace to mesh; inside a tier the oldest object counts; UNSET asks the next tier; DISABLE acts as
 * PERMISSIVE, because a pod of the mesh always accepts tunnels.
 */
import type { KubeObject } from '../kube-object.ts';
import { type Authorization, type AuthorizationRule, authorizationKey, EMPTY_MATCH, type Match } from '../model.ts';
import { createdOf, oldestOf } from './age.ts';
import { readPolicySelector } from './policy-selector.ts';
import { fields, isFields, type Labels } from './read.ts';
import { getOrAdd, SelectorIndex } from './selector.ts';

type Mode = 'UNSET' | 'STRICT' | 'PERMISSIVE';

export type PeerFacts = {
  /** `namespace/name`. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  /** Absent when it holds for its whole namespace (or mesh). */
  readonly selector: Labels | undefined;
  readonly mode: Mode;
  readonly ports: ReadonlyMap<number, Mode>;
  readonly created: string;
  /** What could not be read (a mode is then taken as STRICT) or has no effect. */
  readonly problems: readonly string[];
};

const STATIC_STRICT = 'istio_converted_static_strict';
const DERIVED_PREFIX = 'converted_peer_authentication_';

const SPEC_FIELDS: ReadonlySet<string> = new Set(['selector', 'mtls', 'portLevelMtls']);

export function readPeerAuthentication(object: KubeObject, rootNamespace: string): PeerFacts {
  const { name, namespace = '' } = object.metadata;
  const spec = fields(object['spec']);
  const problems: string[] = [];
  let mode = readMode(spec['mtls'], 'spec.mtls', problems);
  const { ports, demandsMore } = readPorts(spec['portLevelMtls'], problems);
  const unknown = Object.keys(spec).filter((field) => !SPEC_FIELDS.has(field));
  problems.push(...unknown.map((field) => `spec.${field}: unknown field`));
  if (demandsMore || unknown.length > 0) {
    mode = 'STRICT';
    ports.clear();
  }
  const written = readPolicySelector(spec['selector']);
  if (written.kind === 'unreadable') {
    problems.push(written.problem);
    if (mode !== 'STRICT') mode = 'UNSET'; // whom it means is not known: it may make stricter, never laxer
    ports.clear();
  }
  const selector = written.kind === 'labels' && Object.keys(written.labels).length > 0 ? written.labels : undefined;
  if (selector === undefined && ports.size > 0)
    problems.push('spec.portLevelMtls: without effect, it needs a selector');
  if (selector !== undefined && namespace === rootNamespace) {
    problems.push('spec.selector: without effect in the root namespace');
  }
  const created = createdOf(object.metadata);
  return { key: `${namespace}/${name}`, name, namespace, selector, mode, ports, created, problems };
}

/** `demandsMore`: something may have been meant to be strict, and nobody can tell which port. */
function readPorts(value: unknown, problems: string[]) {
  const ports = new Map<number, Mode>();
  let demandsMore = false;
  if (value !== undefined && value !== null && !isFields(value)) {
    problems.push('spec.portLevelMtls: not a map of ports');
    demandsMore = true;
  }
  for (const [port, setting] of Object.entries(fields(value))) {
    const mode = readMode(setting, `spec.portLevelMtls.${port}`, problems);
    if (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535) ports.set(Number(port), mode);
    else {
      problems.push(`spec.portLevelMtls: ${JSON.stringify(port)} is no port`);
      demandsMore ||= mode === 'STRICT';
    }
  }
  return { ports, demandsMore };
}

/** A wish for security that can not be read is granted: STRICT. */
function readMode(setting: unknown, path: string, problems: string[]): Mode {
  if (setting === undefined || setting === null) return 'UNSET';
  const { mode = 'UNSET', ...others } = isFields(setting) ? setting : { mode: setting };
  const unknown = Object.keys(others);
  problems.push(...unknown.map((field) => `${path}.${field}: unknown field`));
  if (unknown.length > 0) return 'STRICT';
  if (mode === 'UNSET' || mode === 'STRICT' || mode === 'PERMISSIVE') return mode;
  if (mode === 'DISABLE') return 'PERMISSIVE';
  problems.push(`${path}.mode: ${JSON.stringify(mode)} is no mode`);
  return 'STRICT';
}

/** All PeerAuthentications, and what they mean for one workload. */
export class PeerAuthentications {
  readonly #all = new Map<string, PeerFacts>();
  readonly #wide = new Map<string, Set<PeerFacts>>();
  readonly #selecting = new SelectorIndex<PeerFacts>();
  readonly #rootNamespace: string;

  constructor(rootNamespace: string) {
    this.#rootNamespace = rootNamespace;
  }

  get(key: string): PeerFacts | undefined {
    return this.#all.get(key);
  }

  all(): Iterable<PeerFacts> {
    return this.#all.values();
  }

  set(peer: PeerFacts): void {
    this.remove(peer.key);
    this.#all.set(peer.key, peer);
    if (peer.selector === undefined) getOrAdd(this.#wide, peer.namespace, () => new Set()).add(peer);
    else this.#selecting.add(peer.namespace, peer.selector, peer);
  }

  remove(key: string): void {
    const old = this.#all.get(key);
    if (old === undefined) return;
    this.#all.delete(key);
    if (old.selector !== undefined) this.#selecting.remove(old.namespace, old.selector, old);
    const wide = this.#wide.get(old.namespace);
    wide?.delete(old);
    if (wide?.size === 0) this.#wide.delete(old.namespace);
  }

  /** Exists as soon as any PeerAuthentication does: whoever becomes STRICT refers to it, and it is there already. */
  staticStrict(): Authorization | undefined {
    if (this.#all.size === 0) return undefined;
    return policy(this.#rootNamespace, STATIC_STRICT, [{ clauses: [{ matches: [withoutIdentity({})] }] }]);
  }

  /** The policy of one object with port-level settings; undefined when the static one, or none, says it all. */
  derived(peer: PeerFacts): Authorization | undefined {
    if (peer.selector === undefined || peer.namespace === this.#rootNamespace) return undefined;
    const rules = portRules(this.#isStrict(peer, peer.namespace), peer.ports);
    return rules.length === 0 ? undefined : policy(peer.namespace, DERIVED_PREFIX + peer.name, rules);
  }

  /** Keys of the policies that a workload must name, sorted. */
  references(namespace: string, labels: Labels): readonly string[] {
    const own = oldestOf(namespace === this.#rootNamespace ? [] : this.#selecting.selecting(namespace, labels));
    const derived = own && this.derived(own);
    // The derived policy replaces the static one: of two DENY policies the broader would win over the exception.
    if (derived !== undefined) return [authorizationKey(derived)];
    return this.#isStrict(own, namespace) ? [`${this.#rootNamespace}/${STATIC_STRICT}`] : [];
  }

  /** The object whose mode counts for a workload as a whole; undefined when none says anything. */
  deciding(namespace: string, labels: Labels): PeerFacts | undefined {
    const own = oldestOf(namespace === this.#rootNamespace ? [] : this.#selecting.selecting(namespace, labels));
    return this.#deciding(own, namespace);
  }

  #isStrict(own: PeerFacts | undefined, namespace: string): boolean {
    return this.#deciding(own, namespace)?.mode === 'STRICT';
  }

  #deciding(own: PeerFacts | undefined, namespace: string): PeerFacts | undefined {
    const tiers = [own, oldestOf(this.#wide.get(namespace) ?? []), oldestOf(this.#wide.get(this.#rootNamespace) ?? [])];
    return tiers.find((tier) => tier !== undefined && tier.mode !== 'UNSET');
  }
}

function portRules(isStrict: boolean, modes: ReadonlyMap<number, Mode>): readonly AuthorizationRule[] {
  const having = (mode: Mode) =>
    [...modes]
      .filter(([, m]) => m === mode)
      .map(([port]) => port)
      .sort((a, b) => a - b);
  if (isStrict) {
    const exceptions = having('PERMISSIVE');
    if (exceptions.length === 0) return [];
    const outside = exceptions.map((port) => ({ matches: [{ ...EMPTY_MATCH, notDestinationPorts: [port] }] }));
    return [{ clauses: [{ matches: [withoutIdentity({})] }, ...outside] }];
  }
  return having('STRICT').map((port) => ({ clauses: [{ matches: [withoutIdentity({ destinationPorts: [port] })] }] }));
}

function withoutIdentity(further: Partial<Match>): Match {
  return { ...EMPTY_MATCH, notPrincipals: [{ kind: 'presence' }], ...further };
}

function policy(namespace: string, name: string, rules: readonly AuthorizationRule[]): Authorization {
  return { name, namespace, scope: 'WORKLOAD_SELECTOR', action: 'DENY', rules, dryRun: false };
}
