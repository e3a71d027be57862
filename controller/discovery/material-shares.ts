/** Who gets the places, where more Secrets and ConfigMaps are named than can be followed. */
import { type MaterialRef, materialName } from '../../mesh/index.ts';

/**
 * Of those that are wanted at most so many, in turns: of each namespace the first, then of each the second, and so on, so that
 * none gets more for asking for more. What is `held` comes before what is not, of its namespace, and so do namespaces that
 * have some: nothing changes while wishes don't.
 */
export function sharedOut(
  wanted: ReadonlyMap<string, MaterialRef>,
  held: Iterable<string>,
  most: number,
): ReadonlyMap<string, MaterialRef> {
  if (wanted.size <= most) return wanted;
  const kept = [...held].flatMap((name) => wanted.get(name) ?? []);
  const inOrder = new Map([...kept, ...wanted.values()].map((ref) => [materialName(ref), ref]));
  const byNamespace = Map.groupBy(inOrder, ([, { namespace }]) => namespace);
  const shared = new Map<string, MaterialRef>();
  for (let turn = 0; shared.size < most; turn++) {
    for (const named of byNamespace.values()) {
      const next = named[turn];
      if (next !== undefined && shared.size < most) shared.set(...next);
    }
  }
  return shared;
}
