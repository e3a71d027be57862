/** Waypoints and targets that are named and do not exist. */
import { fields, type Labels, labelsOf, list, text } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import { nearest } from './edit-distance.ts';
import { type Finding, finding, type ObjectRef, podField, refOf } from './finding.ts';
import type { World } from './world.ts';

const GATEWAY = 'gateway.networking.k8s.io/Gateway';
const HOLDERS = ['/Namespace', '/Service', 'networking.istio.io/ServiceEntry', 'networking.istio.io/WorkloadEntry'];
const POLICIES = [
  'security.istio.io/AuthorizationPolicy',
  'security.istio.io/RequestAuthentication',
  'telemetry.istio.io/Telemetry',
];
const OPT_OUT = 'none';

export function* missingWaypoints(world: World): Generator<Finding> {
  for (const object of HOLDERS.flatMap(world.objects)) {
    const own = object.kind === 'Namespace' ? object.metadata.name : (object.metadata.namespace ?? '');
    yield* named(labelsOf(object.metadata.labels), own, refOf(object), (path) => path, world);
  }
  for (const pod of world.pods) {
    yield* named(pod.labels, pod.namespace, pod.owner, (path) => podField(pod.owner, path), world);
  }
}

function* named(
  labels: Labels,
  own: string,
  ref: ObjectRef,
  place: (path: string) => string,
  world: World,
): Generator<Finding> {
  for (const key of ['istio.io/use-waypoint', 'istio.io/use-waypoint-canary']) {
    const name = labels[key];
    if (name === undefined || name === '' || name === OPT_OUT) continue;
    const namespace = labels[`${key}-namespace`] || own;
    if (world.find(GATEWAY, namespace, name) !== undefined) continue;
    const others = world.objects(GATEWAY).filter(({ metadata }) => metadata.namespace === namespace);
    const near = nearest(
      name,
      others.map(({ metadata }) => metadata.name),
    );
    yield finding('IST0101', ref, {
      field: place(`metadata.labels["${key}"]`),
      message: `there is no waypoint ${namespace}/${name}: calls go without one, or are denied where L7 policies are about them`,
      fix: near === undefined ? `make it, or take the label ${key} away` : `write ${near}`,
    });
  }
}

/** Group of a target as `World.objects` names it; what is not here is for others to judge. */
const TARGETS: Readonly<Record<string, string>> = {
  '/Service': '/Service',
  'core/Service': '/Service',
  'networking.istio.io/ServiceEntry': 'networking.istio.io/ServiceEntry',
  [GATEWAY]: GATEWAY,
};

export function* missingTargets(world: World): Generator<Finding> {
  for (const policy of POLICIES.flatMap(world.objects)) {
    for (const { target, field } of targetsOf(policy)) {
      const kind = TARGETS[`${text(target['group'])}/${text(target['kind'])}`];
      const name = text(target['name']);
      const { namespace = '' } = policy.metadata;
      if (kind === undefined || name === '' || world.find(kind, namespace, name) !== undefined) continue;
      const near = nearest(
        name,
        world
          .objects(kind)
          .filter((o) => o.metadata.namespace === namespace)
          .map((o) => o.metadata.name),
      );
      const elsewhere = world.objects(kind).filter((o) => o.metadata.name === name);
      const [other] = elsewhere;
      const move =
        other === undefined || elsewhere.length > 1
          ? undefined
          : `move the policy to namespace ${other.metadata.namespace}, where ${name} is: a target is in the namespace of its policy`;
      yield finding('IST0101', refOf(policy), {
        field,
        message: `there is no ${text(target['kind'])} ${name} in namespace ${namespace}: the policy is about nothing`,
        fix: near === undefined ? (move ?? 'correct the name, or make what it names') : `write ${near}`,
      });
    }
  }
}

function targetsOf(policy: KubeObject) {
  const spec = fields(policy['spec']);
  const single =
    spec['targetRef'] === undefined ? [] : [{ target: fields(spec['targetRef']), field: 'spec.targetRef' }];
  const several = list(spec['targetRefs']).map((target, i) => ({
    target: fields(target),
    field: `spec.targetRefs[${i}]`,
  }));
  return [...single, ...several];
}
