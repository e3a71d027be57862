/** Who is enrolled on this node, and whether rules stand in any pod: what `ambit uninstall` waits for. */
import type { NetnsRef } from '../../core/net/index.ts';
import { describeFound, findRules, isClean } from '../redirect/index.ts';
import type { DataPlane } from './data-plane.ts';
import type { NetnsFinder } from './netns-finder.ts';
import type { Pod } from './pod.ts';

export type PodReport = {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly enrolled: boolean;
  /** Every step of the enrolment has succeeded. */
  readonly complete: boolean;
  /** Whether anything of ours stands in the pod's namespace; true also when nobody could look. */
  readonly rules: boolean;
  /** What stands there, or why it is not known. */
  readonly found: string;
};

export type EnrolledReport = {
  readonly node: string;
  /** Pods that are enrolled, and pods that are not and hold rules nevertheless, found by looking into every one. */
  readonly pods: readonly PodReport[];
  /** Changes of enrolment that are still under way. */
  readonly pending: number;
  /** Of these, the ones whose last try failed. */
  readonly failing: readonly { readonly key: string; readonly error: string }[];
};

export async function enrolledReport(o: {
  readonly node: string;
  readonly dataPlane: Pick<DataPlane, 'list'>;
  readonly finder: Pick<NetnsFinder, 'all'>;
  /** The pods of this node as the API server has them, for their names. */
  readonly known: readonly Pod[];
  readonly reconciler: { readonly pending: number; failing(): EnrolledReport['failing'] };
}): Promise<EnrolledReport> {
  const pods: PodReport[] = [];
  for (const { netns, ...pod } of o.dataPlane.list()) {
    const unknown = { rules: true, found: 'its network namespace is not known' };
    pods.push({ ...pod, enrolled: true, ...(netns ? await rulesIn(netns) : unknown) });
  }
  const looked = new Set(pods.map(({ uid }) => uid));
  for (const { uid, netns } of o.finder.all()) {
    using held = netns;
    if (looked.has(uid)) continue;
    const { rules, found } = await rulesIn(held);
    if (!rules) continue;
    const { namespace, name } = o.known.find((pod) => pod.uid === uid) ?? { namespace: '', name: uid };
    pods.push({ namespace, name, uid, enrolled: false, complete: false, rules, found });
  }
  return { node: o.node, pods, pending: o.reconciler.pending, failing: o.reconciler.failing() };
}

async function rulesIn(netns: NetnsRef): Promise<{ readonly rules: boolean; readonly found: string }> {
  try {
    const found = await findRules(netns);
    return { rules: !isClean(found), found: describeFound(found) };
  } catch (error) {
    return { rules: true, found: `unknown: ${error instanceof Error ? error.message : String(error)}` };
  }
}
