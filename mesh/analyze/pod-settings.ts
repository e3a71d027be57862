/** Settings of pods that get in the way of redirection: ports that the mesh takes, and means to change the rules. */
import { fields, list, text, texts } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import { type Finding, finding, podField, some } from './finding.ts';
import type { AnalyzedPod, World } from './world.ts';

/** Bound inside the pod's own namespace (ztunnel.md section 1.1). */
const TAKEN: ReadonlyMap<number, string> = new Map([
  [15_001, 'outbound capture'],
  [15_006, 'inbound capture'],
  [15_008, 'the tunnel'],
  [15_053, 'DNS'],
]);
/** With these a process may change addresses, routes and rules of its namespace. */
const POWERS: ReadonlySet<string> = new Set(['NET_ADMIN', 'SYS_ADMIN', 'ALL']);
const SECONDARY_NETWORKS = 'k8s.v1.cni.cncf.io/networks';
/** Terminates tunnels itself, so the port is its own. */
const NATIVE_TUNNEL = 'networking.istio.io/tunnel';
const OS = 'kubernetes.io/os';

export function* podSettings(world: World): Generator<Finding> {
  for (const pod of world.pods) {
    if (!pod.enrolment.enrolled) continue;
    yield* takenPorts(pod);
    yield* meddlers(pod);
  }
}

function* takenPorts({ object, owner, labels }: AnalyzedPod): Generator<Finding> {
  if (labels[NATIVE_TUNNEL] !== undefined) return;
  for (const [index, container] of containersOf(object)) {
    for (const [number, entry] of list(container['ports']).entries()) {
      const { containerPort } = fields(entry);
      const use = typeof containerPort === 'number' ? TAKEN.get(containerPort) : undefined;
      if (use === undefined) continue;
      yield finding('AMB0602', owner, {
        field: podField(owner, `spec.containers[${index}].ports[${number}].containerPort`),
        message: `listens on ${containerPort}, which the mesh takes in the network of each pod for ${use}: one of the two can not listen`,
        fix: 'let the application listen elsewhere',
      });
    }
  }
}

function* meddlers({ object, owner }: AnalyzedPod): Generator<Finding> {
  const spec = fields(object['spec']);
  if (fields(spec['nodeSelector'])[OS] === 'windows' || fields(spec['os'])['name'] === 'windows') {
    yield finding('AMB0604', owner, {
      field: podField(owner, 'spec.nodeSelector'),
      message: 'runs on Windows, where nothing captures its traffic',
      fix: 'say that it stays outside: label it istio.io/dataplane-mode=none',
    });
  }
  if (object.metadata.annotations?.[SECONDARY_NETWORKS] !== undefined) {
    yield finding('AMB0604', owner, {
      field: podField(owner, `metadata.annotations["${SECONDARY_NETWORKS}"]`),
      message: 'has further networks: what arrives by another interface than the first may pass the mesh by',
      fix: 'keep what must be protected off the further networks',
    });
  }
  for (const [index, container] of containersOf(object)) {
    const security = fields(container['securityContext']);
    const powers = texts(fields(security['capabilities'])['add']).filter((name) =>
      POWERS.has(name.replace(/^CAP_/, '')),
    );
    const has = security['privileged'] === true ? ['privileged'] : powers;
    if (has.length === 0) continue;
    yield finding('AMB0604', owner, {
      field: podField(owner, `spec.containers[${index}].securityContext`),
      message: `${text(container['name']) || 'a container'} may change the network of its pod (${some(has)}): it could undo the redirection, or find its own rules beside those of the mesh`,
      fix: 'take the power away if it is not needed',
    });
  }
}

function containersOf(pod: KubeObject) {
  return list(fields(pod['spec'])['containers']).map((container, index) => [index, fields(container)] as const);
}
