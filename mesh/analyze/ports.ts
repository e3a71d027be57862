/** Policies judge the port of the pod. One that is only the port of a service never matches. */
import { readAuthorizationPolicy } from '../derive/authorization-policy.ts';
import { readService } from '../derive/kube-service.ts';
import { fields, type Labels, list, texts } from '../derive/read.ts';
import { getOrAdd } from '../derive/selector.ts';
import type { KubeObject } from '../kube-object.ts';
import { type Finding, finding, refOf, some } from './finding.ts';
import type { AnalyzedPod, World } from './world.ts';

export function* servicePorts(world: World): Generator<Finding> {
  const ports = new PodPorts(world);
  for (const policy of world.objects('security.istio.io/AuthorizationPolicy')) {
    const written = writtenPorts(policy);
    if (written.length === 0) continue;
    const reading = readAuthorizationPolicy(policy, world.config);
    if (reading.kind !== 'policy' || reading.authorization.scope === 'GLOBAL') continue;
    const { served, mapped } = ports.of(reading.authorization.namespace, reading.selector ?? {});
    for (const { port, field } of written) {
      const targets = mapped.get(port);
      if (targets === undefined || served.has(port)) continue;
      yield finding('AMB0107', refOf(policy), {
        field,
        message: `${port} is the port of a service; policies judge the port of the pod, which is ${some([...targets].map(String))}`,
        fix: `write ${some([...targets].map((target) => `"${target}"`))}`,
      });
    }
  }
}

function writtenPorts(policy: KubeObject): readonly { readonly port: number; readonly field: string }[] {
  return list(fields(policy['spec'])['rules']).flatMap((rule, index) =>
    list(fields(rule)['to']).flatMap((entry, number) =>
      texts(fields(fields(entry)['operation'])['ports']).map((port, item) => ({
        port: Number(port),
        field: `spec.rules[${index}].to[${number}].operation.ports[${item}]`,
      })),
    ),
  );
}

type Ports = {
  /** Every port that is known to be a pod's own. */
  readonly served: Set<number>;
  /** Where each port of a service leads. */
  readonly mapped: Map<number, Set<number>>;
};

/** Ports of pods and of the services before them, gathered once. */
class PodPorts {
  readonly #world: World;
  readonly #byPod = new Map<AnalyzedPod, [port: number, target: number][]>();
  readonly #known = new Map<string, Ports>();

  constructor(world: World) {
    this.#world = world;
    for (const object of world.objects('/Service')) {
      const reading = readService(object);
      if (reading.kind !== 'facts' || reading.facts.selector === undefined) continue;
      const { namespace, selector, ports } = reading.facts;
      for (const pod of world.podsSelected(namespace, selector)) {
        for (const { port, target } of ports) {
          const number = typeof target === 'number' ? target : pod.facts.ports.get(target);
          if (number !== undefined) getOrAdd(this.#byPod, pod, () => []).push([port, number]);
        }
      }
    }
  }

  of(namespace: string, selector: Labels): Ports {
    return getOrAdd(this.#known, JSON.stringify([namespace, selector]), () => {
      const ports: Ports = { served: new Set(), mapped: new Map() };
      for (const pod of this.#world.podsSelected(namespace, selector)) this.#addTo(ports, pod);
      return ports;
    });
  }

  #addTo({ served, mapped }: Ports, pod: AnalyzedPod): void {
    for (const port of declaredPorts(pod.object)) served.add(port);
    for (const [port, target] of this.#byPod.get(pod) ?? []) {
      served.add(target);
      getOrAdd(mapped, port, () => new Set()).add(target);
    }
  }
}

/** Ports that the containers of a pod declare, whatever their protocol. */
export function declaredPorts(pod: KubeObject): readonly number[] {
  return list(fields(pod['spec'])['containers']).flatMap((container) =>
    list(fields(container)['ports'])
      .map((port) => fields(port)['containerPort'])
      .filter((port) => typeof port === 'number'),
  );
}
