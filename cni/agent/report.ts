/** Who is enrolled on this node, and whether rules stand in any pod: what `ambit uninstall` waits for. */
import { describeFound, findRules, isClean } from '../redirect/index.ts';
import type { DataPlane } from './data-plane.ts';
import type { NetnsFinder } from './netns-finder.ts';

export type EnrolledReport = {
  readonly node: string;
  readonly enrolled: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly complete: boolean;
    /** What of ours stands in its namespace; `unknown` when the namespace is not held. */
    readonly rules: string;
  }[];
  /** Pods of this node in whose namespace rules stand although they are not enrolled, found by looking into all of them. */
  readonly leftovers: readonly { readonly uid: string; readonly netns: string; readonly rules: string }[];
  /** Keys whose enrolment is still being changed. */
  readonly pending: number;
  /** Of these, the ones whose last try failed. */
  readonly failing: readonly { readonly key: string; readonly error: string }[];
};

export async function enrolledReport(o: {
  readonly node: string;
  readonly dataPlane: DataPlane;
  readonly finder: NetnsFinder;
  readonly reconciler: { readonly pending: number; failing(): EnrolledReport['failing'] };
}): Promise<EnrolledReport> {
  const enrolled = await Promise.all(
    o.dataPlane.list().map(async ({ netns, ...pod }) => ({ ...pod, rules: netns ? await rulesIn(netns) : 'unknown' })),
  );
  const uids = new Set(enrolled.map(({ uid }) => uid));
  const leftovers: { uid: string; netns: string; rules: string }[] = [];
  const looked = new Set<bigint>();
  for (const { uid, netns } of o.finder.all()) {
    using held = netns;
    if (uids.has(uid) || looked.has(held.inode)) continue;
    looked.add(held.inode);
    const rules = await rulesIn(held);
    if (rules !== 'none') leftovers.push({ uid, netns: String(held.inode), rules });
  }
  return { node: o.node, enrolled, leftovers, pending: o.reconciler.pending, failing: o.reconciler.failing() };
}

async function rulesIn(netns: Parameters<typeof findRules>[0]): Promise<string> {
  try {
    const found = await findRules(netns);
    return isClean(found) ? 'none' : describeFound(found);
  } catch (error) {
    return `unknown: ${error instanceof Error ? error.message : String(error)}`;
  }
}
