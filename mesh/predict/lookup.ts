/** Objects of a model by name, and what only they (not the mesh's resources) can tell. */
import { type Enrolment, enrolled } from '../derive/enrolled.ts';
import { PeerAuthentications, readPeerAuthentication } from '../derive/peer-authentication.ts';
import { fields, type Labels, labelsOf, text } from '../derive/read.ts';
import { groupOf, type KubeObject } from '../kube-object.ts';
import type { Service, Workload } from '../model.ts';
import type { MeshModel } from './model.ts';

/** On pods whose address is not one that a cluster gave: nothing may be decided by it. */
export const MADE_UP_ADDRESS = 'ambit.io/made-up-address';
const REDIRECTION = 'ambient.istio.io/redirection';
const NO_LABELS: Labels = Object.freeze({});

/** `cut-off`: captured, and no proxy serves it yet. */
export type Membership = { readonly state: 'in' | 'outside' | 'cut-off'; readonly because: string };

export class Lookup {
  readonly #objects = new Map<string, KubeObject>();
  readonly #peers: PeerAuthentications;
  #hasMadeUp = false;

  constructor(objects: Iterable<KubeObject>, rootNamespace: string) {
    this.#peers = new PeerAuthentications(rootNamespace);
    for (const object of objects) {
      const { name, namespace = '' } = object.metadata;
      const group = groupOf(object.apiVersion);
      this.#objects.set(`${group}/${object.kind}/${namespace}/${name}`, object);
      this.#hasMadeUp ||= object.metadata.annotations?.[MADE_UP_ADDRESS] !== undefined;
      if (group === 'security.istio.io' && object.kind === 'PeerAuthentication') {
        this.#peers.set(readPeerAuthentication(object, rootNamespace));
      }
    }
  }

  pod(namespace: string, name: string): KubeObject | undefined {
    return this.#objects.get(`/Pod/${namespace}/${name}`);
  }

  gateway(namespace: string, name: string): KubeObject | undefined {
    return this.#objects.get(`gateway.networking.k8s.io/Gateway/${namespace}/${name}`);
  }

  gatewayClass(name: string): KubeObject | undefined {
    return this.#objects.get(`gateway.networking.k8s.io/GatewayClass//${name}`);
  }

  /** What an ExternalName service stands for; undefined for every other service. */
  externalName(namespace: string, name: string): string | undefined {
    const spec = fields(this.#objects.get(`/Service/${namespace}/${name}`)?.['spec']);
    return spec['type'] === 'ExternalName' ? text(spec['externalName']) || undefined : undefined;
  }

  labelsOfNamespace(namespace: string): Labels {
    const object = this.#objects.get(`/Namespace//${namespace}`);
    return object === undefined ? NO_LABELS : labelsOf(object.metadata.labels);
  }

  /** Whether a pod there without labels of its own would be in the mesh. */
  enrolledByNamespace(namespace: string): Enrolment {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: '', namespace } };
    return enrolled(pod, this.labelsOfNamespace(namespace));
  }

  /** `namespace/name` of the PeerAuthentication that settles whether a workload takes plaintext. */
  strictBy({ namespace, name }: Workload): string | undefined {
    return this.#peers.deciding(namespace, labelsOf(this.pod(namespace, name)?.metadata.labels))?.key;
  }

  /** Whether these are manifests that were completed, not a cluster's objects. */
  get isMadeUp(): boolean {
    return this.#hasMadeUp;
  }

  knowsNamespace(name: string): boolean {
    return this.#objects.has(`/Namespace//${name}`);
  }

  /** Whether its addresses are those that it will have on a cluster. */
  hasTrueAddress({ namespace, name }: Workload): boolean {
    return this.pod(namespace, name)?.metadata.annotations?.[MADE_UP_ADDRESS] === undefined;
  }

  membership(workload: Workload): Membership {
    if (workload.nativeTunnel) return { state: 'in', because: 'it ends tunnels itself' };
    const pod = workload.uid.includes('//Pod/') ? this.pod(workload.namespace, workload.name) : undefined;
    if (pod === undefined) {
      return workload.tunnelProtocol === 'HBONE'
        ? { state: 'in', because: 'it is known to speak HBONE' }
        : { state: 'outside', because: 'it is not known to speak HBONE' };
    }
    const wish = enrolled(pod, this.labelsOfNamespace(workload.namespace));
    const captured = pod.metadata.annotations?.[REDIRECTION];
    if (workload.tunnelProtocol === 'HBONE') {
      return {
        state: 'in',
        because: wish.enrolled ? wish.because : `it has not been taken out yet, although ${wish.because}`,
      };
    }
    if (captured === 'pending') {
      return { state: 'cut-off', because: 'it is captured, and the ztunnel of its node does not serve it yet' };
    }
    return wish.enrolled
      ? { state: 'outside', because: `${wish.because}, but the agent of its node has not brought it in` }
      : { state: 'outside', because: wish.because };
  }
}

const lookups = new WeakMap<MeshModel, Lookup>();

/** Made at the first question about a model. */
export function lookupOf(model: MeshModel): Lookup {
  let lookup = lookups.get(model);
  if (lookup === undefined) {
    lookup = new Lookup(model.objects, model.config.rootNamespace);
    lookups.set(model, lookup);
  }
  return lookup;
}

/** As a question would name it: a ServiceEntry's by its host. */
export function askFor({ name, namespace, hostname }: Service, clusterDomain: string): string {
  const isOfCluster = hostname === `${name}.${namespace}.svc.${clusterDomain}`;
  return isOfCluster ? `svc/${name}.${namespace}` : hostname;
}

/** At most this many names are offered. */
const MAX_OFFERED = 5;

/** ` (there are a, b and 3 more)`, or '' when there is nothing to offer. */
export function offer(names: Iterable<string>): string {
  const sorted = [...new Set(names)].sort();
  if (sorted.length === 0) return '';
  const shown = sorted.slice(0, MAX_OFFERED).join(', ');
  const more = sorted.length - MAX_OFFERED;
  return ` (there ${sorted.length === 1 ? 'is' : 'are'} ${shown}${more > 0 ? ` and ${more} more` : ''})`;
}
