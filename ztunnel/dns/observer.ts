/** What the DNS proxy tells: the seam between it and metrics and log. Nothing here may throw or wait. */
import type { Workload } from '../../mesh/index.ts';
import type { Query } from './wire.ts';

export type Protocol = 'udp' | 'tcp';

/** A question of a pod. */
export type Asking = {
  readonly query: Query;
  readonly protocol: Protocol;
  /** The pod; undefined while the control plane does not know it. */
  readonly client: Workload | undefined;
};

/** Why a message got no answer of its own kind. */
export type DropReason =
  /** No DNS message, or one with a question that can't be read. */
  | 'malformed'
  /** An answer, which nobody had asked for. */
  | 'response'
  /** Something else than a query. */
  | 'opcode'
  /** As many are under way as may be. */
  | 'too-many'
  /** The answer did not fit the socket's buffer. */
  | 'unsent';

export interface DnsObserver {
  asked(asking: Asking): void;
  /** Other name servers were asked; `failed` also when they said that there is no such name. */
  forwarded(asking: Asking, outcome: { readonly failed: boolean; readonly seconds: number }): void;
  /** `result` in words; `endpoints`: records given. */
  answered(asking: Asking, outcome: { readonly result: string; readonly endpoints: number }): void;
  dropped(reason: DropReason): void;
  warn(message: string, fields: Readonly<Record<string, string | number>>): void;
}
