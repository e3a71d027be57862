/** A plain TCP connection as a leg. */
import { type TcpConnection, TcpLink, type TcpLinkEvents } from '../net/index.ts';
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
    this.#link.deliver(new Telling(this.#gate, resolve));
  }

  deliver(to: LegEvents): void {
    this.#gate.deliver(to);
    if (!this.#isPaused) this.#link.resume();
  }

  write(view: Uint8Array): boolean {
    return this.#link.write(view);
  }

  outlet(): TcpLink | undefined {
    return this.#link.outlet;
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

/** What the link tells, passed on; one object for each connection, and not five closures. */
class Telling implements TcpLinkEvents {
  readonly #gate: LegGate;
  readonly closed: () => void;

  constructor(gate: LegGate, closed: () => void) {
    this.#gate = gate;
    this.closed = closed;
  }

  data(view: Buffer): void {
    this.#gate.data(view);
  }

  outlet(): TcpLink | undefined {
    return this.#gate.outlet();
  }

  passed(bytes: number): void {
    this.#gate.passed(bytes);
  }

  drained(): void {
    this.#gate.writable();
  }

  end(): void {
    this.#gate.end();
  }

  broken(): void {
    this.#gate.reset('connect-error');
    this.closed();
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
