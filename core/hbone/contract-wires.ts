/** Peers and wires that misbehave. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { connectTcp, type TcpConnection } from '../net/index.ts';

export async function silentServer(): Promise<AsyncDisposable & { dial: () => Promise<TcpConnection> }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => void sockets.add(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return {
    dial: () => connectTcp({ to: { ip: '127.0.0.1', port: address.port } }),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}

/** A wire between client and server that can go dead without either end being told, or break after so many bytes. */
export async function cuttableWire(onward: () => Promise<Socket>, bytes = Number.POSITIVE_INFINITY) {
  const sockets = new Set<Socket>();
  const { promise: broken, resolve } = Promise.withResolvers<void>();
  let isCut = false;
  let left = bytes;
  const passed = { there: 0, back: 0 };
  const server = createTcpServer(async (near) => {
    const far = await onward();
    for (const [from, to, way] of [
      [near, far, 'there'],
      [far, near, 'back'],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.on('data', (chunk: Buffer) => {
        if (isCut) return;
        passed[way] += 1;
        to.write(chunk.subarray(0, left));
        left -= chunk.length;
        if (left > 0) return;
        for (const socket of sockets) socket.destroy();
        resolve();
      });
      from.resume();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return {
    broken,
    /** Pieces that went over it so far, each way. */
    passed: passed as Readonly<typeof passed>,
    cut: () => {
      isCut = true;
    },
    sever: () => {
      for (const socket of sockets) socket.destroy();
    },
    dial: () => connectTcp({ to: { ip: '127.0.0.1', port: address.port } }),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}
