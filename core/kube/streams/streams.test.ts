import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { test } from 'node:test';
import { type WebSocket, WebSocketServer } from 'ws';
import { KubeError, Transport } from '../index.ts';
import { execInPod } from './exec.ts';
import { forwardPort } from './port-forward.ts';

/** The pod's side of the channel protocol, written by hand. */
async function podSide(onSocket: (socket: WebSocket, url: URL) => void, refuse?: string) {
  const server: Server = createServer();
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'v5.channel.k8s.io' });
  const urls: URL[] = [];
  server.on('upgrade', (request, socket, head) => {
    const url = new URL(request.url ?? '/', 'http://x');
    urls.push(url);
    if (refuse !== undefined) {
      socket.end(`HTTP/1.1 403 Forbidden\r\ncontent-length: ${refuse.length}\r\nconnection: close\r\n\r\n${refuse}`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (ws) => onSocket(ws, url));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connection = {
    server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tls: { rejectUnauthorized: true },
    authorization: 'Bearer t',
    namespace: 'default',
  };
  return {
    transport: new Transport({ current: async () => connection, expire() {} }, 'test'),
    urls,
    async [Symbol.asyncDispose]() {
      for (const ws of sockets.clients) ws.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const frame = (channel: number, data: string | Buffer): Buffer =>
  Buffer.concat([Buffer.from([channel]), Buffer.from(data)]);

test('a command gets its input, both outputs come apart, and its exit code is the result', async () => {
  await using pod = await podSide((ws) => {
    ws.on('message', (data: Buffer) => {
      if (data[0] === 0) ws.send(frame(1, `out:${data.subarray(1)}`));
      if (data[0] === 255) {
        assert.equal(data[1], 0);
        ws.send(frame(2, 'err'));
        const details = { causes: [{ reason: 'ExitCode', message: '3' }] };
        ws.send(frame(3, JSON.stringify({ status: 'Failure', reason: 'NonZeroExitCode', message: 'exit 3', details })));
        ws.close(1000);
      }
    });
  });
  const session = await execInPod(pod.transport, 'ns', 'p', {
    command: ['sh', '-c', 'x'],
    container: 'c',
    stdin: true,
  });
  session.stdin?.end('hello');
  assert.equal(await text(session.stdout), 'out:hello');
  assert.equal(await text(session.stderr), 'err');
  assert.deepEqual(await session.result, { exitCode: 3, message: 'exit 3' });
  assert.equal(pod.urls[0]?.pathname, '/api/v1/namespaces/ns/pods/p/exec');
  assert.deepEqual(pod.urls[0]?.searchParams.getAll('command'), ['sh', '-c', 'x']);
});

test('a connection that breaks before the command ended is an error, not an exit code of zero', async () => {
  await using pod = await podSide((ws) => ws.terminate());
  const session = await execInPod(pod.transport, 'ns', 'p', { command: ['x'] });
  session.stdout.resume();
  session.stderr.resume();
  await assert.rejects(session.result, (error) => error instanceof KubeError && error.reason === 'Closed');
});

test('a refused stream tells why', async () => {
  const status = JSON.stringify({ kind: 'Status', code: 403, reason: 'Forbidden', message: 'no exec for you' });
  await using pod = await podSide(() => {}, status);
  await assert.rejects(
    execInPod(pod.transport, 'ns', 'p', { command: ['x'] }),
    (error) => error instanceof KubeError && error.code === 403 && /no exec for you/.test(error.message),
  );
});

test('a forwarded port carries bytes both ways, in order and whole, and ends', async () => {
  const sent = Buffer.alloc(3_000_000, 'abcdefg');
  await using pod = await podSide((ws) => {
    ws.send(frame(0, Buffer.from([0x50, 0])));
    ws.send(frame(1, Buffer.from([0x50, 0])));
    ws.on('message', (data: Buffer) => {
      if (data[0] === 0) ws.send(data);
      if (data[0] === 255) ws.close(1000);
    });
  });
  const stream = await forwardPort(pod.transport, 'ns', 'p', 80);
  const echoed = buffer(stream);
  for (let at = 0; at < sent.length; at += 100_000) {
    if (!stream.write(sent.subarray(at, at + 100_000))) await once(stream, 'drain');
  }
  stream.end();
  assert.ok(sent.equals(await echoed));
});

test('an error of the pod ends a forwarded port with that error', async () => {
  await using pod = await podSide((ws) => {
    ws.send(frame(1, Buffer.from([0x50, 0])));
    ws.send(frame(1, 'connection refused'));
  });
  const stream = await forwardPort(pod.transport, 'ns', 'p', 80);
  stream.resume();
  await assert.rejects(
    once(stream, 'close').then(() => Promise.reject(stream.errored)),
    /ns\/p:80: connection refused/,
  );
});
