/**
 * The channel protocol of exec, attach and port-forward over WebSocket (kubernetes-api.md section 13): each binary message
 * begins with the number of its channel. In v5, `ff N` ends channel N.
 */
import type { WebSocket } from 'ws';

export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4, close: 255 } as const;

/** Newest first; the first that the client also knows is spoken. */
export const PROTOCOLS = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
] as const;

export function chooseProtocol(offered: Iterable<string>): string | undefined {
  const known = new Set(offered);
  return PROTOCOLS.find((protocol) => known.has(protocol));
}

/** Beyond this many bytes not yet taken by the network the writer is asked to wait. */
const HIGH_WATER_BYTES = 1 << 20;

/** Sends one message; resolves when it is worth sending more. */
export function send(socket: WebSocket, channel: number, data: Uint8Array): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // A message that could not be sent belongs to a peer that has gone; its close event ends the session.
  socket.send(Buffer.concat([Buffer.from([channel]), data]), { binary: true }, () => resolve());
  return socket.bufferedAmount > HIGH_WATER_BYTES ? promise : Promise.resolve();
}

type StatusCause = { readonly reason: string; readonly message: string };

/** How an exec ended, as the one Status that the client waits for. */
export function exitStatus(code: number | null, signal: string | null): object {
  if (code === 0) return { metadata: {}, status: 'Success' };
  const number = code ?? 137; // a shell's habit: 128 + 9
  const causes: StatusCause[] = [{ reason: 'ExitCode', message: String(number) }];
  return {
    metadata: {},
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message:
      code === null
        ? `command was ended by signal ${signal ?? 'unknown'}`
        : `command terminated with non-zero exit code: ${number}`,
    details: { causes },
  };
}

export function failureStatus(message: string): object {
  return { metadata: {}, status: 'Failure', reason: 'InternalError', message, code: 500 };
}
