/** Port-forward as client-node speaks it: for the n-th port channel 2n carries data, channel 2n + 1 errors. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { dialTcp } from '../../../core/net/index.ts';
import type { PodWorker } from '../pod-worker.ts';
import { Channels } from './channels.ts';
import { HttpProblem } from './http-problem.ts';

export type PortForwardRequest = {
  readonly worker: PodWorker;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
};

const DIAL_TIMEOUT_MS = 5_000;
const MAX_PORTS = 32;

/** Dials the pod's own localhost, from inside its network namespace. */
export async function servePortForward({ worker, query, request, socket, head }: PortForwardRequest): Promise<void> {
  const ports = query
    .getAll('ports')
    .flatMap((text) => text.split(','))
    .map(Number);
  const usable =
    ports.length > 0 && ports.length <= MAX_PORTS && ports.every((p) => Number.isInteger(p) && p > 0 && p < 65536);
  if (!usable) throw new HttpProblem(400, `portForward: "ports" must name 1 to ${MAX_PORTS} ports`);
  if (!worker.isRunning) throw new HttpProblem(400, `pod ${worker.pod.metadata.name} is not running`);
  const connections: (Socket | undefined)[] = [];
  const channels = await Channels.accept(request, socket, head, {
    data: (channel, bytes) => {
      const connection = connections[channel / 2];
      if (connection && !connection.write(bytes)) {
        channels.pause();
        connection.once('drain', () => channels.resume());
      }
    },
    end: (channel) => connections[channel / 2]?.end(),
    close: () => {
      for (const connection of connections) connection?.destroy();
    },
  });
  channels.pause();
  await Promise.all(
    ports.map(async (port, index) => {
      const number = Buffer.alloc(2);
      number.writeUInt16LE(port);
      channels.send(2 * index, number);
      channels.send(2 * index + 1, number);
      try {
        connections[index] = await dialLocal(worker, port);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        channels.send(2 * index + 1, Buffer.from(`cannot connect to port ${port} in the pod: ${why}`));
      }
    }),
  );
  channels.resume();
  await Promise.all(
    connections.map((connection, index) => {
      if (connection === undefined) return undefined;
      const { promise, resolve } = Promise.withResolvers<void>();
      connection.on('error', (error) => channels.send(2 * index + 1, Buffer.from(error.message)));
      connection.once('close', () => resolve());
      connection.once('end', () => connection.end()); // this protocol knows no half-closed connection
      connection.pipe(channels.writable(2 * index));
      return promise;
    }),
  );
  channels.close();
}

async function dialLocal(worker: PodWorker, port: number): Promise<Socket> {
  const netns = worker.netns === undefined ? {} : { netns: worker.netns };
  const dial = (ip: string) => dialTcp({ ...netns, to: { ip, port }, timeoutMs: DIAL_TIMEOUT_MS });
  try {
    return await dial('127.0.0.1');
  } catch {
    return await dial('::1'); // a program that listens on IPv6 only
  }
}
