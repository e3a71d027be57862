/** What the main thread and a worker ask of each other: name, parameter, result. Messages are copies (structured clone). */
import type { TlsMaterial } from '../../core/hbone/index.ts';
import type { DescriptorLedger } from '../../core/net/index.ts';
import type { LogFormat, Receipt, SeriesDelta } from '../../core/telemetry/index.ts';
import type { Call } from '../../core/threads/index.ts';
import type { Update } from '../../core/xds/index.ts';
import type { SpiffeId } from '../../mesh/index.ts';
import type { DataConfig, PodInfo } from '../data/index.ts';
import type { DnsConfig } from '../dns/index.ts';
import type { Flows, PodConnections } from './data-plane.ts';

/** What a worker starts with. */
export type WorkerSettings = {
  readonly thread: string;
  readonly data: DataConfig;
  readonly dns: DnsConfig | undefined;
  readonly network: string;
  readonly localNode: string;
  readonly logAllowed: boolean;
  /** CRL_PATH: each thread reads it for itself. */
  readonly crlPath: string | undefined;
  readonly logFormat: LogFormat;
  /** The filter the process was started with, and the one in force. */
  readonly logLevel: string;
  readonly levels: string;
  readonly descriptors: DescriptorLedger;
};

/** A pod and the number of its namespace's descriptor, which is valid in every thread and stays the main thread's. */
export type PodAt = { readonly info: PodInfo; readonly netnsFd: number };

export type WorkerCalls = {
  update: Call<{ readonly typeUrl: string; readonly update: Update }, void>;
  /** Ends the snapshot that a new worker gets. */
  standIns: Call<ReadonlyMap<string, string>, void>;
  start: Call<PodAt, void>;
  drain: Call<{ readonly uid: string; readonly deadlineMs: number }, void>;
  stop: Call<string, void>;
  /** A pod of the node is served from now on, by whichever thread. */
  neighbour: Call<PodAt, void>;
  /** It is not: nobody here uses its namespace once this is answered. */
  neighbourGone: Call<string, void>;
  connections: Call<string, PodConnections>;
  collect: Call<undefined, readonly SeriesDelta[]>;
  receipts: Call<number, readonly Receipt[]>;
  receipt: Call<string, Receipt | undefined>;
  flows: Call<undefined, Flows>;
  renewed: Call<TlsMaterial, void>;
  forgotten: Call<SpiffeId, void>;
  levels: Call<string, void>;
  /** No pod is left; the thread ends. */
  end: Call<undefined, void>;
};

export type MainCalls = {
  material: Call<SpiffeId, TlsMaterial>;
  /** Log lines, whole and in order. */
  lines: Call<string, void>;
};
