/** Which waypoint the labels of an object or of its namespace name (controller.md section 2.1). */
import type { KubeObject } from '../kube-object.ts';
import { findObject, type Surroundings } from './surroundings.ts';

const NAME = 'istio.io/use-waypoint';
const NAMESPACE = 'istio.io/use-waypoint-namespace';
/** The value that opts out. */
const OPT_OUT = 'none';

export type WaypointReference =
  | { readonly kind: 'none' }
  | { readonly kind: 'named' | 'missing'; readonly gateway: string }
  /** The namespace, whose label might name one, is not known. */
  | { readonly kind: 'unknown' };

export function waypointOf(object: KubeObject, around: Surroundings): WaypointReference {
  const namespace = object.metadata.namespace ?? '';
  const own = object.metadata.labels?.[NAME];
  const holder = own === undefined ? findObject(around, 'Namespace', '', namespace) : object;
  if (holder === undefined) return { kind: 'unknown' };
  const labels = holder?.metadata.labels ?? {};
  const name = labels[NAME] ?? '';
  if (name === '' || name === OPT_OUT) return { kind: 'none' };
  const inNamespace = labels[NAMESPACE] || namespace;
  const gateway = `${inNamespace}/${name}`;
  return findObject(around, 'Gateway', inNamespace, name) === null
    ? { kind: 'missing', gateway }
    : { kind: 'named', gateway };
}
