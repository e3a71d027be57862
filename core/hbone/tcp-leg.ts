/** A plain TCP connection as a leg. */
import { type TcpConnection, TcpLink } from '../net/index.ts';
import type { Leg, LegEvents, ResetCode } from './leg.ts';
import { LegGate } from './leg-gate.ts';

class TcpLeg implements Leg {
  readonly closed: Promise<void>;
  readonly #link: TcpLink;
  readonly #gate = new LegGate();
  readonly #resolveClosed: () => void;
  #isPaused = false;

  constructor(connection: TcpConnection) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#link = new TcpLink(connection);
    const gate = this.#gate;
    this.#link.deliver({
      data: (view) => gate.data(view),
      drained: () => gate.writable(),
      end: () => gate.end(),
      broken: () => {
        gate.reset('connect-error');
        resolve();
      },
      closed: resolve,
    });
  }

  deliver(to: LegEvents): void {
    this.#gate.deliver(to);
    if (!this.#isPaused) this.#link.resume();
  }

  write(view: Uint8Array): boolean {
    return this.#link.write(view);
  }

  pause(): void {
    this.#isPaused = true;
    this.#link.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#gate.isDelivering) this.#link.resume();
  }

  end(): void {
    if (!this.#gate.isOver) this.#link.end();
  }

  /** TCP has one kind of reset. */
  reset(code: ResetCode): void {
    if (this.#gate.isOver) return;
    this.#gate.reset(code);
    this.#link.reset();
    this.#resolveClosed();
  }
}

/**
 * The leg of a connection that nobody reads yet; it owns the connection. `reset` sends RST whatever the code. A peer's RST is
 * a `reset`; while the leg is paused, or after the peer's FIN, the kernel tells of it only at the next write.
 * @throws KernelError when the connection is closed.
 */
export function tcpLeg(connection: TcpConnection): Leg {
  return new TcpLeg(connection);
}
