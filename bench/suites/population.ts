/** Workloads that exist only in the control plane, as neighbours far away do. */
import type { Workload } from '../../mesh/index.ts';
import type { ControlPlane } from '../../test/ztunnel/support/control-plane.ts';
import { workload } from '../../test/ztunnel/support/resources.ts';

const MAX_WORKLOADS = 65_536;

/** Numbers `from` up to, not including, `to`: each has an address of its own under 10.200.0.0/16. */
export function strangers(from: number, to: number): Workload[] {
  if (to > MAX_WORKLOADS) throw new Error(`${to} workloads have not all an address`);
  return Array.from({ length: to - from }, (_, i) => {
    const n = from + i;
    return workload({ name: `stranger-${n}`, node: `far-${n % 100}`, ips: [`10.200.${n >> 8}.${n & 255}`] });
  });
}

export function arrive(plane: ControlPlane, workloads: readonly Workload[]): void {
  for (const one of workloads) plane.setWorkload(one);
}

export function leave(plane: ControlPlane, workloads: readonly Workload[]): void {
  for (const one of workloads) plane.removeWorkload(one);
}
