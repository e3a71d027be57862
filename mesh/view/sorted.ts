/** Lists kept in the order of their workloads' uids, so that what is chosen does not depend on the order of arrival. */
import type { Workload } from '../model.ts';

type HasWorkload = { readonly workload: Workload };

/** Adds, or takes the place of the one with the same uid, which is returned. A change costs a search and a move of memory. */
export function put<T extends HasWorkload>(list: T[], item: T): T | undefined {
  const { uid } = item.workload;
  const last = list.at(-1);
  if (last === undefined || last.workload.uid < uid) {
    list.push(item); // what comes in order needs no search
    return undefined;
  }
  const index = position(list, uid);
  const held = list[index];
  if (held?.workload.uid === uid) {
    list[index] = item;
    return held;
  }
  list.splice(index, 0, item);
  return undefined;
}

export function take<T extends HasWorkload>(list: T[], uid: string): T | undefined {
  const index = position(list, uid);
  if (list[index]?.workload.uid !== uid) return undefined;
  return list.splice(index, 1)[0];
}

/** Of the first that is not before `uid`. */
function position(list: readonly HasWorkload[], uid: string): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.workload.uid ?? uid) < uid) low = middle + 1;
    else high = middle;
  }
  return low;
}
