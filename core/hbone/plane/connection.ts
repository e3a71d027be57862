/** One HTTP/2 connection that carries CONNECT streams and nothing else (RFC 9113 section 8.5), for either role. */
import {
  type ConnectionEvents as Events,
  H2,
  H2Connection,
  type H2Limits,
  type HeaderBlock,
  type HeaderField,
  HpackEncoder,
  headerFrames,
  SETTING,
  type Wire,
} from '../../h2/index.ts';
import type { HboneSettings } from '../types.ts';
import { isConnectHead, isWellFormed, newTunnelDecoder, pseudo, type TunnelField } from './fields.ts';
import { PlaneStream, type StreamCarrier } from './stream.ts';

export type { Wire } from '../../h2/index.ts';

export type ConnectionEvents = Events & {
  /** Server: a stream was opened, its fields are well formed. */
  request(stream: PlaneStream, fields: readonly TunnelField[]): void;
};

export type ConnectionOptions = {
  readonly role: 'client' | 'server';
  readonly wire: Wire;
  readonly settings: HboneSettings;
  readonly limits: H2Limits;
  readonly events: ConnectionEvents;
  /** Milliseconds, never going back. */
  readonly now?: () => number;
};

/** What comes before our answer is held as anything is that nobody reads yet. */
const EAGER = [[SETTING.EAGER_CONNECT, 1]] as const;

type Block = HeaderBlock<TunnelField>;

export class PlaneConnection extends H2Connection<PlaneStream, TunnelField> implements StreamCarrier {
  readonly #events: ConnectionEvents;
  readonly #encoder = new HpackEncoder();

  constructor(o: ConnectionOptions) {
    const maxHeaderListBytes = o.role === 'client' ? 16_384 : 65_536; // ztunnel.md section 3.2
    const settled = () => this.#encoder.limitTable(this.peerSettings.headerTableBytes);
    const moreSettings = o.role === 'server' ? EAGER : [];
    super({ ...o, events: { ...o.events, settled }, maxHeaderListBytes, moreSettings, decoder: newTunnelDecoder() });
    this.#events = o.events;
  }

  /** Client: opens a stream. Undefined when the connection takes no more. */
  open(fields: readonly HeaderField[]): PlaneStream | undefined {
    if (!this.isUsable) return undefined;
    const stream = this.#newStream(this.takeStreamId());
    this.#writeHead(stream.id, fields, false);
    return stream;
  }

  /** Server: answers. `isLast`: that was all, and what the peer sends is not wanted. */
  respond(stream: PlaneStream, fields: readonly HeaderField[], isLast: boolean): void {
    if (stream.isAnswered || !this.isLive(stream)) return;
    stream.isAnswered = true;
    this.#writeHead(stream.id, fields, isLast);
    this.failUnreadSoon();
    if (isLast) stream.answeredForGood();
  }

  protected override opened({ streamId, endStream, fields }: Block): void {
    if (fields === 'too-large') return void this.streamFault(streamId, H2.ENHANCE_YOUR_CALM);
    if (!isWellFormed(fields, 'request')) return void this.streamFault(streamId, H2.PROTOCOL_ERROR);
    const stream = this.#newStream(streamId);
    if (endStream) stream.receiveEnd();
    if (isConnectHead(fields)) this.#events.request(stream, fields);
    else this.respond(stream, [[':status', '400']], true);
  }

  protected override answered(stream: PlaneStream, { endStream, fields }: Block): void {
    if (fields === 'too-large' || !isWellFormed(fields, 'response')) {
      return void this.streamFault(stream.id, H2.PROTOCOL_ERROR);
    }
    const status = pseudo(fields, ':status') ?? '';
    if (status.startsWith('1')) {
      this.countControl();
      // Section 8.6: there is no switching of protocols. And nothing ends before its final answer.
      if (endStream || status === '101') this.streamFault(stream.id, H2.PROTOCOL_ERROR);
      return;
    }
    stream.receiveHead(fields, endStream);
  }

  /** Section 8.5 forbids fields in the middle of a tunnel; at its end we let them pass, since proxies send them. */
  protected override trailers(stream: PlaneStream, { endStream, fields }: Block): void {
    if (endStream && (fields === 'too-large' || isWellFormed(fields, 'trailers'))) stream.receiveEnd();
    else this.streamFault(stream.id, H2.PROTOCOL_ERROR);
  }

  #newStream(id: number): PlaneStream {
    const stream = new PlaneStream(id, this, {
      send: this.peerSettings.initialWindowBytes,
      receive: this.newReceiveWindow(),
    });
    this.addStream(stream);
    return stream;
  }

  #writeHead(streamId: number, fields: readonly HeaderField[], endStream: boolean): void {
    const encoder = this.#encoder;
    const bound = fields.reduce((bytes, field) => bytes + HpackEncoder.boundOf(field), 0);
    const block = Buffer.allocUnsafe(bound);
    encoder.begin(block, 0);
    for (const [name, value] of fields) encoder.field(name, value);
    const head = block.subarray(0, encoder.end());
    this.write(headerFrames(streamId, head, endStream, this.peerSettings.maxFrameBytes));
  }
}
