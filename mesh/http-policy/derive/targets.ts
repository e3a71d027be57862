/** What a policy for waypoints is attached to (crds.md section 1.3, waypoint.md section 4.2). */
import { type Fields, fields, isFields, list, text } from '../../derive/read.ts';

export type PolicyTargetKind = 'Service' | 'ServiceEntry' | 'Gateway' | 'GatewayClass';

export type PolicyTarget = {
  readonly kind: PolicyTargetKind;
  /** That of the policy; '' for a class. */
  readonly namespace: string;
  readonly name: string;
};

/** The one class whose waypoints are ours. */
export const WAYPOINT_CLASS = 'istio-waypoint';

const GROUPS: Readonly<Record<string, readonly PolicyTargetKind[]>> = {
  '': ['Service'],
  core: ['Service'],
  'networking.istio.io': ['ServiceEntry'],
  'gateway.networking.k8s.io': ['Gateway', 'GatewayClass'],
};

export type TargetsReading = {
  readonly targets: readonly PolicyTarget[];
  /** Entries that attach to nothing, each with path and reason. */
  readonly problems: readonly string[];
};

/** Undefined for a policy that is not for waypoints. */
export function readTargets(spec: Fields, namespace: string, rootNamespace: string): TargetsReading | undefined {
  const { targetRef, targetRefs } = spec;
  const written = [
    ...(isFields(targetRef) ? [{ at: 'spec.targetRef', ref: targetRef as unknown }] : []),
    ...list(targetRefs).map((ref, index) => ({ at: `spec.targetRefs[${index}]`, ref })),
  ];
  if (written.length === 0) return undefined;
  const targets = new Map<string, PolicyTarget>();
  const problems: string[] = [];
  for (const { at, ref } of written) {
    const read = readTarget(fields(ref), namespace, rootNamespace);
    if (typeof read === 'string') problems.push(`${at}: ${read}`);
    else targets.set(targetKey(read), read);
  }
  return { targets: [...targets.values()], problems };
}

function readTarget(ref: Fields, namespace: string, rootNamespace: string): PolicyTarget | string {
  const name = text(ref['name']);
  if (name === '') return 'names nothing';
  const group = text(ref['group']);
  const kind = GROUPS[group]?.find((known) => known === ref['kind']);
  if (kind === undefined)
    return `${text(ref['kind']) || 'nothing'} of group ${JSON.stringify(group)} can not be a target`;
  if (kind === 'GatewayClass') {
    if (name !== WAYPOINT_CLASS) return `only GatewayClass ${WAYPOINT_CLASS} can be a target, not ${name}`;
    if (namespace !== rootNamespace) return `a GatewayClass is a target only from the root namespace ${rootNamespace}`;
    return { kind, namespace: '', name };
  }
  const foreign = text(ref['namespace']);
  if (foreign !== '' && foreign !== namespace) return 'a target is always in the namespace of the policy';
  return { kind, namespace, name };
}

/** One text for each target. */
export function targetKey({ kind, namespace, name }: PolicyTarget): string {
  return `${kind} ${namespace}/${name}`;
}

const GROUP_NAMES: Readonly<Record<PolicyTargetKind, string>> = {
  Service: 'core',
  ServiceEntry: 'networking.istio.io',
  Gateway: 'gateway.networking.k8s.io',
  GatewayClass: 'gateway.networking.k8s.io',
};

/** As conditions name it: `Service.core:app/shop` (controller.md section 3.6). */
export function formatTarget({ kind, namespace, name }: PolicyTarget): string {
  return `${kind}.${GROUP_NAMES[kind]}:${namespace === '' ? name : `${namespace}/${name}`}`;
}
