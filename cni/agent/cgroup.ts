/** Which pod a process belongs to, by its cgroup. */

// cgroupfs writes pod<uid>, systemd pod<uid with underscores>.slice; containerd, docker and cri-o put it in either.
const POD = /pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?![0-9a-f])/g;

/** The uid in a `/proc/PID/cgroup`; undefined when there is none, or when its lines disagree. */
export function podUidOfCgroup(cgroup: string): string | undefined {
  const found = new Set<string>();
  for (const match of cgroup.matchAll(POD)) found.add((match[1] ?? '').replaceAll('_', '-'));
  return found.size === 1 ? [...found][0] : undefined;
}
