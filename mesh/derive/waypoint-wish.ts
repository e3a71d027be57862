/** Which waypoint an object, or a namespace for all that is in it, asks for by its labels (controller.md section 1.10). */
import type { KubeMetadata } from '../kube-object.ts';
import { type Labels, labelsOf } from './read.ts';

const USE = 'istio.io/use-waypoint';
const USE_NAMESPACE = 'istio.io/use-waypoint-namespace';
const CANARY = 'istio.io/use-waypoint-canary';
const CANARY_NAMESPACE = 'istio.io/use-waypoint-canary-namespace';
const CANARY_WEIGHT = 'istio.io/use-waypoint-canary-weight';
const INGRESS = 'istio.io/ingress-use-waypoint';
/** The name that means: none. */
const OPT_OUT = 'none';

/** A gateway's name; without namespace, in that of the object. */
type Reference = { readonly name: string; readonly namespace: string | undefined };

export type WaypointWish = Reference & {
  readonly optOut: boolean;
  readonly canary: (Reference & { readonly weight: string }) | undefined;
};

/** As if it were labelled so: for what can not have a waypoint. */
export const NO_WAYPOINT: WaypointWish = { name: OPT_OUT, namespace: undefined, optOut: true, canary: undefined };

/** Undefined when nothing is said: then the namespace's wish counts. */
export function waypointWish(labels: Labels, annotations?: KubeMetadata['annotations']): WaypointWish | undefined {
  const name = labels[USE];
  if (!name) return undefined;
  const canary = labels[CANARY];
  return {
    name,
    namespace: labels[USE_NAMESPACE] || undefined,
    optOut: name === OPT_OUT,
    canary: canary
      ? {
          name: canary,
          namespace: labels[CANARY_NAMESPACE] || undefined,
          weight: labelsOf(annotations)[CANARY_WEIGHT] ?? '0',
        }
      : undefined,
  };
}

/** `namespace/name` of every gateway that the wish of something in `namespace` is about. */
export function wishedGateways(wish: WaypointWish | undefined, namespace: string): readonly string[] {
  if (wish === undefined || wish.optOut) return [];
  const primary = gatewayKey(wish, namespace);
  return wish.canary === undefined ? [primary] : [primary, gatewayKey(wish.canary, namespace)];
}

export function gatewayKey(reference: Reference, namespace: string): string {
  return `${reference.namespace ?? namespace}/${reference.name}`;
}

const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE: ReadonlySet<string> = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/** Whether ingress gateways send to the waypoint; undefined when nothing readable is said. */
export function ingressWish(labels: Labels): boolean | undefined {
  const written = labels[INGRESS];
  if (written === undefined) return undefined;
  return TRUE.has(written) ? true : FALSE.has(written) ? false : undefined;
}

export const REQUIRE_WAYPOINT = 'ambit.io/require-waypoint';

/** Whether nobody may go around the waypoint where policy hangs on it: so it is, unless an annotation plainly says no. */
export function requireWish(annotations: KubeMetadata['annotations']): boolean {
  return !FALSE.has(labelsOf(annotations)[REQUIRE_WAYPOINT] ?? '');
}
