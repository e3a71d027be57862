/** What a namespace says about all that is in it, and what a node says about where its pods are. */
import type { KubeObject } from '../kube-object.ts';
import type { Locality } from '../model.ts';
import { DISTRIBUTION_ANNOTATION } from './balancing.ts';
import { type Labels, labelsOf, NOTHING, type Reading } from './read.ts';
import { ingressWish, type WaypointWish, waypointWish } from './waypoint-wish.ts';

export type NamespaceFacts = {
  readonly name: string;
  readonly labels: Labels;
  /** Traffic distribution of services that have no word of their own. */
  readonly distribution: string | undefined;
  /** Counts for the root namespace: the network of this cluster; '' when not said. */
  readonly network: string;
  readonly waypoint: WaypointWish | undefined;
  readonly ingress: boolean;
};

export function readNamespace({ metadata }: KubeObject): Reading<NamespaceFacts> {
  const labels = labelsOf(metadata.labels);
  const annotations = labelsOf(metadata.annotations);
  const facts = {
    name: metadata.name,
    labels,
    distribution: annotations[DISTRIBUTION_ANNOTATION],
    network: labels['topology.istio.io/network'] ?? '',
    waypoint: waypointWish(labels, annotations),
    ingress: ingressWish(labels) ?? false,
  };
  return { kind: 'facts', facts };
}

/** Nothing when no label says where it is. */
export function readNode({ metadata }: KubeObject): Reading<Locality> {
  const labels = labelsOf(metadata.labels);
  const region = labels['topology.kubernetes.io/region'] ?? '';
  const zone = labels['topology.kubernetes.io/zone'] ?? '';
  const subzone = labels['topology.istio.io/subzone'] ?? '';
  return region || zone || subzone ? { kind: 'facts', facts: { region, zone, subzone } } : NOTHING;
}
