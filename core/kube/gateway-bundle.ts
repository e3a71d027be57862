/** Whose definitions of Gateway API a cluster has (crds.md section 1.2). */
import type { KubeObject } from '../../mesh/index.ts';

const APPROVAL = 'api-approved.kubernetes.io';
const BUNDLE_VERSION = 'gateway.networking.k8s.io/bundle-version';

/** The API server asks for approval in groups of Kubernetes; our schema is written anew, and nobody has approved it. */
const UNAPPROVED = 'unapproved, written anew after the published API';

/** Of the definitions made here; they agree with the standard channel of that bundle. */
export const BUNDLE_ANNOTATIONS = {
  [APPROVAL]: UNAPPROVED,
  [BUNDLE_VERSION]: 'v1.6.0',
  'gateway.networking.k8s.io/channel': 'standard',
};

/** The bundle that a definition is from; undefined for one that is not of Gateway API. */
export const bundleVersion = (crd: KubeObject): string | undefined => crd.metadata.annotations?.[BUNDLE_VERSION];

/** A definition of Gateway API that is not the one made here: somebody has installed the published bundle, perhaps over ours. */
export const isPublishedBundle = (crd: KubeObject): boolean =>
  bundleVersion(crd) !== undefined && crd.metadata.annotations?.[APPROVAL] !== UNAPPROVED;
