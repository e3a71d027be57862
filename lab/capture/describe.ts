import { readSegment, type Segment, startsTlsRecord } from './frame.ts';

const SHOWN_BYTES = 60;
const TLS_RECORDS: Readonly<Record<number, string>> = {
  20: 'change cipher spec',
  21: 'alert',
  22: 'handshake',
  23: 'application data',
};

/**
 * Describes segments for people, one line each. It remembers which connections began with TLS, so that the middle of a long
 * record is not taken for readable text.
 */
export class Describer {
  readonly #tls = new Set<string>();

  /** Undefined for a frame that is not TCP. */
  line(frame: Uint8Array, timestampUs: number): string | undefined {
    const segment = readSegment(Buffer.from(frame));
    if (segment === undefined) return undefined;
    const time = new Date(timestampUs / 1000).toISOString().slice(11, 23);
    const { src, srcPort, dst, dstPort, flags, payload } = segment;
    return `${time}  ${src}:${srcPort} > ${dst}:${dstPort}  ${flags}  ${payload.length === 0 ? '' : this.#content(segment)}`.trimEnd();
  }

  #content(segment: Segment): string {
    const { payload } = segment;
    const connection = [`${segment.src}:${segment.srcPort}`, `${segment.dst}:${segment.dstPort}`].sort().join(' ');
    if (startsTlsRecord(payload)) {
      if (this.#tls.size > 100_000) this.#tls.clear(); // a capture may run for days
      this.#tls.add(connection);
      return `TLS ${TLS_RECORDS[payload[0] ?? 0]} (${payload.length} bytes)`;
    }
    if (this.#tls.has(connection)) return `TLS, continued (${payload.length} bytes)`;
    const text = payload
      .subarray(0, SHOWN_BYTES)
      .toString('latin1')
      .replace(/[^\x20-\x7e]/g, '.');
    return `PLAINTEXT (${payload.length} bytes) ${text}`;
  }
}
