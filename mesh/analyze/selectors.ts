/** Whom policies select: nobody, nobody in the mesh, or a gateway. */
import { fields, type Labels, labelsOf, list } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import { type Finding, finding, refOf, some } from './finding.ts';
import type { AnalyzedPod, World } from './world.ts';

const KINDS = [
  'security.istio.io/AuthorizationPolicy',
  'security.istio.io/PeerAuthentication',
  'security.istio.io/RequestAuthentication',
  'telemetry.istio.io/Telemetry',
];
const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';

export function* selectorProblems(world: World): Generator<Finding> {
  for (const object of KINDS.flatMap(world.objects)) {
    const spec = fields(object['spec']);
    if (spec['targetRef'] !== undefined || list(spec['targetRefs']).length > 0) continue;
    const written = fields(fields(spec['selector'])['matchLabels']);
    const selector = labelsOf(written);
    if (Object.keys(selector).length !== Object.keys(written).length) continue; // validation says so
    yield* problemsOf(object, selector, world);
  }
}

function* problemsOf(object: KubeObject, selector: Labels, world: World): Generator<Finding> {
  const { namespace = '' } = object.metadata;
  const isMeshWide = namespace === world.config.rootNamespace && object.kind !== 'PeerAuthentication';
  const pods = [...world.podsSelected(isMeshWide ? undefined : namespace, selector)];
  const selects = Object.keys(selector).length > 0;
  const field = selects ? 'spec.selector.matchLabels' : undefined;
  if (pods.length === 0) {
    if (!selects || world.pods.length === 0) return; // for a namespace to come; policies without any workload
    yield finding('IST0127', refOf(object), {
      field,
      message: `selects no pod: ${closest(selector, isMeshWide ? undefined : namespace, world)}`,
      fix: 'correct the selector, or take the policy away',
    });
    return;
  }
  const gateways = pods.filter((pod) => pod.labels[GATEWAY_NAME] !== undefined);
  if (selects && gateways.length > 0) {
    yield finding('IST0166', refOf(object), {
      field,
      message: `selects pods of a gateway (${owners(gateways)}), which take policies by targetRefs only`,
      fix: `name the gateway: targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: ${gateways[0]?.labels[GATEWAY_NAME]} }]`,
    });
  }
  if (object.kind === 'RequestAuthentication' || object.kind === 'Telemetry') return;
  if (pods.some(({ enrolment }) => enrolment.enrolled)) return;
  if (!selects && namespace === world.config.rootNamespace) return;
  yield finding('AMB0101', refOf(object), {
    field,
    message: `none of the pods that it is about is in the mesh (${owners(pods)}): nobody enforces it`,
    fix: `bring them in: ambit enroll ${pods[0]?.namespace} --check, then without --check`,
  });
}

function owners(pods: readonly AnalyzedPod[]): string {
  return some(pods.map(({ owner }) => owner.name));
}

/** What the pods say instead: the same label with another value, or none of them at all. */
function closest(selector: Labels, namespace: string | undefined, world: World): string {
  for (const [key, value] of Object.entries(selector)) {
    if (!isEmpty(world.podsSelected(namespace, { [key]: value }))) continue;
    const others = new Set<string>();
    for (const { labels } of world.podsSelected(namespace, {})) {
      const other = labels[key];
      if (other !== undefined) others.add(other);
    }
    if (others.size === 0) return `no pod${there(namespace)} has a label ${key}`;
    return `no pod${there(namespace)} has ${key}=${value}; there are ${some(others)}`;
  }
  return `no pod${there(namespace)} has all of ${Object.entries(selector)
    .map(([k, v]) => `${k}=${v}`)
    .join(', ')}`;
}

function there(namespace: string | undefined): string {
  return namespace === undefined ? '' : ` of namespace ${namespace}`;
}

function isEmpty(items: Iterable<unknown>): boolean {
  for (const _ of items) return false;
  return true;
}
