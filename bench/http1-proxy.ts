/**
 * CPU of a request through an HTTP/1.1 proxy that does nothing else: ours (core/http over TCP legs) beside `node:http` with undici, in
 * turns. By itself: `sh scripts/node.sh bench/http1-proxy.ts [seconds] [connections] [body bytes]`; needs h2load (nghttp2-client).
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { Pool } from 'undici';
import { tcpLeg } from '../core/hbone/index.ts';
import {
  type ClientConnection,
  connectHttp1,
  DEFAULT_LIMITS,
  type HttpRequest,
  serveHttp1,
} from '../core/http/index.ts';
import { connectTcp, TcpConnection } from '../core/net/index.ts';
import { cpuSeconds } from './cpu.ts';

const [role = '', ...args] = process.argv.slice(2);
const ROUNDS = 3;

/** Answers each empty line with the same bytes: nothing that costs would be the proxy's. */
function upstream(bodyBytes: number): void {
  const answer = Buffer.from(
    `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sat, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: ${bodyBytes}\r\n\r\n${'x'.repeat(bodyBytes)}`,
  );
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      if (bytes.includes('\r\n\r\n')) socket.write(answer);
    });
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}

function ours(to: number): void {
  const idle: ClientConnection[] = [];
  const connect = async (): Promise<ClientConnection> => {
    const client: ClientConnection = connectHttp1(tcpLeg(await connectTcp({ to: { ip: '127.0.0.1', port: to } })), {
      limits: DEFAULT_LIMITS,
      onChange: () => {
        if (client.capacity > 0) idle.push(client);
      },
    });
    return client;
  };
  const forward = (request: HttpRequest, client: ClientConnection) => {
    request.headers.set('x-forwarded-proto', 'http');
    request.headers.set('x-request-id', '0123456789');
    return client.send(request).response;
  };
  const handler = (request: HttpRequest) => {
    for (let client = idle.pop(); client !== undefined; client = idle.pop()) {
      if (client.capacity > 0) return forward(request, client);
    }
    return connect().then((client) => forward(request, client));
  };
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    serveHttp1(tcpLeg(TcpConnection.adopt(socket)), { handler, limits: DEFAULT_LIMITS, onRefused: () => {} });
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}

function nodes(to: number): void {
  const pool = new Pool(`http://127.0.0.1:${to}`, { connections: 256 });
  const server = createHttpServer((request, response) => {
    const headers = { ...request.headers, 'x-forwarded-proto': 'http', 'x-request-id': '0123456789' };
    Reflect.deleteProperty(headers, 'connection');
    pool.stream(
      { path: request.url ?? '/', method: (request.method ?? 'GET') as 'GET', headers },
      ({ statusCode, headers: answered }) => response.writeHead(statusCode, answered as Record<string, string>),
      (error) => {
        if (error) response.destroy(error);
      },
    );
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}

async function start(as: string, number: number): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const child = fork(import.meta.filename, [as, String(number)], { execArgv: process.execArgv });
  const [port] = (await once(child, 'message')) as [number];
  return { child, port };
}

async function load(port: number, seconds: number, connections: number): Promise<{ requests: number; line: string }> {
  const child = spawn(
    'h2load',
    [
      '--h1',
      '-t1',
      `-c${connections}`,
      `-D${seconds}`,
      '-H',
      'user-agent: bench',
      '-H',
      'accept: */*',
      `http://127.0.0.1:${port}/path?query=1`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let text = '';
  for await (const piece of child.stdout.setEncoding('utf8')) text += piece;
  const requests = Number(/requests: \d+ total, \d+ started, (\d+) done/.exec(text)?.[1] ?? 0);
  const failed = /(\d+) failed, (\d+) errored/.exec(text);
  if (requests === 0 || failed?.[1] !== '0') throw new Error(`h2load: ${text}`);
  return { requests, line: /time for request:.*/.exec(text)?.[0] ?? '' };
}

async function measure(seconds: number, connections: number, bodyBytes: number): Promise<void> {
  const up = await start('upstream', bodyBytes);
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const name of ['ours', 'nodes']) {
        const { child, port } = await start(name, up.port);
        try {
          await load(port, 2, connections); // warm
          const pid = child.pid ?? 0;
          const before = cpuSeconds([pid]);
          const { requests, line } = await load(port, seconds, connections);
          const cpu = (cpuSeconds([pid]) - before) * 1e6;
          console.log(
            `${name.padEnd(6)} ${(cpu / requests).toFixed(1)} us CPU/request, ${Math.round(requests / seconds)} requests/s; ${line}`,
          );
        } finally {
          child.kill();
        }
      }
    }
  } finally {
    up.child.kill();
  }
}

if (role === 'upstream') upstream(Number(args[0]));
else if (role === 'ours') ours(Number(args[0]));
else if (role === 'nodes') nodes(Number(args[0]));
else await measure(Number(role || 5), Number(args[0] ?? 32), Number(args[1] ?? 1024));
