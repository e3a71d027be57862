/** The WebSocket that carries exec, attach and port-forward: opened with our credentials, refusals as KubeError. */
import WebSocket from 'ws';
import { errorFromAnswer, KubeError } from '../kube-error.ts';
import { basePath, type HttpRequest, queryString, type Transport } from '../transport.ts';

/** Kubernetes' channel protocol; in v5 either side can close one channel (`ff`, channel). */
const CHANNEL_PROTOCOL = 'v5.channel.k8s.io';
const OLDER_PROTOCOLS = ['v4.channel.k8s.io'];
export const CLOSE_CHANNEL = 255;

const HANDSHAKE_TIMEOUT_MS = 30_000;
/** Above this the sender of a channel waits. */
const HIGH_WATER_BYTES = 1024 * 1024;

/** The socket comes paused. Throws KubeError, with the server's own reason when it refuses. */
export async function openSocket(
  transport: Transport,
  path: string,
  query: HttpRequest['query'],
  signal?: AbortSignal,
): Promise<WebSocket> {
  signal?.throwIfAborted();
  const { server, tls, authorization } = await transport.connection();
  const url = new URL(server);
  const address = `${url.protocol === 'http:' ? 'ws' : 'wss'}://${url.host}${basePath(server)}${path}${queryString(query)}`;
  const socket = new WebSocket(address, [CHANNEL_PROTOCOL, ...OLDER_PROTOCOLS], {
    ...tls,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    perMessageDeflate: false,
    headers: authorization === undefined ? {} : { authorization },
  });
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>();
  const onAbort = (): void => socket.terminate();
  signal?.addEventListener('abort', onAbort, { once: true });
  socket.once('open', () => {
    socket.pause(); // frames may follow at once; the caller resumes when it listens
    resolve(socket);
  });
  socket.once('unexpected-response', (request, answer) => {
    const chunks: Buffer[] = [];
    answer.on('data', (chunk: Buffer) => chunks.push(chunk));
    answer.once('close', () => {
      reject(errorFromAnswer(answer.statusCode ?? 0, Buffer.concat(chunks).toString('utf8'), `GET ${path}`));
      request.destroy();
    });
  });
  socket.on('error', (cause) => {
    reject(new KubeError(0, 'Unreachable', `API server ${server}: ${cause.message}`, {}, { cause }));
  });
  socket.once('close', () => signal?.removeEventListener('abort', onAbort));
  return promise;
}

/** Sends bytes on a channel; calls back when there is room for more. */
export function sendOn(
  socket: WebSocket,
  channel: number,
  bytes: Uint8Array,
  done: (error?: Error | null) => void,
): void {
  const message = Buffer.allocUnsafe(bytes.length + 1);
  message[0] = channel;
  message.set(bytes, 1);
  if (socket.readyState !== WebSocket.OPEN) {
    done(new KubeError(0, 'Closed', 'the stream is closed'));
    return;
  }
  const wait = socket.bufferedAmount > HIGH_WATER_BYTES;
  socket.send(message, (error) => {
    if (wait) done(error);
  });
  if (!wait) done();
}

/** Ends a channel of ours, where the protocol can say so. */
export function closeChannel(socket: WebSocket, channel: number): void {
  if (socket.readyState !== WebSocket.OPEN) return;
  if (socket.protocol === CHANNEL_PROTOCOL) socket.send(Buffer.from([CLOSE_CHANNEL, channel]));
}
