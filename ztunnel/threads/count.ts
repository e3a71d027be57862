/** How many threads carry pods: the reference's rule (ztunnel.md section 9). */

export type ThreadSettings = {
  /** ZTUNNEL_WORKER_THREADS: a number, `N%` of the CPUs, 0 for all of them. */
  readonly threads: string | undefined;
  /** `concurrency` of the proxy configuration; 0 for all CPUs. */
  readonly concurrency: number | undefined;
  /** ZTUNNEL_CPU_LIMIT: how many CPUs to count with. */
  readonly cpus: string | undefined;
  /** ZTUNNEL_RESOURCE_CPU_LIMIT and _REQUEST: Kubernetes quantities. */
  readonly limit: string | undefined;
  readonly request: string | undefined;
};

const SHARE = 0.25;
const LEAST = 2;
/** More would be a mistake: each has a view of the whole mesh. */
const MOST = 256;

/** Throws RangeError with what is wrong, in words. `available` are the CPUs of the machine. */
export function workerThreads(settings: ThreadSettings, available: number): number {
  const bounded = (count: number) => Math.min(MOST, Math.max(1, count));
  const cpus = quantity('ZTUNNEL_CPU_LIMIT', settings.cpus) ?? available; // a hint: without a limit it is the whole node
  const limit = quantity('ZTUNNEL_RESOURCE_CPU_LIMIT', settings.limit);
  const request = quantity('ZTUNNEL_RESOURCE_CPU_REQUEST', settings.request) ?? 0;
  const { threads, concurrency } = settings;
  if (threads !== undefined) {
    const match = /^(\d{1,6})(%?)$/.exec(threads);
    if (match === null) throw new RangeError(`ZTUNNEL_WORKER_THREADS="${threads}": not a number and not N%`);
    const count = Number(match[1]);
    if (match[2] === '%') return bounded(Math.ceil((cpus * count) / 100));
    return bounded(count === 0 ? cpus : count);
  }
  if (concurrency !== undefined) return bounded(concurrency === 0 ? cpus : concurrency);
  if (limit !== undefined) return bounded(Math.max(limit, request));
  return bounded(Math.max(Math.ceil(cpus * SHARE), request, LEAST));
}

/** `2`, `1.5` and `500m`, in whole CPUs, rounded up. */
function quantity(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,9}(?:\.\d{1,9})?)(m?)$/.exec(text);
  if (match === null) throw new RangeError(`${name}="${text}": not an amount of CPU`);
  const cpus = Math.ceil(Number(match[1]) / (match[2] === 'm' ? 1_000 : 1));
  return cpus === 0 ? undefined : cpus;
}
