/** A CONNECT between two proxies of one process: the same request and answers, with memory in place of the wire. */
import type { SocketAddress, SpiffeId } from '../../mesh/index.ts';
import { HboneError } from './errors.ts';
import { memoryLegs } from './memory-leg.ts';
import { type ConnectRequest, DEFAULT_SETTINGS, type OpenedStream } from './types.ts';

export type InProcessCall = {
  /** Who calls, and who answers: proven by whoever calls this. */
  readonly source: SpiffeId;
  readonly destination: SpiffeId;
  readonly from: SocketAddress;
  readonly to: SocketAddress;
  readonly authority: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Aborted when either side's certificate is revoked. */
  readonly revoked: AbortSignal | undefined;
  /** Default 15 s. */
  readonly replyTimeoutMs?: number;
};

/** Resolves when `serve` answered 200. Rejects as {@link HboneClient.open} does, or with the signal's reason. */
export function connectInProcess(
  o: InProcessCall,
  serve: (request: ConnectRequest) => void | Promise<void>,
): Promise<OpenedStream> {
  const { promise, resolve, reject } = Promise.withResolvers<OpenedStream>();
  const [near, far] = memoryLegs();
  const closed = new AbortController();
  let isAnswered = false;
  const giveUp = (reason: unknown) => {
    isAnswered = true;
    reject(reason);
    closed.abort(new HboneError('TUNNEL_CLOSED', 'the caller has left'));
    near.reset('cancel');
  };
  const replyTimeoutMs = o.replyTimeoutMs ?? DEFAULT_SETTINGS.replyTimeoutMs;
  const timer = setTimeout(() => {
    giveUp(new HboneError('CONNECT_TIMEOUT', `no answer to CONNECT in ${replyTimeoutMs} ms`));
  }, replyTimeoutMs);
  const onAbort = () => giveUp(o.signal.reason);
  if (o.signal.aborted) onAbort();
  else o.signal.addEventListener('abort', onAbort, { once: true });
  const answer = () => {
    clearTimeout(timer);
    o.signal.removeEventListener('abort', onAbort);
    if (isAnswered) return false;
    isAnswered = true;
    return true;
  };
  const request: ConnectRequest = {
    peer: o.source,
    from: o.from,
    to: o.to,
    authority: o.authority,
    headers: new Map(Object.entries(o.headers)),
    closed: closed.signal,
    get isClosed() {
      return closed.signal.aborted;
    },
    revoked: o.revoked,
    respond: (_status, headers = {}) => {
      if (answer()) {
        resolve({
          leg: near,
          firstBytes: 0,
          responseHeaders: new Map(Object.entries(headers)),
          peer: o.destination,
          revoked: o.revoked,
        });
        void far.closed.then(() => closed.abort(new HboneError('TUNNEL_CLOSED', 'the stream is over')));
      }
      return far;
    },
    refuse: (status, headers = {}) => {
      if (!answer()) return;
      const told = new Map(Object.entries(headers));
      giveUp(new HboneError('CONNECT_REFUSED', `CONNECT was answered with ${status}`, { status, headers: told }));
    },
  };
  // A decision that can't be made is a refusal; one already answered is cut.
  const failed = () => (isAnswered ? far.reset('connect-error') : request.refuse(503));
  if (!isAnswered) {
    try {
      Promise.resolve(serve(request)).catch(failed);
    } catch {
      failed();
    }
  }
  return promise.finally(() => clearTimeout(timer));
}
