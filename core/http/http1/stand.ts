/** What tests of HTTP/1.1 stand on: real sockets on loopback, memory, and a peer that writes bytes as it likes. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { type Leg, memoryLegs, tcpLeg } from '../../hbone/index.ts';
import { connectTcp, TcpConnection } from '../../net/index.ts';
import { bodyOf, NO_BODY, readBody } from '../body.ts';
import type { Deadlines } from '../deadlines.ts';
import { HeaderFields } from '../header-fields.ts';
import {
  type Body,
  type BodyEvents,
  type ClientConnection,
  type ClientRequest,
  DEFAULT_LIMITS,
  type Handler,
  type HttpLimits,
  type Refusal,
  type ServerConnection,
} from '../message.ts';
import { connectHttp1 } from './client.ts';
import { serveHttp1 } from './server.ts';

export const CALL_LIMIT_MS = 10_000;

/** Everything that a leg's other end says, as text; settles with the end. */
export class RawPeer {
  text = '';
  hasEnded = false;
  wasReset = false;
  readonly leg: Leg;
  #waiting: { readonly is: (peer: RawPeer) => boolean; readonly resolve: () => void }[] = [];

  constructor(leg: Leg) {
    this.leg = leg;
    leg.deliver({
      data: (view) => {
        this.text += Buffer.from(view).toString('latin1');
        this.#look();
      },
      writable: () => {},
      end: () => {
        this.hasEnded = true;
        this.#look();
      },
      reset: () => {
        this.wasReset = true;
        this.#look();
      },
    });
  }

  get isOver(): boolean {
    return this.hasEnded || this.wasReset;
  }

  write(text: string): this {
    this.leg.write(Buffer.from(text, 'latin1'));
    return this;
  }

  /** Waits for a condition; at most 10 s. */
  async until(is: (peer: RawPeer) => boolean): Promise<this> {
    if (is(this)) return this;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => reject(new Error(`not seen within 10 s; so far: ${JSON.stringify(this.text)}`)),
      CALL_LIMIT_MS,
    );
    this.#waiting.push({ is, resolve });
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
    return this;
  }

  has(part: string): Promise<this> {
    return this.until((peer) => peer.text.includes(part));
  }

  over(): Promise<this> {
    return this.until((peer) => peer.isOver);
  }

  #look(): void {
    for (const each of this.#waiting) if (each.is(this)) each.resolve();
    this.#waiting = this.#waiting.filter((each) => !each.is(this));
  }
}

export const limitsWith = (changes: Partial<HttpLimits>): HttpLimits => ({ ...DEFAULT_LIMITS, ...changes });

/** Answers with what it was asked, body and all. */
export const echo: Handler = async (request) => {
  const content = await readBody(request.body, 1 << 26);
  return {
    status: 200,
    headers: HeaderFields.of({ 'x-method': request.method, 'x-target': request.target, 'x-host': request.authority }),
    body: bodyOf(content),
  };
};

export const ok: Handler = () => ({ status: 200, headers: new HeaderFields(), body: bodyOf('ok') });

/** A server in memory, with a raw client. */
export function rawClient(
  handler: Handler,
  limits: HttpLimits = DEFAULT_LIMITS,
  deadlines?: Deadlines,
): { readonly peer: RawPeer; readonly server: ServerConnection; readonly refusals: Refusal[] } {
  const [ours, theirs] = memoryLegs();
  const refusals: Refusal[] = [];
  const server = serveHttp1(
    ours,
    { handler, limits, onRefused: (refusal) => void refusals.push(refusal) },
    undefined,
    deadlines,
  );
  return { peer: new RawPeer(theirs), server, refusals };
}

/** A client in memory, with a raw server. */
export function rawServer(
  limits: HttpLimits = DEFAULT_LIMITS,
  deadlines?: Deadlines,
): {
  readonly peer: RawPeer;
  readonly client: ClientConnection;
} {
  const [ours, theirs] = memoryLegs();
  return { client: connectHttp1(ours, { limits, onChange: () => {} }, deadlines), peer: new RawPeer(theirs) };
}

export const get = (target = '/', changes: Partial<ClientRequest> = {}): ClientRequest => ({
  method: 'GET',
  target,
  authority: 'upstream.test',
  scheme: 'http',
  headers: new HeaderFields(),
  body: NO_BODY,
  upgrade: undefined,
  ...changes,
});

/** Listens on loopback; each connection becomes a leg. */
export async function listen(t: TestContext, accepted: (leg: Leg) => void): Promise<number> {
  const server = createServer({ pauseOnConnect: true }, (socket) => accepted(tcpLeg(TcpConnection.adopt(socket))));
  return await listening(t, server);
}

/** The same as Node's own server has it. */
export async function listening(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export async function dial(port: number): Promise<Leg> {
  return tcpLeg(await connectTcp({ to: { ip: '127.0.0.1', port } }));
}

/** A body that a test fills by hand. */
export class HandBody implements Body {
  readonly length: number | undefined;
  readonly calls: string[] = [];
  to: BodyEvents | undefined;

  constructor(length?: number) {
    this.length = length;
  }

  get isDelivered(): boolean {
    return this.to !== undefined;
  }

  deliver(to: BodyEvents): void {
    this.to = to;
  }

  pause(): void {
    this.calls.push('pause');
  }

  resume(): void {
    this.calls.push('resume');
  }

  cancel(): void {
    this.calls.push('cancel');
  }

  say(text: string): this {
    this.to?.data(Buffer.from(text, 'latin1'));
    return this;
  }
}
