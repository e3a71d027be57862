/** What the main thread and a worker ask of each other: name, parameter, result. Messages are copies (structured clone). */
import type { TlsMaterial } from '../../core/hbone/index.ts';
import type { Receipt, SeriesDelta } from '../../core/telemetry/index.ts';
import type { AnySettings, Call } from '../../core/threads/index.ts';
import type { Update } from '../../core/xds/index.ts';
import type { SpiffeId } from '../../mesh/index.ts';
import type { WaypointConfig } from '../config.ts';
import type { RequestRows } from '../observe/request-ledger.ts';
import type { TapFilter } from '../observe/taps.ts';

/** What a worker starts with. */
export type WorkerSettings = AnySettings & {
  readonly config: WaypointConfig;
  /** The log filter in force. */
  readonly levels: string;
};

export type TapAsked = { readonly id: number; readonly filter: TapFilter };

export type WorkerCalls = {
  update: Call<{ readonly typeUrl: string; readonly update: Update }, void>;
  /** The port that it listens on. */
  port: Call<undefined, number>;
  open: Call<undefined, void>;
  drain: Call<number, void>;
  collect: Call<undefined, readonly SeriesDelta[]>;
  requests: Call<undefined, RequestRows>;
  receipts: Call<number, readonly Receipt[]>;
  receipt: Call<string, Receipt | undefined>;
  tap: Call<TapAsked, void>;
  untap: Call<number, void>;
  renewed: Call<TlsMaterial, void>;
  levels: Call<string, void>;
  end: Call<undefined, void>;
};

export type MainCalls = {
  material: Call<SpiffeId, TlsMaterial>;
  /** Log lines, whole and in order. */
  lines: Call<string, void>;
  /** A line of a tap. */
  tapped: Call<{ readonly id: number; readonly line: string }, void>;
};
