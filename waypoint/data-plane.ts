/** What serves, in this thread or in others, as the rest of the program sees it. */
import type { Receipt } from '../core/telemetry/index.ts';
import type { Rejection, Update } from '../core/xds/index.ts';
import type { RequestRows } from './observe/request-ledger.ts';
import type { TapFilter, TapSink } from './observe/taps.ts';
import type { Plane } from './plane.ts';
import type { Told } from './told.ts';

export interface DataPlane extends AsyncDisposable {
  /** What all of it was told. */
  readonly told: Told;
  /** Where tunnels are accepted; who comes before `open` waits. */
  readonly port: number;
  /** Resolves once every thread has applied it. */
  onUpdate(typeUrl: string, update: Update): readonly Rejection[] | Promise<readonly Rejection[]>;
  /** Begins to accept. */
  open(): Promise<void>;
  /** The latest, newest first. */
  receipts(limit: number): Promise<readonly Receipt[]>;
  receipt(id: string): Promise<Receipt | undefined>;
  /** Who asked what. */
  requests(): Promise<RequestRows>;
  /** Undefined: there are too many already. */
  tap(filter: TapFilter, max: number, sink: TapSink): Disposable | undefined;
  /** Brings the numbers of all threads into the registry. */
  collect(): Promise<void>;
  /** No more streams; what is under way has until the deadline, and is cut then. */
  drain(deadlineMs: number): Promise<void>;
}

/** This thread does it all. */
export function localDataPlane(plane: Plane): DataPlane {
  const { told, receipts, taps, port } = plane;
  return {
    told,
    port,
    onUpdate: (typeUrl, update) => told.onUpdate(typeUrl, update),
    open: async () => plane.open(),
    receipts: async (limit) => receipts.latest(limit),
    receipt: async (id) => receipts.get(id),
    requests: async () => plane.requests(),
    tap: (filter, max, sink) => taps.open(filter, max, sink),
    collect: async () => {},
    drain: (deadlineMs) => plane.drain(deadlineMs),
    [Symbol.asyncDispose]: () => plane[Symbol.asyncDispose](),
  };
}
