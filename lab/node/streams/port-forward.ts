import type { RawData, WebSocket } from 'ws';
import type { PodAccess } from './access.ts';
import { CHANNEL, send } from './channels.ts';

/**
 * Joins a socket to ports of a pod: for the port at index i, channel 2i carries the bytes and 2i+1 the error. The first
 * message on each is the port, two bytes, little-endian (kubernetes-api.md section 13).
 */
export async function servePortForward(socket: WebSocket, pod: PodAccess, ports: readonly number[]): Promise<void> {
  await Promise.all(ports.map((port, index) => serveOne(socket, pod, port, index * 2)));
}

async function serveOne(socket: WebSocket, pod: PodAccess, port: number, dataChannel: number): Promise<void> {
  const greeting = Buffer.alloc(2);
  greeting.writeUInt16LE(port);
  const early: Buffer[] = [];
  const hold = (data: RawData) => early.push(data as Buffer);
  socket.on('message', hold);
  void send(socket, dataChannel, greeting);
  void send(socket, dataChannel + 1, greeting);
  const fail = (error: unknown) => {
    const words = error instanceof Error ? error.message : String(error);
    void send(socket, dataChannel + 1, Buffer.from(`error forwarding port ${port} to pod: ${words}`));
    socket.close(1000);
  };
  let target: Awaited<ReturnType<PodAccess['dial']>>;
  try {
    target = await pod.dial(port);
  } catch (error) {
    fail(error);
    return;
  } finally {
    socket.off('message', hold);
  }
  const take = (data: RawData) => {
    const message = data as Buffer;
    if (message[0] === dataChannel) {
      if (message.length > 1 && !target.write(message.subarray(1))) socket.pause();
    } else if (message[0] === CHANNEL.close && message[1] === dataChannel) {
      target.end();
    }
  };
  target.on('drain', () => socket.resume());
  for (const message of early) take(message);
  socket.on('message', take);
  socket.once('close', () => target.destroy());
  target.on('error', fail);
  for await (const chunk of target.iterator({ destroyOnReturn: false }))
    await send(socket, dataChannel, chunk as Buffer);
  socket.close(1000);
}
