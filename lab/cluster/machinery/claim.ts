/** Which objects belong to a controller: those it controls, and orphans that its selector finds, which it adopts. */
import type { KubeObject } from '../../../mesh/index.ts';
import { type LabelSelector, matchLabelSelector } from '../../api/pure/index.ts';
import type { Cache } from './cache.ts';
import { controllerOf, controllerReference, isControlledBy } from './owners.ts';

export type Selecting = KubeObject & { readonly spec: { readonly selector: LabelSelector } };

const selects = (owner: Selecting, object: KubeObject): boolean =>
  owner.metadata.namespace === object.metadata.namespace &&
  matchLabelSelector(owner.spec.selector, object.metadata.labels ?? {});

/**
 * What `owner` controls, after adopting orphans that it selects and releasing what no longer matches. An owner that is
 * going away claims nothing new.
 */
export async function claim<T extends KubeObject>(cache: Cache<T>, owner: Selecting): Promise<readonly T[]> {
  const isGoing = owner.metadata.deletionTimestamp !== undefined;
  const claimed: T[] = [];
  for (const object of cache.list()) {
    if (isControlledBy(object, owner)) {
      if (isGoing || selects(owner, object)) claimed.push(object);
      else
        await setOwners(
          cache,
          object,
          (object.metadata.ownerReferences ?? []).filter((o) => o.uid !== owner.metadata.uid),
        );
    } else if (!isGoing && isOrphan(object) && selects(owner, object)) {
      const owners = [...(object.metadata.ownerReferences ?? []), controllerReference(owner)];
      claimed.push(await setOwners(cache, object, owners));
    }
  }
  return claimed;
}

/** Keys of the owners that may want an orphan; empty for what somebody controls. */
export function claimants(owners: readonly Selecting[], object: KubeObject): readonly string[] {
  if (!isOrphan(object)) return [];
  return owners
    .filter((owner) => selects(owner, object))
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

const isOrphan = (object: KubeObject): boolean =>
  controllerOf(object) === undefined && object.metadata.deletionTimestamp === undefined;

function setOwners<T extends KubeObject>(cache: Cache<T>, object: T, ownerReferences: readonly unknown[]): Promise<T> {
  const { resourceVersion } = object.metadata;
  return cache.patch(object, { metadata: { resourceVersion, ownerReferences } });
}
