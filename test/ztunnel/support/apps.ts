/** What runs in pods: clients and servers over plain TCP. */
import type { Socket } from 'node:net';
import { canonicalIp } from '../../../core/net/index.ts';
import type { TestHost } from '../../support/netns.ts';

const CALL_DEADLINE_MS = 8_000;

export type Target = { readonly ip: string; readonly port: number };

/** Sends text, ends, and gives the whole answer. Rejects when the connection breaks. */
export async function call(from: TestHost, to: Target, text = 'hello', deadlineMs = CALL_DEADLINE_MS): Promise<string> {
  const socket = await from.dial(to);
  socket.setTimeout(deadlineMs, () => socket.destroy(new Error(`no answer of ${to.ip} port ${to.port}`)));
  socket.end(text);
  return readToEnd(socket);
}

/** All that comes until the end; this side can still write then. Rejects when the connection breaks. */
export async function readToEnd(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** Whether a call is answered. A refusal, an end or a reset without a byte is a no; silence is neither and rejects. */
export async function isAnswered(from: TestHost, to: Target): Promise<boolean> {
  try {
    return (await call(from, to)) !== '';
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
}

/** What callers see when a ztunnel, or nobody, is there for them. */
export function isRefusal(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && ['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(String(error.code))
  );
}

/** Says who called, as the server sees it, and ends. */
export function listenWhoAmI(host: TestHost, port: number): Promise<unknown> {
  return host.listen(port, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.resume().end(`${host.name} was called by ${canonicalIp(socket.remoteAddress ?? '')}`);
  });
}

/** A connection that is kept open: `say` sends a line and waits for it to come back. */
export class Conversation implements Disposable {
  readonly socket: Socket;
  /** How it ended: `end`, or the code of the error. */
  readonly over: Promise<string>;
  #received = '';
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.over = promise;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      this.#received += text;
      this.#wake?.();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('end', () => resolve('end'));
    socket.on('close', () => resolve('close'));
    socket.resume(); // it was dialled paused
  }

  static async open(from: TestHost, to: Target): Promise<Conversation> {
    const conversation = new Conversation(await from.dial(to));
    await conversation.say('first');
    return conversation;
  }

  /** Rejects when the connection is over before the echo came. */
  async say(word: string): Promise<void> {
    const line = `${word}\n`;
    this.#received = '';
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = () => {
      if (this.#received === line) resolve();
    };
    this.socket.write(line);
    await withDeadline(
      Promise.race([
        promise,
        this.over.then((how) => {
          throw new Error(`the connection is over (${how}) before the echo of ${word}`);
        }),
      ]),
      `the echo of ${word}`,
    );
  }

  /** How it was ended by the other side; rejects when it goes on. */
  ended(): Promise<string> {
    return withDeadline(this.over, 'the end of the connection');
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

export function withDeadline<T>(work: Promise<T>, what: string, deadlineMs = CALL_DEADLINE_MS): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`not in ${deadlineMs} ms: ${what}`)), deadlineMs);
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}
