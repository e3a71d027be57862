/** On which ports the endpoints of a service take its traffic: all of them together. */
import type { ServicePort } from '../model.ts';
import type { Inputs } from './inputs.ts';
import { endpointPorts, machinePorts, type ServiceFacts } from './kube-service.ts';
import type { PodFacts } from './pod.ts';
import type { ServiceEntryFacts } from './service-entry.ts';
import { hostPorts } from './service-entry-resources.ts';
import type { WorkloadEntryFacts } from './workload-entry.ts';

/** TCP only, sorted. Pods count whether or not they run already, so that none is without protection for a moment. */
export function targetPorts(inputs: Inputs, facts: ServiceFacts | ServiceEntryFacts): readonly number[] {
  const ports = new Set<number>();
  for (const { targetPort } of facts.kind === 'Service' ? ofService(inputs, facts) : ofEntry(inputs, facts)) {
    ports.add(targetPort);
  }
  return [...ports].sort((a, b) => a - b);
}

function* ofService(inputs: Inputs, written: ServiceFacts): Generator<ServicePort> {
  const service = { ...written, ports: written.ports.filter(({ isTcp }) => isTcp) };
  const isNumbered = !hangsOnPods(service);
  if (isNumbered) yield* endpointPorts(service, NO_NAMES);
  for (const member of membersOf(inputs, service)) {
    if (member.kind === 'WorkloadEntry') yield* machinePorts(service, member.endpoint.ports);
    else if (!isNumbered) yield* endpointPorts(service, member.ports);
  }
}

function* ofEntry(inputs: Inputs, entry: ServiceEntryFacts): Generator<ServicePort> {
  for (const { ports } of entry.endpoints) yield* hostPorts(entry, ports);
  if (entry.selector === undefined) return;
  for (const member of inputs.selected(entry.namespace, entry.selector)) {
    if (member.kind === 'Pod') yield* hostPorts(entry, member.ports);
    if (member.kind === 'WorkloadEntry') yield* hostPorts(entry, member.endpoint.ports);
  }
}

function* membersOf(
  inputs: Inputs,
  { key, namespace, selector }: ServiceFacts,
): Generator<PodFacts | WorkloadEntryFacts> {
  if (selector !== undefined) {
    for (const member of inputs.selected(namespace, selector)) if (member.kind !== 'ServiceEntry') yield member;
    return;
  }
  for (const slice of inputs.slicesByService.of(key)) {
    for (const name of slice.pods.keys()) {
      const pod = inputs.pods.get(name);
      if (pod !== undefined) yield pod;
    }
  }
}

/** Whether pods have a word in which port it is: else one pod more or less changes nothing, however many there are. */
export function hangsOnPods(facts: ServiceFacts | ServiceEntryFacts): boolean {
  return facts.kind === 'ServiceEntry' || facts.ports.some(({ target }) => typeof target === 'string');
}

const NO_NAMES: ReadonlyMap<string, number> = new Map();
