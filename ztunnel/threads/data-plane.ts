/** What carries the pods: the calling thread, or several of their own. The rest of the ztunnel does not know which. */
import type { TlsMaterial } from '../../core/hbone/index.ts';
import type { NetnsRef } from '../../core/net/index.ts';
import type { FlowRow, Receipt } from '../../core/telemetry/index.ts';
import type { DeltaHandlers } from '../../core/xds/index.ts';
import type { SpiffeId } from '../../mesh/index.ts';
import type { PodInfo, PodProxy } from '../data/index.ts';

export type PodConnections = ReturnType<PodProxy['connections']>;

/** A pod that is served, wherever that is. */
export type ServedPod = Pick<PodProxy, 'drain' | 'stopNow'> & {
  connections(): PodConnections | Promise<PodConnections>;
};

export type Flows = { readonly dropped: number; readonly flows: readonly FlowRow[] };

export interface DataPlane extends DeltaHandlers, AsyncDisposable {
  /** Resolves once the pod's listeners are bound. The namespace stays the caller's, open until the pod has stopped. */
  start(info: PodInfo, netns: NetnsRef | undefined): Promise<ServedPod>;
  /** Brings the numbers of all threads into the registry. */
  collect(): void | Promise<void>;
  /** Newest first. */
  receipts(limit: number): readonly Receipt[] | Promise<readonly Receipt[]>;
  receipt(id: string): Receipt | undefined | Promise<Receipt | undefined>;
  flows(): Flows | Promise<Flows>;
  /** A new certificate. */
  renewed(material: TlsMaterial): void;
  /** No pod of this node has the identity any more. */
  forgotten(identity: SpiffeId): void;
}
