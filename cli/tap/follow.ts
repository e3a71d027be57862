/** Several waypoints tapped at once, their requests one after the other as they end. */
import type { Cluster } from '../cluster.ts';
import { CliError } from '../errors.ts';
import { HttpStatusError } from '../http-over.ts';
import { parseLine, type TapEntry } from './entry.ts';
import type { TapTarget } from './target.ts';

export type Tapped = TapEntry & { /** `namespace/pod` of the waypoint. */ readonly waypoint: string };

export type Tap = {
  readonly cluster: Cluster;
  readonly target: TapTarget;
  readonly adminPort: number;
  readonly filters: Readonly<Partial<Record<'status' | 'path' | 'method', string | undefined>>>;
  /** Requests in all; undefined for no end. */
  readonly max: number | undefined;
  readonly interrupted: AbortSignal;
  readonly show: (entry: Tapped) => void;
  readonly say: (line: string) => void;
};

/** Until somebody interrupts, or `max` requests were shown. Throws CliError when no waypoint is left to listen to. */
export async function follow(tap: Tap): Promise<void> {
  const { cluster, target, adminPort, max, say } = tap;
  const stop = new AbortController();
  const signal = AbortSignal.any([tap.interrupted, stop.signal]);
  const path = pathOf(tap);
  let shown = 0;
  const take = (entry: Tapped) => {
    if (signal.aborted || target.isMeant?.(entry) === false) return;
    tap.show(entry);
    shown += 1;
    if (shown === max) stop.abort();
  };
  const listen = async (pod: TapTarget['pods'][number]) => {
    const waypoint = `${pod.namespace}/${pod.name}`;
    try {
      for await (const line of cluster.podLines(pod, adminPort, path, signal)) {
        const read = parseLine(line, `waypoint ${waypoint}`);
        if ('lost' in read) say(`waypoint ${waypoint}: ${read.lost} requests are not shown: this reader was too slow`);
        else take({ ...read, waypoint });
      }
      if (!signal.aborted) say(`waypoint ${waypoint} has ended`);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      say(`waypoint ${waypoint} is not heard: ${wordsFor(error)}`);
    }
  };
  try {
    await Promise.all(target.pods.map(listen));
  } finally {
    stop.abort(); // whatever is wrong with one, no port-forward is left
  }
  if (tap.interrupted.aborted || shown === max) return;
  throw new CliError('no waypoint is left to listen to: `ambit waypoint status -A`');
}

function pathOf({ filters, target, max }: Tap): string {
  const { status, path, method } = filters;
  const query = new URLSearchParams({
    ...(target.service !== undefined && { service: target.service }),
    ...(status !== undefined && { status }),
    ...(path !== undefined && { path }),
    ...(method !== undefined && { method }),
    // Whoever leaves out something here counts here.
    ...(max !== undefined && target.isMeant === undefined && { max: String(max) }),
  });
  return query.size === 0 ? '/tap' : `/tap?${query}`;
}

function wordsFor(error: CliError): string {
  if (error instanceof HttpStatusError && error.status === 404) return 'it does not know /tap: is it one of Ambit?';
  return error.message;
}
