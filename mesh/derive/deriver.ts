/**
 * Kubernetes objects in, mesh resources out. A change marks what truly depends on it, and only that is computed again; what
 * comes out equal to before is not sent.
 */
import type { Delta, KubeObject, KubeObjectRef, MeshConfig } from '../kube-object.ts';
import { type Address, type Authorization, type Locality, type ServicePort, serviceKey } from '../model.ts';
import { type PolicyReading, readAuthorizationPolicy } from './authorization-policy.ts';
import { readSlice, sliceWorkloads } from './endpoint-slice.ts';
import { isEqual } from './equal.ts';
import { localityOf, Pods, Services, Slices } from './inputs.ts';
import {
  DISTRIBUTION_ANNOTATION,
  endpointPorts,
  hostnameOf,
  meshService,
  readService,
  type ServiceFacts,
} from './kube-service.ts';
import { Outputs } from './outputs.ts';
import { PeerAuthentications, type PeerFacts, readPeerAuthentication } from './peer-authentication.ts';
import { type PodFacts, podWorkload, readPod } from './pod.ts';
import { type Labels, labelsOf } from './read.ts';
import { SelectorIndex } from './selector.ts';

const ZTUNNEL_ACCEPTED = 'ZtunnelAccepted';
const SERVICE_ACCEPTED = 'ambit.io/Accepted';
const NETWORK_LABEL = 'topology.istio.io/network';

/** What a namespace says about what is in it. */
type NamespaceFacts = { readonly distribution: string | undefined; readonly network: string };
type HeldPolicy = { readonly object: KubeObject; readonly reading: PolicyReading };

export class Deriver {
  #config: MeshConfig;
  readonly #pods = new Pods();
  readonly #services = new Services();
  readonly #slices = new Slices();
  readonly #nodes = new Map<string, Locality>();
  readonly #namespaces = new Map<string, NamespaceFacts>();
  readonly #policies = new Map<string, HeldPolicy>();
  #policySelectors = new SelectorIndex<string>();
  readonly #peerObjects = new Map<string, KubeObject>();
  #peers: PeerAuthentications;
  readonly #outputs = new Outputs();
  readonly #dirty = {
    pods: new Set<string>(),
    services: new Set<string>(),
    slices: new Set<string>(),
    policies: new Set<string>(),
    peers: new Set<string>(),
  };

  constructor(config: MeshConfig) {
    this.#config = config;
    this.#peers = new PeerAuthentications(config.rootNamespace);
  }

  /** All resources that exist now, by resource name. */
  get addresses(): ReadonlyMap<string, Address> {
    return this.#outputs.addresses.held;
  }

  get authorizations(): ReadonlyMap<string, Authorization> {
    return this.#outputs.authorizations.held;
  }

  /** An object is new or changed. Kinds that do not matter here change nothing; bad input yields a condition, never throws. */
  apply(object: KubeObject): Delta {
    this.#note(object, object);
    return this.#derive();
  }

  /** Many at once, as after a first list: the same as one by one, at less cost. */
  applyAll(objects: Iterable<KubeObject>): Delta {
    for (const object of objects) this.#note(object, object);
    return this.#derive();
  }

  /** An object is gone; one that was never seen changes nothing. */
  remove(object: KubeObjectRef): Delta {
    this.#note(object, undefined);
    return this.#derive();
  }

  /** Everything is computed again; only the differences come back. */
  reconfigure(config: MeshConfig): Delta {
    this.#config = config;
    this.#policySelectors = new SelectorIndex();
    for (const [key, { object }] of this.#policies) this.#holdPolicy(key, object);
    this.#peers = new PeerAuthentications(config.rootNamespace);
    for (const [key, object] of this.#peerObjects) this.#holdPeer(key, object);
    this.#everything();
    return this.#derive();
  }

  /** What became of an AuthorizationPolicy, by `namespace/name`. */
  policyReading(key: string): PolicyReading | undefined {
    return this.#policies.get(key)?.reading;
  }

  #note(ref: KubeObjectRef, object: KubeObject | undefined): void {
    const { name, namespace = '' } = ref.metadata;
    if (typeof name !== 'string' || name === '') return;
    const group = ref.apiVersion.includes('/') ? ref.apiVersion.slice(0, ref.apiVersion.indexOf('/')) : '';
    const key = `${namespace}/${name}`;
    switch (`${group}/${ref.kind}`) {
      case '/Pod':
        this.#pods.set(key, object && readPod(object));
        this.#dirty.pods.add(key);
        break;
      case '/Service':
        this.#noteService(key, ref, object);
        break;
      case '/Node':
        this.#noteNode(name, object && localityOf(labelsOf(object.metadata.labels)));
        break;
      case '/Namespace':
        this.#noteNamespace(name, object && namespaceFacts(object));
        break;
      case 'discovery.k8s.io/EndpointSlice':
        this.#noteSlice(key, object);
        break;
      case 'security.istio.io/AuthorizationPolicy':
        this.#notePolicy(key, ref, object);
        break;
      case 'security.istio.io/PeerAuthentication':
        this.#notePeer(key, ref, object);
        break;
      default: // other kinds play no part
    }
  }

  #noteService(key: string, ref: KubeObjectRef, object: KubeObject | undefined): void {
    const old = this.#services.get(key);
    const reading = object && readService(object);
    const next = reading?.kind === 'service' ? reading.service : undefined;
    if (object === undefined) this.#outputs.forgetConditions(ref, SERVICE_ACCEPTED);
    else {
      const problem = reading?.kind === 'invalid' ? reading.problem : undefined;
      const condition =
        problem === undefined ? undefined : ({ status: 'False', reason: 'Invalid', message: problem } as const);
      this.#outputs.setCondition(object, SERVICE_ACCEPTED, condition);
    }
    this.#services.set(key, next);
    this.#dirty.services.add(key);
    for (const slice of this.#slices.ofService(key)) this.#dirty.slices.add(slice.key);
    // Endpoints change only with what they are chosen by and how their ports map.
    const same = old && next && isEqual(old.selector, next.selector) && isEqual(old.ports, next.ports);
    if (same) return;
    for (const service of [old, next]) if (service !== undefined) this.#markEndpoints(service);
  }

  #markEndpoints(service: ServiceFacts): void {
    if (service.selector !== undefined) {
      for (const pod of this.#pods.selected(service.namespace, service.selector)) this.#dirty.pods.add(pod.key);
      return;
    }
    for (const slice of this.#slices.ofService(service.key)) this.#markAll(slice.pods.keys());
  }

  #noteNode(name: string, locality: Locality | undefined): void {
    if (isEqual(this.#nodes.get(name), locality)) return;
    if (locality === undefined) this.#nodes.delete(name);
    else this.#nodes.set(name, locality);
    for (const pod of this.#pods.onNode(name)) this.#dirty.pods.add(pod.key);
  }

  #noteNamespace(name: string, next: NamespaceFacts | undefined): void {
    const old = this.#namespaces.get(name);
    const network = this.#network();
    if (next === undefined) this.#namespaces.delete(name);
    else this.#namespaces.set(name, next);
    if (this.#network() !== network) this.#everything();
    if (old?.distribution === next?.distribution) return;
    for (const service of this.#services.inNamespace(name)) this.#dirty.services.add(service.key);
  }

  #noteSlice(key: string, object: KubeObject | undefined): void {
    const old = this.#slices.get(key);
    const next = object && readSlice(object);
    this.#slices.set(key, next);
    this.#dirty.slices.add(key);
    for (const slice of [old, next]) {
      const service = slice && this.#services.get(slice.service);
      // With a selector, pods join by their labels: their slices repeat what is known already.
      if (service !== undefined && service.selector === undefined) this.#markAll(slice?.pods.keys() ?? []);
    }
  }

  #notePolicy(key: string, ref: KubeObjectRef, object: KubeObject | undefined): void {
    const old = selectorOf(this.#policies.get(key)?.reading);
    const { namespace = '' } = ref.metadata;
    if (old !== undefined) this.#policySelectors.remove(namespace, old, key);
    if (object === undefined) {
      this.#policies.delete(key);
      this.#outputs.forgetConditions(ref, ZTUNNEL_ACCEPTED);
    } else this.#holdPolicy(key, object);
    this.#dirty.policies.add(key);
    const next = selectorOf(this.#policies.get(key)?.reading);
    if (isEqual(old, next)) return;
    const where = namespace === this.#config.rootNamespace ? undefined : namespace;
    for (const selector of [old, next]) {
      if (selector === undefined) continue;
      for (const pod of this.#pods.selected(where, selector)) this.#dirty.pods.add(pod.key);
    }
  }

  #holdPolicy(key: string, object: KubeObject): void {
    const reading = readAuthorizationPolicy(object, this.#config);
    this.#policies.set(key, { object, reading });
    const selector = selectorOf(reading);
    if (selector !== undefined) this.#policySelectors.add(object.metadata.namespace ?? '', selector, key);
    const status = reading.kind === 'elsewhere' ? undefined : reading.status;
    this.#outputs.setCondition(object, ZTUNNEL_ACCEPTED, status);
  }

  #notePeer(key: string, ref: KubeObjectRef, object: KubeObject | undefined): void {
    const old = this.#peers.get(key);
    if (object === undefined) {
      this.#peerObjects.delete(key);
      this.#peers.remove(key);
      this.#outputs.forgetConditions(ref, ZTUNNEL_ACCEPTED);
    } else this.#holdPeer(key, object);
    this.#dirty.peers.add(key);
    const next = this.#peers.get(key);
    for (const peer of [old, next]) if (peer !== undefined) this.#markUnder(peer);
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
      if (where === undefined) return; // without effect there
      for (const pod of this.#pods.selected(where, peer.selector)) this.#dirty.pods.add(pod.key);
      return;
    }
    for (const pod of this.#pods.selected(where, {})) this.#dirty.pods.add(pod.key);
    for (const other of this.#peers.all()) {
      if (where === undefined || other.namespace === where) this.#dirty.peers.add(other.key);
    }
  }

  #markAll(pods: Iterable<string>): void {
    for (const pod of pods) this.#dirty.pods.add(pod);
  }

  #everything(): void {
    this.#markAll(this.#pods.keys());
    for (const key of this.#services.keys()) this.#dirty.services.add(key);
    for (const key of this.#slices.keys()) this.#dirty.slices.add(key);
    for (const key of this.#policies.keys()) this.#dirty.policies.add(key);
    for (const key of this.#peerObjects.keys()) this.#dirty.peers.add(key);
  }

  #derive(): Delta {
    const { pods, services, slices, policies, peers } = this.#dirty;
    const { addresses, authorizations } = this.#outputs;
    for (const key of pods) addresses.set(`Pod ${key}`, this.#podAddresses(key));
    for (const key of services) addresses.set(`Service ${key}`, this.#serviceAddresses(key));
    for (const key of slices) addresses.set(`EndpointSlice ${key}`, this.#sliceAddresses(key));
    for (const key of policies) authorizations.set(`AuthorizationPolicy ${key}`, this.#policyAuthorizations(key));
    for (const key of peers) authorizations.set(`PeerAuthentication ${key}`, this.#peerAuthorizations(key));
    if (peers.size > 0) authorizations.set('PeerAuthentications', some(this.#peers.staticStrict()));
    for (const keys of Object.values(this.#dirty)) keys.clear();
    return this.#outputs.take();
  }

  #podAddresses(key: string): readonly Address[] {
    const pod = this.#pods.get(key);
    const workload =
      pod &&
      podWorkload(pod, {
        config: this.#config,
        network: this.#network(),
        locality: this.#nodes.get(pod.node),
        services: this.#servicesOf(pod),
        authorizationPolicies: this.#policiesOf(pod),
      });
    return workload === undefined ? [] : [{ kind: 'workload', workload }];
  }

  #servicesOf(pod: PodFacts): ReadonlyMap<string, readonly ServicePort[]> {
    const found = [...this.#services.selecting(pod)];
    for (const slice of this.#slices.naming(pod.key)) {
      const service = this.#services.get(slice.service);
      const meant = slice.pods.get(pod.key) ?? '';
      // The slice may still mean an earlier pod of this name.
      if (service !== undefined && service.selector === undefined && (meant === '' || meant === pod.objectUid)) {
        found.push(service);
      }
    }
    const keyed = found.map((service): [string, readonly ServicePort[]] => [
      serviceKey({ namespace: service.namespace, hostname: hostnameOf(service, this.#config) }),
      endpointPorts(service, pod.ports),
    ]);
    return new Map(keyed.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #policiesOf(pod: PodFacts): readonly string[] {
    const { rootNamespace } = this.#config;
    const selected = [...this.#policySelectors.selecting(pod.namespace, pod.labels)];
    if (pod.namespace !== rootNamespace) selected.push(...this.#policySelectors.selecting(rootNamespace, pod.labels));
    return [...selected.sort(), ...this.#peers.references(pod.namespace, pod.labels)];
  }

  #serviceAddresses(key: string): readonly Address[] {
    const service = this.#services.get(key);
    if (service === undefined) return [];
    const inherited = this.#namespaces.get(service.namespace)?.distribution;
    const around = { config: this.#config, network: this.#network(), inherited };
    return [{ kind: 'service', service: meshService(service, around) }];
  }

  #sliceAddresses(key: string): readonly Address[] {
    const slice = this.#slices.get(key);
    const service = slice && this.#services.get(slice.service);
    if (slice === undefined || service === undefined) return [];
    const around = { config: this.#config, network: this.#network() };
    return sliceWorkloads(slice, service, around).map((workload) => ({ kind: 'workload', workload }));
  }

  #policyAuthorizations(key: string): readonly Authorization[] {
    const reading = this.#policies.get(key)?.reading;
    return reading?.kind === 'policy' ? [reading.authorization] : [];
  }

  #peerAuthorizations(key: string): readonly Authorization[] {
    const peer = this.#peers.get(key);
    return some(peer && this.#peers.derived(peer));
  }

  /** The root namespace's label says which network this cluster is; else the configuration does. */
  #network(): string {
    return this.#namespaces.get(this.#config.rootNamespace)?.network || this.#config.network;
  }
}

function some<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}

function namespaceFacts({ metadata }: KubeObject): NamespaceFacts {
  const network = labelsOf(metadata.labels)[NETWORK_LABEL] ?? '';
  return { distribution: labelsOf(metadata.annotations)[DISTRIBUTION_ANNOTATION], network };
}

function selectorOf(reading: PolicyReading | undefined): Labels | undefined {
  return reading?.kind === 'policy' ? reading.selector : undefined;
}

function peerCondition({ problems }: PeerFacts) {
  if (problems.length === 0) return undefined;
  return { status: 'False', reason: 'Invalid', message: problems.join('; ') } as const;
}
