/** One TCP connection to a port of a pod, over the channel protocol (kubernetes-api.md section 13). */
import { Duplex } from 'node:stream';
import type WebSocket from 'ws';
import { KubeError } from '../kube-error.ts';
import type { Transport } from '../transport.ts';
import { CLOSE_CHANNEL, closeChannel, openSocket, sendOn } from './socket.ts';

const DATA = 0;
const ERROR = 1;
/** The first message of each channel repeats the port, two bytes. */
const PORT_BYTES = 2;

export async function forwardPort(
  transport: Transport,
  namespace: string,
  pod: string,
  port: number,
  signal?: AbortSignal,
): Promise<Duplex> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/portforward`;
  const socket = await openSocket(transport, path, { ports: port }, signal);
  return duplex(socket, `${namespace}/${pod}:${port}`);
}

function duplex(socket: WebSocket, target: string): Duplex {
  const greeted = new Set<number>();
  let ended = false;
  const stream = new Duplex({
    allowHalfOpen: true,
    read: () => socket.resume(),
    write: (chunk: Buffer, _encoding, done) => sendOn(socket, DATA, chunk, done),
    final: (done) => {
      // Older servers know no half-close: then the end of our bytes is the end of the connection.
      if (socket.protocol === 'v5.channel.k8s.io') closeChannel(socket, DATA);
      else socket.close(1000);
      done();
    },
    destroy: (error, done) => {
      socket.close(1000);
      done(error);
    },
  });
  const end = (): void => {
    if (ended) return;
    ended = true;
    stream.push(null);
  };
  socket.on('message', (data) => {
    const message = data as Buffer;
    const channel = message[0] ?? CLOSE_CHANNEL;
    if (channel === CLOSE_CHANNEL) {
      if (message[1] === DATA) end();
      return;
    }
    const bytes = greeted.has(channel) ? message.subarray(1) : message.subarray(1 + PORT_BYTES);
    greeted.add(channel);
    if (bytes.length === 0 || ended) return;
    if (channel === DATA && !stream.push(bytes)) socket.pause();
    if (channel === ERROR)
      stream.destroy(new KubeError(0, 'PortForward', `${target}: ${bytes.toString('utf8').trim()}`));
  });
  socket.once('close', end);
  socket.resume();
  return stream;
}
