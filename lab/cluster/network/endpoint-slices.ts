/** Keeps the EndpointSlices of Services in step with pods. */
import { isDeepStrictEqual } from 'node:util';
import { type Cache, WorkQueue } from '../machinery/index.ts';
import type { EndpointSlice, Node, Pod, Service } from '../types.ts';
import { MANAGED_BY, MANAGER, planSlices, SERVICE_NAME } from './slice-plan.ts';

export type EndpointSliceDeps = {
  readonly services: Cache<Service>;
  readonly pods: Cache<Pod>;
  readonly nodes: Cache<Node>;
  readonly slices: Cache<EndpointSlice>;
  readonly onProblem: (key: string, error: unknown) => void;
};

export class EndpointSliceController implements AsyncDisposable {
  readonly #deps: EndpointSliceDeps;
  readonly #queue: WorkQueue;

  constructor(deps: EndpointSliceDeps) {
    this.#deps = deps;
    this.#queue = new WorkQueue((key) => this.#reconcile(key), deps.onProblem);
    deps.services.onChange((service) => this.#queue.add(`${service.metadata.namespace}/${service.metadata.name}`));
    deps.slices.onChange((slice) => {
      const service = slice.metadata.labels?.[SERVICE_NAME];
      if (isOurs(slice) && service !== undefined) this.#queue.add(`${slice.metadata.namespace}/${service}`);
    });
    deps.pods.onChange((pod, old) => {
      if (old !== undefined && isSameToServices(pod, old)) return;
      for (const service of deps.services.list()) {
        if (service.metadata.namespace !== pod.metadata.namespace) continue;
        if (selects(service, pod) || (old !== undefined && selects(service, old))) {
          this.#queue.add(`${service.metadata.namespace}/${service.metadata.name}`);
        }
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  async #reconcile(key: string): Promise<undefined> {
    const { services, pods, nodes, slices } = this.#deps;
    const service = services.get(key);
    const [namespace = '', name = ''] = key.split('/');
    const candidates = pods.list().filter((pod) => pod.metadata.namespace === namespace);
    const wanted = service === undefined ? [] : planSlices(service, candidates, (node) => nodes.get(node));
    const present = slices
      .list()
      .filter((slice) => slice.metadata.namespace === namespace && slice.metadata.labels?.[SERVICE_NAME] === name)
      .filter((slice) => isOurs(slice) && slice.metadata.deletionTimestamp === undefined);
    const known = new Map(present.map((slice) => [slice.metadata.name, slice]));
    for (const slice of wanted) {
      const actual = known.get(slice.metadata.name);
      if (actual === undefined) await slices.create(slice);
      else if (!isSame(actual, slice)) await slices.replace(withVersion(slice, actual));
    }
    const names = new Set(wanted.map((slice) => slice.metadata.name));
    for (const slice of present) if (!names.has(slice.metadata.name)) await slices.delete(slice);
  }
}

const isOurs = (slice: EndpointSlice) => slice.metadata.labels?.[MANAGED_BY] === MANAGER;

function selects(service: Service, pod: Pod): boolean {
  const selector = Object.entries(service.spec.selector ?? {});
  return selector.length > 0 && selector.every(([label, value]) => pod.metadata.labels?.[label] === value);
}

/** Pods change often in ways that no service can see. */
function isSameToServices(pod: Pod, old: Pod): boolean {
  const seen = (p: Pod) => [p.metadata.uid, p.metadata.labels, p.metadata.deletionTimestamp, p.spec.nodeName, p.status];
  return isDeepStrictEqual(seen(pod), seen(old));
}

function isSame(actual: EndpointSlice, wanted: EndpointSlice): boolean {
  const said = (slice: EndpointSlice) => [slice.endpoints, slice.ports ?? [], slice.metadata.labels];
  return isDeepStrictEqual(said(actual), said(wanted));
}

/** The wanted slice as a replacement of this very version. */
function withVersion(wanted: EndpointSlice, actual: EndpointSlice): EndpointSlice {
  const { resourceVersion, uid } = actual.metadata;
  return {
    ...wanted,
    metadata: {
      ...wanted.metadata,
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(uid === undefined ? {} : { uid }),
    },
  };
}
