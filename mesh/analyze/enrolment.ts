/** Who is meant to be in the mesh and can not be, or is not. */
import { DEFAULT_EXCLUDED_NAMESPACES } from '../derive/enrolled.ts';
import { type Finding, finding, formatRef, type ObjectRef, podField, some } from './finding.ts';
import type { AnalyzedPod, World } from './world.ts';

const MODE = 'istio.io/dataplane-mode';
const SIDECAR = 'sidecar.istio.io/status';
const INJECTION = 'istio-injection';
const REDIRECTION = 'ambient.istio.io/redirection';

export function* enrolmentProblems(world: World): Generator<Finding> {
  for (const pod of world.pods) {
    const found = podProblem(pod, world);
    if (found !== undefined) yield found;
  }
  yield* uncaptured(world);
  for (const { metadata } of world.objects('/Namespace')) {
    if (!world.isAmbient(metadata.name)) continue;
    const ref: ObjectRef = { kind: 'Namespace', name: metadata.name };
    const field = `metadata.labels["${MODE}"]`;
    if (DEFAULT_EXCLUDED_NAMESPACES.includes(metadata.name)) {
      yield finding('AMB0307', ref, {
        field,
        message: `pods of ${metadata.name} never join the mesh, whatever the label says`,
        fix: `take the label away: kubectl label namespace ${metadata.name} ${MODE}-`,
      });
    }
    if (metadata.labels?.[INJECTION] === 'enabled') {
      yield finding('IST0123', ref, {
        field: `metadata.labels["${INJECTION}"]`,
        message: 'asks for sidecars and for this mesh; a pod that gets a sidecar can not join the mesh',
        fix: `keep one: kubectl label namespace ${metadata.name} ${INJECTION}-`,
      });
    }
  }
}

function podProblem({ object, owner, facts, namespace, labels }: AnalyzedPod, world: World) {
  const annotations = object.metadata.annotations ?? {};
  const asks = labels[MODE] === 'ambient' || (world.isAmbient(namespace) && labels[MODE] !== 'none');
  if (asks && facts.hostNetwork) {
    const own = labels[MODE] === 'ambient';
    return finding('AMB0301', owner, {
      field: podField(owner, 'spec.hostNetwork'),
      message: `is on its host's network and can not join the mesh: its traffic stays in plaintext and has no identity${own ? '' : `, although namespace ${namespace} is in the mesh`}`,
      fix: `give it a network of its own, or say that it stays outside: label it ${MODE}=none`,
    });
  }
  if (asks && Object.hasOwn(annotations, SIDECAR)) {
    return finding('AMB0305', owner, {
      field: `metadata.annotations["${SIDECAR}"]`,
      message: 'has a sidecar and can not join the mesh',
      fix: 'stop injecting sidecars into it (label sidecar.istio.io/inject=false) and restart it',
    });
  }
  return undefined;
}

/** Running pods that should be in the mesh and are not: once for all that belong together. */
function* uncaptured(world: World): Generator<Finding> {
  const late = world.pods.filter(({ object, facts, enrolment }) => {
    const runs = facts.addresses !== undefined && facts.addresses.length > 0 && facts.node !== '';
    return enrolment.enrolled && runs && object.metadata.annotations?.[REDIRECTION] !== 'enabled';
  });
  const groups = Map.groupBy(late, ({ object, owner }) => {
    const isPending = object.metadata.annotations?.[REDIRECTION] === 'pending';
    return `${isPending} ${formatRef(owner)}`;
  });
  for (const pods of groups.values()) {
    const [first] = pods;
    if (first === undefined) continue;
    const { object, owner, enrolment } = first;
    const isPending = object.metadata.annotations?.[REDIRECTION] === 'pending';
    const names = some(pods.map(({ facts }) => `${facts.name} on node ${facts.node}`));
    yield finding('AMB0306', owner, {
      field: `metadata.annotations["${REDIRECTION}"]`,
      message: isPending
        ? `waits for its ztunnel (${names}); its traffic is down`
        : `should be in the mesh, since ${enrolment.because}, and is not (${names}): its traffic is in plaintext`,
      fix: 'look at the agents and ztunnels of these nodes: ambit status',
    });
  }
}

/** Objects for sidecars say nothing in a namespace of this mesh. */
export function* sidecarObjects(world: World): Generator<Finding> {
  for (const kind of ['networking.istio.io/Sidecar', 'networking.istio.io/EnvoyFilter']) {
    for (const { kind: name, metadata } of world.objects(kind)) {
      const { namespace = '' } = metadata;
      if (!world.isAmbient(namespace)) continue;
      yield finding(
        'IST0167',
        { kind: name, namespace, name: metadata.name },
        {
          message: `is about sidecars, and the pods of ${namespace} are in the mesh without any: it has no effect on them`,
          fix: 'take it away, or say what it says with an AuthorizationPolicy',
        },
      );
    }
  }
}

/** Why pods are outside, for people: `a (it uses the host's network), b (...)`. */
export function whyOutside(pods: readonly AnalyzedPod[]): string {
  return some(pods.map(({ owner, enrolment }) => `${owner.name} (${enrolment.because})`));
}
