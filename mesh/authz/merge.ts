/** Rows of ledgers that are about one thing, as one. */

export type Row = { readonly count: number; readonly firstSeen: string; readonly lastSeen: string };

/** What was seen may have been allowed and denied by turns, and be told by several proxies. */
export function merged<R extends Row & { readonly service?: string }>(
  rows: readonly R[],
  keyOf: (row: R) => string,
): readonly R[] {
  const byKey = new Map<string, R>();
  for (const row of rows) {
    const key = keyOf(row);
    const known = byKey.get(key);
    byKey.set(key, known === undefined ? row : together(known, row));
  }
  return [...byKey.values()];
}

function together<R extends Row & { readonly service?: string }>(a: R, b: R): R {
  const latest = a.lastSeen >= b.lastSeen ? a : b;
  const [firstSeen = a.firstSeen] = [a.firstSeen, b.firstSeen].sort();
  const service = latest.service || a.service || b.service;
  return { ...latest, ...(service !== undefined && { service }), count: a.count + b.count, firstSeen };
}
