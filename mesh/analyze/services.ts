/** Services that lead nowhere: no pods, or ports that the pods do not have; and port names that a waypoint can not read. */
import { type KubeServicePort, readService } from '../derive/kube-service.ts';
import { fields, labelsOf, list, text } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import { type Finding, finding, formatRef, refOf, some } from './finding.ts';
import { httpRulesAbout } from './http-rules.ts';
import { declaredPorts } from './ports.ts';
import type { AnalyzedPod, World } from './world.ts';

const USE_WAYPOINT = 'istio.io/use-waypoint';
/** First words of port names that say a protocol (waypoint.md section 1.4). */
const PROTOCOLS = new Set(['http', 'http2', 'https', 'grpc', 'tcp', 'tls', 'udp', 'mongo', 'mysql', 'redis']);

export function* serviceProblems(world: World): Generator<Finding> {
  for (const service of world.objects('/Service')) {
    yield* portNames(service, world);
    const reading = readService(service);
    if (reading.kind !== 'facts' || reading.facts.selector === undefined || isManaged(service)) continue;
    const { namespace, selector, ports } = reading.facts;
    const pods = [...world.podsSelected(namespace, selector)];
    if (pods.length > 0) {
      yield* targetPorts(service, ports, pods);
      continue;
    }
    if (world.pods.length === 0) continue; // services without any workload: nothing to compare with
    const labels = Object.entries(selector).map(([key, value]) => `${key}=${value}`);
    yield finding('AMB0502', refOf(service), {
      field: 'spec.selector',
      message: `no pod of namespace ${namespace} has ${labels.join(', ')}: calls find nobody`,
      fix: 'correct the selector, or start the pods',
    });
  }
}

function* targetPorts(
  service: KubeObject,
  ports: readonly KubeServicePort[],
  pods: readonly AnalyzedPod[],
): Generator<Finding> {
  for (const { port, target, isTcp } of ports) {
    if (!isTcp) continue;
    const lacking = pods.filter((pod) => !serves(pod, target));
    if (lacking.length === 0) continue;
    const index = list(fields(service['spec'])['ports']).findIndex((entry) => fields(entry)['port'] === port);
    const names = pods.flatMap(({ facts }) => [...facts.ports.keys()]);
    const numbers = pods.flatMap(({ object }) => declaredPorts(object).map(String));
    const there = typeof target === 'string' ? names : numbers;
    yield finding(typeof target === 'string' ? 'AMB0501' : 'AMB0504', refOf(service), {
      field: `spec.ports[${index}].targetPort`,
      message: `${target} is no port of ${some(lacking.map(({ owner }) => owner.name))}${there.length === 0 ? '' : `, where there are ${some(there)}`}: calls to port ${port} ${typeof target === 'string' ? 'fail there' : 'may fail there'}`,
      fix:
        typeof target === 'string'
          ? 'correct the name, or name the port of the container so'
          : 'correct the number, or declare the port in the container if it does listen there',
    });
  }
}

/** By name it must be declared; a number is only doubted when the pod declares others and not this one. */
function serves({ object, facts }: AnalyzedPod, target: string | number): boolean {
  if (typeof target === 'string') return facts.ports.has(target);
  const containers = list(fields(object['spec'])['containers']);
  const allDeclare = containers.every((container) => list(fields(container)['ports']).length > 0);
  return containers.length === 0 || !allDeclare || declaredPorts(object).includes(target);
}

/** A gateway's own, made by a controller. */
const isManaged = ({ metadata }: KubeObject) => labelsOf(metadata.labels)['gateway.istio.io/managed'] !== undefined;

/** Where HTTP may be looked at, the protocol must be told from the name (or `appProtocol`). */
function* portNames(service: KubeObject, world: World): Generator<Finding> {
  const { namespace = '', labels } = service.metadata;
  const spec = fields(service['spec']);
  const isExternalName = spec['type'] === 'ExternalName';
  const waypoint = labels?.[USE_WAYPOINT] ?? world.namespaceLabels(namespace)[USE_WAYPOINT];
  if (!isExternalName && (waypoint === undefined || waypoint === 'none')) return;
  if (isManaged(service)) return;
  for (const [index, entry] of list(spec['ports']).entries()) {
    const { name, appProtocol, protocol, port } = fields(entry);
    if (appProtocol !== undefined || protocol === 'UDP') continue;
    if (PROTOCOLS.has(text(name).split('-')[0] ?? '')) continue;
    const rules = isExternalName ? [] : httpRulesAbout(service, world);
    const what = `${JSON.stringify(text(name))} tells no protocol for port ${port}`;
    const guessed =
      'the waypoint has to guess from the first bytes, and who waits for the server to speak waits as well';
    const about =
      rules.length === 0
        ? ''
        : `; ${some(rules.map((rule) => formatRef(refOf(rule))))} hold for it when it looks like HTTP`;
    yield finding(isExternalName ? 'IST0150' : rules.length === 0 ? 'IST0118' : 'AMB0708', refOf(service), {
      field: `spec.ports[${index}].name`,
      message: isExternalName ? `${what}: it is carried as plain TCP` : `${what}: ${guessed}${about}`,
      fix: 'name it PROTOCOL or PROTOCOL-SOMETHING, as in http or grpc-orders, or set appProtocol',
      related: rules.map(refOf),
    });
  }
}
