import { bundleVersion, isPublishedBundle } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import { OWNER, OWNER_LABEL } from './bundle.ts';

/** Our label stays on a definition over which somebody has applied the published one: that one is not ours any more. */
export const isOurs = (object: KubeObject): boolean =>
  object.metadata.labels?.[OWNER_LABEL] === OWNER && !isPublishedBundle(object);

const nameOf = (object: KubeObject) =>
  `${object.kind} ${object.metadata.namespace === undefined ? '' : `${object.metadata.namespace}/`}${object.metadata.name}`;

/** Names the versions of a CRD, for people: `v1, v1beta1`. */
export function crdVersions(crd: KubeObject): string {
  const versions = (crd['spec'] as { versions?: { name: string; served?: boolean }[] } | undefined)?.versions ?? [];
  return versions
    .filter((version) => version.served !== false)
    .map((version) => version.name)
    .join(', ');
}

/** What installing would do to one object. */
export type Step =
  | { readonly do: 'create' | 'update'; readonly object: KubeObject; readonly note?: string }
  | { readonly do: 'keep'; readonly object: KubeObject; readonly note: string }
  | { readonly do: 'refuse'; readonly object: KubeObject; readonly note: string };

/**
 * Decides for one object of the bundle. Others' objects are never overwritten: a namespace may belong to somebody else,
 * a CRD of somebody else is used as it is when it serves the version we need (those of Gateway API always), anything else stops
 * the installation.
 */
export function planStep(wanted: KubeObject, present: KubeObject | undefined): Step {
  if (present === undefined) return { do: 'create', object: wanted };
  if (isOurs(present)) return { do: 'update', object: wanted };
  switch (wanted.kind) {
    case 'Namespace':
      return { do: 'keep', object: wanted, note: 'exists already; used as it is' };
    case 'CustomResourceDefinition': {
      const versions = crdVersions(present);
      if (bundleVersion(wanted) !== undefined)
        return { do: 'keep', object: wanted, note: noteOfBundle(present, versions) };
      return versions.split(', ').includes('v1')
        ? { do: 'keep', object: wanted, note: `belongs to another installation (versions ${versions}); used as it is` }
        : {
            do: 'refuse',
            object: wanted,
            note: `belongs to another installation and serves only ${versions || 'no version'}; v1 is needed`,
          };
    }
    default:
      return {
        do: 'refuse',
        object: wanted,
        note: `exists and is not Ambit's (no label ${OWNER_LABEL}=${OWNER}): is another mesh installed here?`,
      };
  }
}

/** Gateway API is everybody's: it is used as it is, and what it lacks is said. */
function noteOfBundle(present: KubeObject, versions: string): string {
  const bundle = `is of Gateway API ${bundleVersion(present) ?? 'of an unknown version'} (versions ${versions}); used as it is`;
  return versions.split(', ').includes('v1') ? bundle : `${bundle}, but v1 is needed: its objects have no effect`;
}

/** One line for a refusal or a note: `Deployment istio-system/istiod exists and is not Ambit's …`. */
export function describeStep(step: Step): string {
  return `${nameOf(step.object)}${step.note === undefined ? '' : ` ${step.note}`}`;
}
