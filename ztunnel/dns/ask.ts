/** One question to other name servers, from inside a pod's namespace. The first good answer counts; nobody is waited for long. */
import { connectTcp, type NetnsRef, openUdp, UdpSocket } from '../../core/net/index.ts';
import { describeError } from '../../core/telemetry/index.ts';
import type { Clock } from '../../core/time/index.ts';
import type { IpAddress } from '../../mesh/index.ts';
import { DnsStream } from './stream.ts';
import { answers, type Query, RCODE, rcodeOf, withId } from './wire.ts';

export type AskOptions = {
  readonly query: Query;
  /** In the order in which they are asked. */
  readonly servers: readonly IpAddress[];
  readonly port: number;
  readonly netns: NetnsRef | undefined;
  /** SO_MARK, by which the question is not captured again. */
  readonly mark: number | undefined;
  readonly clock: Clock;
  /** In [0, 65536): ids that nobody can guess. */
  readonly randomId: () => number;
  /** After how long without an answer the next one is asked, or the same again. */
  readonly retryMs: number;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
};

export type Asked =
  | { readonly kind: 'answered'; readonly reply: Buffer }
  | { readonly kind: 'failed'; readonly because: string };

/** Questions sent over UDP for one of the client's. */
const MAX_TRIES = 4;
const ANSWERS_PER_TURN = 4;

/** What says nothing about the name, but something about the server: another may do better. */
const isServersTrouble = (reply: Buffer) =>
  ([RCODE.SERVFAIL, RCODE.NOTIMP, RCODE.REFUSED] as number[]).includes(rcodeOf(reply));

/** Over UDP. An answer that was too long comes back as truncated: the client asks again by TCP. Never rejects. */
export function askUdp(o: AskOptions): Promise<Asked> {
  const { promise, resolve } = Promise.withResolvers<Asked>();
  const open = new Set<UdpSocket>();
  const refused = new Set<IpAddress>();
  let tries = 0;
  let last: IpAddress | undefined;
  let troubled: Buffer | undefined;
  let because = 'no name server to ask';
  let retry: Disposable | undefined;
  const settle = (asked: Asked) => {
    retry?.[Symbol.dispose]();
    deadline[Symbol.dispose]();
    o.signal.removeEventListener('abort', onAbort);
    for (const socket of open) socket[Symbol.dispose]();
    open.clear();
    resolve(asked);
  };
  const fail = () => settle(troubled ? { kind: 'answered', reply: troubled } : { kind: 'failed', because });
  const onAbort = () => settle({ kind: 'failed', because: describeError(o.signal.reason) });
  const deadline = o.clock.after(o.deadlineMs, () => {
    because = `no answer in ${o.deadlineMs} ms from ${o.servers.join(', ')}`;
    fail();
  });
  /** That one has answered or never will; its socket is done. */
  const giveUp = (server: IpAddress, socket: UdpSocket | undefined) => {
    refused.add(server);
    if (socket !== undefined) {
      open.delete(socket);
      socket[Symbol.dispose]();
    }
    next();
  };
  const next = () => {
    retry?.[Symbol.dispose]();
    const server = nextOf(o.servers, last, refused);
    if (server === undefined || tries >= MAX_TRIES) {
      if (open.size === 0) fail();
      return;
    }
    tries += 1;
    last = server;
    try {
      send(server);
    } catch (error) {
      because = describeError(error);
      giveUp(server, undefined);
      return;
    }
    if (open.size > 0) retry = o.clock.after(o.retryMs, next);
  };
  const send = (server: IpAddress) => {
    const id = o.randomId();
    const fd = openUdp({ ...placeOf(o), connect: { ip: server, port: o.port } });
    const socket: UdpSocket = new UdpSocket(
      fd,
      {
        datagram: (view) => {
          if (!open.has(socket) || !answers(view, id, o.query)) return;
          if (!isServersTrouble(view)) settle({ kind: 'answered', reply: Buffer.from(view) });
          else {
            troubled = Buffer.from(view);
            giveUp(server, socket);
          }
        },
        failed: (error) => {
          if (!open.has(socket)) return;
          because = `${server}: ${error.message}`;
          giveUp(server, socket);
        },
      },
      { perTurn: ANSWERS_PER_TURN },
    );
    open.add(socket);
    socket.send(withId(o.query, id)); // lost: as any datagram may be
  };
  if (o.signal.aborted) onAbort();
  else {
    o.signal.addEventListener('abort', onAbort, { once: true });
    next();
  }
  return promise;
}

/** The one behind the last, in turn, that has not been given up. */
function nextOf(
  servers: readonly IpAddress[],
  last: IpAddress | undefined,
  refused: ReadonlySet<IpAddress>,
): IpAddress | undefined {
  const start = last === undefined ? 0 : servers.indexOf(last) + 1;
  return [...servers.slice(start), ...servers.slice(0, start)].find((server) => !refused.has(server));
}

/** Over TCP, one server after the other, all within the deadline. Never rejects. */
export async function askTcp(o: AskOptions): Promise<Asked> {
  let failure: Asked = { kind: 'failed', because: 'no name server to ask' };
  const late = new AbortController();
  using _deadline = o.clock.after(o.deadlineMs, () =>
    late.abort(new Error(`no answer in ${o.deadlineMs} ms from ${o.servers.join(', ')}`)),
  );
  const onAbort = () => late.abort(o.signal.reason);
  if (o.signal.aborted) onAbort();
  o.signal.addEventListener('abort', onAbort, { once: true });
  try {
    for (const server of o.servers) {
      if (late.signal.aborted) break;
      try {
        const reply = await askServer(o, server, late.signal);
        if (!isServersTrouble(reply)) return { kind: 'answered', reply };
        failure = { kind: 'answered', reply };
      } catch (error) {
        if (failure.kind === 'failed') failure = { kind: 'failed', because: describeError(error) };
      }
    }
    return failure;
  } finally {
    o.signal.removeEventListener('abort', onAbort);
  }
}

async function askServer(o: AskOptions, server: IpAddress, signal: AbortSignal): Promise<Buffer> {
  const timeoutMs = Math.ceil(o.deadlineMs / o.servers.length); // one that is dead leaves time for the others
  const connection = await connectTcp({ ...placeOf(o), to: { ip: server, port: o.port }, timeoutMs, signal });
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const id = o.randomId();
  const stream = new DnsStream(connection, {
    message: (view) => {
      if (answers(view, id, o.query)) resolve(Buffer.from(view));
    },
    end: () => reject(new Error(`${server} ended without an answer`)),
    over: () => reject(new Error(`${server} broke off`)),
  });
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  using _late = o.clock.after(timeoutMs, () => reject(new Error(`no answer in ${timeoutMs} ms from ${server}`)));
  try {
    stream.resume();
    stream.send(withId(o.query, id));
    return await promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
    stream.close();
  }
}

const placeOf = ({ netns, mark }: AskOptions) => ({ ...(netns && { netns }), ...(mark !== undefined && { mark }) });
