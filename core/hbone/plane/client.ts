/** Opens tunnels on the plane: one TLS link and one HTTP/2 connection for each place of the pool. */
import type { SpiffeId } from '../../../mesh/index.ts';
import { DEFAULT_H2_LIMITS, H2, type HeaderField } from '../../h2/index.ts';
import { type TcpConnection, type TlsContext, TlsLink } from '../../net/index.ts';
import { HboneError } from '../errors.ts';
import { PooledClient, type PooledTunnel } from '../pool.ts';
import { RevocationGate, type Standing } from '../revocation-gate.ts';
import { NotProcessed } from '../tunnel.ts';
import type { HboneClient, HboneClientOptions, HboneSettings, OpenedStream, OpenOptions } from '../types.ts';
import { PlaneConnection } from './connection.ts';
import { plainFields, pseudo, type TunnelField } from './fields.ts';
import { asHboneError, handshakeFault, peerOf, planeContextFor } from './secure.ts';
import type { PlaneStream, StreamListener } from './stream.ts';

export function createPlaneClient(options: HboneClientOptions): HboneClient {
  const guards = { gate: new RevocationGate(options.revocations), onFault: options.onFault };
  return new PooledClient((o, settings) => establish(o, settings, guards), options);
}

/** What stands between a peer and us, beside TLS. */
type Guards = { readonly gate: RevocationGate; readonly onFault: HboneClientOptions['onFault'] };

/** The peer's SETTINGS may come later, but within the same deadline as TLS. */
async function establish(o: OpenOptions, settings: HboneSettings, guards: Guards): Promise<PooledTunnel> {
  let tcp: TcpConnection;
  try {
    tcp = await o.connect();
  } catch (cause) {
    throw new HboneError('DIAL_FAILED', `no connection to ${o.dial.ip} port ${o.dial.port}`, { cause });
  }
  let context: TlsContext;
  try {
    context = planeContextFor(o.source);
  } catch (cause) {
    tcp.reset();
    throw new HboneError('MATERIAL_UNAVAILABLE', `unusable certificate of ${o.source.identity}`, { cause });
  }
  return shakeHands(tcp, context, o, settings, guards);
}

function shakeHands(
  tcp: TcpConnection,
  context: TlsContext,
  o: OpenOptions,
  settings: HboneSettings,
  guards: Guards,
): Promise<PlaneTunnel> {
  const { promise, resolve, reject } = Promise.withResolvers<PlaneTunnel>();
  let tunnel: PlaneTunnel | undefined;
  let link: TlsLink;
  const timer = setTimeout(() => {
    reject(new HboneError('HANDSHAKE_TIMEOUT', `TLS and SETTINGS took more than ${settings.handshakeTimeoutMs} ms`));
    link?.reset();
    tunnel?.connection.lost();
  }, settings.handshakeTimeoutMs);
  try {
    link = new TlsLink(tcp, context, 'client', {
      secured: () => {
        try {
          const peer = peerOf(link, { kind: 'identities', expected: o.expected });
          const standing = guards.gate.admit(() => link.verifiedChain());
          const settled = () => clearTimeout(timer);
          tunnel = new PlaneTunnel(link, { peer, standing }, settings, { settled, onFault: guards.onFault });
          resolve(tunnel);
        } catch (error) {
          clearTimeout(timer);
          reject(asHboneError(error));
          link.reset();
        }
      },
      data: (view) => tunnel?.connection.feed(view),
      drained: () => tunnel?.connection.drained(),
      over: (error) => {
        clearTimeout(timer);
        reject(handshakeFault(error));
        tunnel?.connection.lost();
      },
      closed: () => clearTimeout(timer),
    });
  } catch (cause) {
    clearTimeout(timer);
    reject(new HboneError('TLS_FAILED', 'the connection was lost before the handshake', { cause }));
    tcp.reset();
  }
  return promise;
}

class PlaneTunnel implements PooledTunnel {
  readonly peer: SpiffeId;
  readonly connection: PlaneConnection;
  readonly #settings: HboneSettings;
  readonly #revoked: AbortSignal | undefined;
  readonly #onClose = new Set<() => void>();
  #isOver = false;

  constructor(
    link: TlsLink,
    { peer, standing }: { readonly peer: SpiffeId; readonly standing: Standing },
    settings: HboneSettings,
    { settled, onFault }: { readonly settled: () => void; readonly onFault: Guards['onFault'] },
  ) {
    this.peer = peer;
    this.#revoked = standing.revoked;
    this.#settings = settings;
    this.connection = new PlaneConnection({
      role: 'client',
      wire: link,
      settings,
      limits: DEFAULT_H2_LIMITS,
      events: {
        ready: settled,
        request: () => {}, // only servers are asked
        over: () => {
          settled();
          standing[Symbol.dispose]();
          this.#isOver = true;
          for (const listener of this.#onClose) listener();
        },
        flood: (kind) => onFault?.(kind),
      },
    });
    standing.cutBy(() => this.destroy());
  }

  get isUsable(): boolean {
    return this.connection.isUsable;
  }

  get isSaturated(): boolean {
    return this.connection.isSaturated;
  }

  get peerStreamLimit(): number {
    return this.connection.peerSettings.maxConcurrentStreams;
  }

  onClose(listener: () => void): void {
    if (this.#isOver) queueMicrotask(listener);
    else this.#onClose.add(listener);
  }

  close(): void {
    this.connection.drain();
  }

  destroy(): void {
    this.connection.cut();
  }

  async request(o: OpenOptions, over: () => void): Promise<OpenedStream> {
    if (o.signal?.aborted) {
      over();
      throw o.signal.reason;
    }
    const extra: readonly HeaderField[] = Object.entries(o.headers);
    // RFC 9113 section 8.5: CONNECT carries no :scheme or :path.
    const stream = this.connection.open([[':method', 'CONNECT'], [':authority', o.authority], ...extra]);
    if (stream === undefined) {
      over();
      throw new NotProcessed('TUNNEL_CLOSED', 'the tunnel takes no more streams');
    }
    const reply = new Reply(stream, o, this.#settings.replyTimeoutMs, over);
    const first = this.connection.peerSettings.takesEagerConnect ? o.first?.() : undefined;
    if (first !== undefined) stream.write(first);
    const responseHeaders = await reply.promise;
    return {
      leg: stream,
      firstBytes: first?.length ?? 0,
      responseHeaders,
      peer: this.peer,
      revoked: this.#revoked,
    };
  }
}

/** What is waited for between CONNECT and its answer: given up when that is there, since the stream may live long. */
type Wait = {
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (headers: ReadonlyMap<string, string>) => void;
  readonly reject: (reason: unknown) => void;
};

class Reply implements StreamListener {
  /** Rejects with HboneError, or the reason of the signal. */
  readonly promise: Promise<ReadonlyMap<string, string>>;
  readonly #stream: PlaneStream;
  readonly #over: () => void;
  #wait: Wait | undefined;

  constructor(stream: PlaneStream, { signal }: OpenOptions, timeoutMs: number, over: () => void) {
    const { promise, resolve, reject } = Promise.withResolvers<ReadonlyMap<string, string>>();
    this.promise = promise;
    this.#stream = stream;
    this.#over = over;
    const onAbort = () => this.#giveUp(signal?.reason);
    const timer = setTimeout(() => {
      this.#giveUp(new HboneError('CONNECT_TIMEOUT', `no answer to CONNECT in ${timeoutMs} ms`));
    }, timeoutMs);
    this.#wait = { signal, onAbort, timer, resolve, reject };
    signal?.addEventListener('abort', onAbort, { once: true });
    stream.listen(this);
  }

  head(fields: readonly TunnelField[]): void {
    const status = Number(pseudo(fields, ':status'));
    const headers = plainFields(fields);
    if (status === 200) this.#settle()?.resolve(headers);
    else this.#giveUp(new HboneError('CONNECT_REFUSED', `CONNECT was answered with ${status}`, { status, headers }));
  }

  gone(code: number | undefined): void {
    this.#over();
    this.#settle()?.reject(closedBeforeReply(code));
  }

  #giveUp(reason: unknown): void {
    this.#settle()?.reject(reason);
    this.#stream.reset('cancel');
  }

  /** Who waits, the first time. */
  #settle(): Wait | undefined {
    const wait = this.#wait;
    this.#wait = undefined;
    clearTimeout(wait?.timer);
    wait?.signal?.removeEventListener('abort', wait.onAbort);
    return wait;
  }
}

// A refused stream was not processed (RFC 9113 section 8.7).
function closedBeforeReply(code: number | undefined): HboneError {
  if (code === H2.REFUSED_STREAM) return new NotProcessed('TUNNEL_CLOSED', 'the peer did not take the stream');
  return new HboneError('TUNNEL_CLOSED', `the stream ended before the answer (code ${code ?? 'none'})`);
}
