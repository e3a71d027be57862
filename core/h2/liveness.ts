/** Whether the peer still answers: PINGs in the rhythm of the settings, and its word that it has our SETTINGS. */
import type { H2Settings } from './connection-types.ts';
import { ConnectionFault, H2 } from './faults.ts';

export type LivenessOptions = {
  readonly settings: H2Settings;
  /** Milliseconds, never going back. */
  readonly now: () => number;
  /** Called once each interval: a good time to look around. */
  readonly round: () => void;
  /** Sends a PING with this payload of 8 bytes. */
  readonly ping: (payload: Buffer) => void;
  /** No answer to a PING in time. */
  readonly dead: () => void;
  readonly fault: (fault: ConnectionFault) => void;
};

const PING_BYTES = 8;

/** The first PING after the interval, then the interval after each pong. */
export class Liveness {
  readonly #o: LivenessOptions;
  readonly #startedAt: number;
  #timer: NodeJS.Timeout | undefined;
  #sent = 0;
  #awaitsPong = false;
  #awaitsAck = true;

  constructor(o: LivenessOptions) {
    this.#o = o;
    this.#startedAt = o.now();
    this.#later();
  }

  /** A PING with ACK came. False: nobody had asked for it. */
  pong(payload: Buffer): boolean {
    if (!this.#awaitsPong || !payload.equals(pingPayload(this.#sent))) return false;
    this.#awaitsPong = false;
    this.#later();
    return true;
  }

  /** SETTINGS with ACK came: our only ones. @throws ConnectionFault when there was nothing to acknowledge. */
  settingsTaken(): void {
    if (!this.#awaitsAck) throw new ConnectionFault(H2.PROTOCOL_ERROR, 'SETTINGS acknowledged that we never sent');
    this.#awaitsAck = false;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #later(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#round(), this.#o.settings.pingIntervalMs);
  }

  #round(): void {
    const { now, settings } = this.#o;
    // RFC 9113 section 6.5.3; the deadline of everything else in a handshake.
    if (this.#awaitsAck && now() - this.#startedAt >= settings.handshakeTimeoutMs) {
      this.#o.fault(new ConnectionFault(H2.SETTINGS_TIMEOUT, 'our SETTINGS were never acknowledged'));
      return;
    }
    this.#o.round();
    if (settings.pingTimeoutMs === 0) return void this.#later();
    this.#sent = (this.#sent + 1) >>> 0;
    this.#awaitsPong = true;
    this.#timer = setTimeout(() => this.#o.dead(), settings.pingTimeoutMs);
    this.#o.ping(pingPayload(this.#sent));
  }
}

function pingPayload(n: number): Buffer {
  const payload = Buffer.alloc(PING_BYTES);
  payload.writeUInt32BE(n, PING_BYTES - 4);
  return payload;
}
