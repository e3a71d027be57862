/** How long to wait before the next attempt to reach the control plane, by how the last one ended. */
import { status } from '@grpc/grpc-js';
import { rpcStatus } from './rpc.ts';

const INITIAL_MS = 10;
const CAP_MS = 15_000;

/** Why a stream is over: metrics label `reason` of `istio_xds_connection_terminations`. */
export type TerminationReason = 'ConnectionError' | 'Error' | 'Reconnect' | 'Complete';

/** Endings that happen in normal operation: the server restarts, or a connection has reached its age. */
const BENIGN = new Set<status>([status.UNKNOWN, status.CANCELLED, status.DEADLINE_EXCEEDED]);
const BENIGN_TEXT = /transport is closing|received prior goaway/i;

/** Doubles from 10 ms to 15 s without jitter, as the reference does. */
export class Backoff {
  #currentMs = INITIAL_MS;

  /** `connected`: whether the server had answered on this stream; undefined error: the server ended it in good order. */
  after(error: unknown, connected: boolean): { readonly reason: TerminationReason; readonly waitMs: number } {
    if (connected) this.#currentMs = INITIAL_MS;
    if (error === undefined) {
      if (connected) return { reason: 'Complete', waitMs: 0 };
      // A server that ends every stream at once must not be dialled in a tight loop.
      return { reason: 'Complete', waitMs: this.#double() };
    }
    const known = rpcStatus(error);
    const benign =
      known !== undefined &&
      (BENIGN.has(known.code) || (known.code === status.UNAVAILABLE && BENIGN_TEXT.test(known.details)));
    if (benign) {
      this.#currentMs = INITIAL_MS;
      return { reason: 'Reconnect', waitMs: INITIAL_MS };
    }
    return { reason: connected ? 'Error' : 'ConnectionError', waitMs: this.#double() };
  }

  #double(): number {
    this.#currentMs = Math.min(this.#currentMs * 2, CAP_MS);
    return this.#currentMs;
  }
}
