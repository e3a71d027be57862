/** The one with the fewest pods; the first of several. Throws RangeError when there is none. */
export function emptiest<S extends { readonly pods: { readonly size: number } }>(slots: readonly S[]): S {
  return slots.reduce((best, slot) => (slot.pods.size < best.pods.size ? slot : best), firstOf(slots));
}

function firstOf<S>(slots: readonly S[]): S {
  const [first] = slots;
  if (first === undefined) throw new RangeError('no threads');
  return first;
}
