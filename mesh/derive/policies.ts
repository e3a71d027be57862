/** The policies of all objects that are policies, which workloads name them, and whom a changed one concerns. */
import type { KubeObject, KubeObjectRef, MeshConfig } from '../kube-object.ts';
import type { Authorization } from '../model.ts';
import { type PolicyReading, readAuthorizationPolicy } from './authorization-policy.ts';
import { isEqual } from './equal.ts';
import type { Condition, Outputs } from './outputs.ts';
import { PeerAuthentications, type PeerFacts, readPeerAuthentication } from './peer-authentication.ts';
import type { Labels } from './read.ts';
import { SelectorIndex } from './selector.ts';

const ZTUNNEL_ACCEPTED = 'ZtunnelAccepted';

/** Told whose list of policies may have changed; without namespace, those of all. */
export type MarkSelected = (namespace: string | undefined, selector: Labels) => void;

type HeldPolicy = { readonly object: KubeObject; readonly reading: PolicyReading };

export class Policies {
  #config: MeshConfig;
  readonly #outputs: Outputs;
  readonly #mark: MarkSelected;
  readonly #policies = new Map<string, HeldPolicy>();
  #policySelectors = new SelectorIndex<string>();
  readonly #peerObjects = new Map<string, KubeObject>();
  #peers: PeerAuthentications;
  readonly #dirty = { policies: new Set<string>(), peers: new Set<string>() };

  constructor(config: MeshConfig, outputs: Outputs, mark: MarkSelected) {
    this.#config = config;
    this.#outputs = outputs;
    this.#mark = mark;
    this.#peers = new PeerAuthentications(config.rootNamespace);
  }

  /** Reads everything again. */
  reconfigure(config: MeshConfig): void {
    this.#config = config;
    this.#policySelectors = new SelectorIndex();
    for (const [key, { object }] of this.#policies) this.#holdPolicy(key, object);
    this.#peers = new PeerAuthentications(config.rootNamespace);
    for (const [key, object] of this.#peerObjects) this.#holdPeer(key, object);
    for (const key of this.#policies.keys()) this.#dirty.policies.add(key);
    for (const key of this.#peerObjects.keys()) this.#dirty.peers.add(key);
  }

  notePolicy(key: string, ref: KubeObjectRef, object: KubeObject | undefined): void {
    const old = selectorOf(this.#policies.get(key)?.reading);
    const { namespace = '' } = ref.metadata;
    if (old !== undefined) this.#policySelectors.remove(namespace, old, key);
    if (object === undefined) {
      this.#policies.delete(key);
      this.#outputs.forgetConditions(ref);
    } else this.#holdPolicy(key, object);
    this.#dirty.policies.add(key);
    const next = selectorOf(this.#policies.get(key)?.reading);
    if (isEqual(old, next)) return;
    const where = namespace === this.#config.rootNamespace ? undefined : namespace;
    for (const selector of [old, next]) if (selector !== undefined) this.#mark(where, selector);
  }

  notePeer(key: string, ref: KubeObjectRef, object: KubeObject | undefined): void {
    const old = this.#peers.get(key);
    if (object === undefined) {
      this.#peerObjects.delete(key);
      this.#peers.remove(key);
      this.#outputs.forgetConditions(ref);
    } else this.#holdPeer(key, object);
    this.#dirty.peers.add(key);
    const next = this.#peers.get(key);
    for (const peer of [old, next]) if (peer !== undefined) this.#markUnder(peer);
  }

  /** Policies that a workload with these labels names: by selector only, those that hold wherever they are go unsaid. */
  naming(namespace: string, labels: Labels): readonly string[] {
    const { rootNamespace } = this.#config;
    const selected = [...this.#policySelectors.selecting(namespace, labels)];
    if (namespace !== rootNamespace) selected.push(...this.#policySelectors.selecting(rootNamespace, labels));
    return [...selected.sort(), ...this.#peers.references(namespace, labels)];
  }

  /** What became of an AuthorizationPolicy, by `namespace/name`. */
  reading(key: string): PolicyReading | undefined {
    return this.#policies.get(key)?.reading;
  }

  derive(): void {
    const { policies, peers } = this.#dirty;
    const { authorizations } = this.#outputs;
    for (const key of policies) authorizations.set(`AuthorizationPolicy ${key}`, this.#policyAuthorizations(key));
    for (const key of peers) authorizations.set(`PeerAuthentication ${key}`, this.#peerAuthorizations(key));
    if (peers.size > 0) authorizations.set('PeerAuthentications', some(this.#peers.staticStrict()));
    policies.clear();
    peers.clear();
  }

  #holdPolicy(key: string, object: KubeObject): void {
    const reading = readAuthorizationPolicy(object, this.#config);
    this.#policies.set(key, { object, reading });
    const selector = selectorOf(reading);
    if (selector !== undefined) this.#policySelectors.add(object.metadata.namespace ?? '', selector, key);
    const status = reading.kind === 'elsewhere' ? undefined : reading.status;
    this.#outputs.setCondition(object, ZTUNNEL_ACCEPTED, status);
  }

  #holdPeer(key: string, object: KubeObject): void {
    const peer = readPeerAuthentication(object, this.#config.rootNamespace);
    this.#peerObjects.set(key, object);
    this.#peers.set(peer);
    this.#outputs.setCondition(object, ZTUNNEL_ACCEPTED, peerCondition(peer));
  }

  /** Everything whose effective mode this object may decide. */
  #markUnder(peer: PeerFacts): void {
    const where = peer.namespace === this.#config.rootNamespace ? undefined : peer.namespace;
    if (peer.selector !== undefined) {
      if (where !== undefined) this.#mark(where, peer.selector); // in the root namespace without effect
      return;
    }
    this.#mark(where, {});
    for (const other of this.#peers.all()) {
      if (where === undefined || other.namespace === where) this.#dirty.peers.add(other.key);
    }
  }

  #policyAuthorizations(key: string): readonly Authorization[] {
    const reading = this.#policies.get(key)?.reading;
    return reading?.kind === 'policy' ? [reading.authorization] : [];
  }

  #peerAuthorizations(key: string): readonly Authorization[] {
    const peer = this.#peers.get(key);
    return some(peer && this.#peers.derived(peer));
  }
}

function some<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}

function selectorOf(reading: PolicyReading | undefined): Labels | undefined {
  return reading?.kind === 'policy' ? reading.selector : undefined;
}

function peerCondition({ problems }: PeerFacts): Condition | undefined {
  return problems.length === 0 ? undefined : { status: 'False', reason: 'Invalid', message: problems.join('; ') };
}
