/** Commands in containers, over the channel protocol (kubernetes-api.md section 13). */
import { PassThrough, Writable } from 'node:stream';
import type WebSocket from 'ws';
import { KubeError } from '../kube-error.ts';
import type { Transport } from '../transport.ts';
import { closeChannel, openSocket, sendOn } from './socket.ts';

export type ExecOptions = {
  readonly command: readonly string[];
  readonly container?: string;
  readonly stdin?: boolean;
  readonly tty?: boolean;
  readonly signal?: AbortSignal;
};

export type ExecResult = { readonly exitCode: number; readonly message: string };

export type ExecSession = {
  /** Must be read (or resumed): unread output holds the command up. */
  readonly stdout: PassThrough;
  /** Empty with a tty, where everything comes on stdout. */
  readonly stderr: PassThrough;
  /** Ending it ends the command's standard input. Present when `stdin` was asked for. */
  readonly stdin: Writable | undefined;
  /** Settles when the command has ended. Throws KubeError when it could not start or the connection broke. */
  readonly result: Promise<ExecResult>;
  resize(columns: number, rows: number): void;
  close(): void;
};

const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4 } as const;

export async function execInPod(
  transport: Transport,
  namespace: string,
  pod: string,
  options: ExecOptions,
): Promise<ExecSession> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/exec`;
  const query = {
    command: options.command,
    container: options.container,
    stdin: options.stdin ?? false,
    stdout: true,
    stderr: options.tty !== true,
    tty: options.tty ?? false,
  };
  const socket = await openSocket(transport, path, query, options.signal);
  return session(socket, options.stdin ?? false);
}

function session(socket: WebSocket, wantsStdin: boolean): ExecSession {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const { promise: result, resolve, reject } = Promise.withResolvers<ExecResult>();
  result.catch(() => {}); // seen by whoever awaits it
  const keep = (stream: PassThrough, bytes: Buffer): void => {
    if (stream.write(bytes)) return;
    socket.pause(); // a slow reader holds the command up, not our memory
    stream.once('drain', () => socket.resume());
  };
  socket.on('message', (data) => {
    const message = data as Buffer;
    const bytes = message.subarray(1);
    if (bytes.length === 0) return;
    if (message[0] === CHANNEL.stdout) keep(stdout, bytes);
    else if (message[0] === CHANNEL.stderr) keep(stderr, bytes);
    else if (message[0] === CHANNEL.status) settle(bytes.toString('utf8'), resolve, reject);
  });
  socket.once('close', (code) => {
    stdout.end();
    stderr.end();
    reject(new KubeError(0, 'Closed', `the connection closed (${code}) before the command ended`));
  });
  socket.resume();
  const stdin = wantsStdin
    ? new Writable({
        write: (chunk: Buffer, _encoding, done) => sendOn(socket, CHANNEL.stdin, chunk, done),
        final: (done) => {
          closeChannel(socket, CHANNEL.stdin);
          done();
        },
      })
    : undefined;
  return {
    stdout,
    stderr,
    stdin,
    result,
    resize: (columns, rows) =>
      sendOn(socket, CHANNEL.resize, Buffer.from(`${JSON.stringify({ Width: columns, Height: rows })}\n`), () => {}),
    close: () => socket.close(1000),
  };
}

function settle(text: string, resolve: (result: ExecResult) => void, reject: (error: Error) => void): void {
  const outcome = readStatus(text);
  if (outcome instanceof KubeError) reject(outcome);
  else resolve(outcome);
}

function readStatus(text: string): ExecResult | KubeError {
  let status: {
    readonly status?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly code?: number;
    readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] };
  };
  try {
    status = JSON.parse(text);
  } catch (cause) {
    return new KubeError(0, 'Unreadable', 'the end of the command is not a Status', {}, { cause });
  }
  const message = status.message ?? '';
  if (status.status === 'Success') return { exitCode: 0, message };
  const exit = status.details?.causes?.find((cause) => cause.reason === 'ExitCode')?.message;
  if (status.reason === 'NonZeroExitCode' && exit !== undefined) return { exitCode: Number(exit), message };
  return new KubeError(status.code ?? 500, status.reason ?? 'InternalError', message);
}
