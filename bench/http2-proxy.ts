/**
 * CPU of a request through an HTTP/2 proxy that does nothing else: ours (core/http over TCP legs) beside `node:http2`, in turns. By
 * itself: `sh scripts/node.sh bench/http2-proxy.ts [seconds] [connections] [requests at once on each] [body bytes]`; needs h2load
 * (nghttp2-client).
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectNode, createServer as createNodeServer, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { tcpLeg } from '../core/hbone/index.ts';
import {
  bodyOf,
  type ClientConnection,
  connectHttp2,
  DEFAULT_LIMITS,
  type Handler,
  HeaderFields,
  serveHttp2,
} from '../core/http/index.ts';
import { connectTcp, TcpConnection } from '../core/net/index.ts';
import { cpuSeconds } from './cpu.ts';

const [role = '', ...args] = process.argv.slice(2);
const ROUNDS = 3;
const HOST = '127.0.0.1';
const LIMITS = { ...DEFAULT_LIMITS, streams: 1_000 };

function serve(handler: Handler): void {
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    serveHttp2(tcpLeg(TcpConnection.adopt(socket)), { handler, limits: LIMITS, onRefused: () => {} });
  });
  server.listen(0, HOST, () => process.send?.((server.address() as AddressInfo).port));
}

async function connect(port: number): Promise<ClientConnection> {
  return connectHttp2(tcpLeg(await connectTcp({ to: { ip: HOST, port } })), { limits: LIMITS, onChange: () => {} });
}

function upstream(bodyBytes: number): void {
  const body = Buffer.alloc(bodyBytes, 'x');
  serve(() => ({
    status: 200,
    headers: HeaderFields.of({
      'content-type': 'text/plain',
      date: 'Sat, 01 Jan 2026 00:00:00 GMT',
      server: 'upstream',
    }),
    body: bodyOf(body),
  }));
}

async function ours(to: number): Promise<void> {
  const client = await connect(to);
  serve((request) => {
    const call = client.send(request);
    request.onAbort((error) => call.cancel(error));
    return call.response;
  });
}

function nodes(to: number): void {
  const session = connectNode(`http://${HOST}:${to}`);
  const server = createNodeServer({ settings: { maxConcurrentStreams: LIMITS.streams } });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const call = session.request({ ...headers }, { endStream: stream.endAfterHeaders });
    call.on('response', (head) => {
      stream.respond(head);
      call.pipe(stream);
    });
    call.on('error', () => stream.destroy());
    stream.on('error', () => call.destroy());
    if (!stream.endAfterHeaders) stream.pipe(call);
  });
  server.listen(0, HOST, () => process.send?.((server.address() as AddressInfo).port));
}

async function start(as: string, number: number): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const child = fork(import.meta.filename, [as, String(number)], { execArgv: process.execArgv });
  const [port] = (await once(child, 'message')) as [number];
  return { child, port };
}

type Load = { readonly requests: number; readonly line: string };

async function load(port: number, seconds: number, connections: number, atOnce: number): Promise<Load> {
  const options = [
    '-t1',
    `-c${connections}`,
    `-m${atOnce}`,
    `-D${seconds}`,
    '-H',
    'user-agent: bench',
    '-H',
    'accept: */*',
  ];
  const child = spawn('h2load', [...options, `http://${HOST}:${port}/path?query=1`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const piece of child.stdout.setEncoding('utf8')) text += piece;
  const requests = Number(/requests: \d+ total, \d+ started, (\d+) done/.exec(text)?.[1] ?? 0);
  const failed = /(\d+) failed, (\d+) errored/.exec(text);
  if (requests === 0 || failed?.[1] !== '0') throw new Error(`h2load: ${text}`);
  return { requests, line: /time for request:.*/.exec(text)?.[0] ?? '' };
}

async function measure(seconds: number, connections: number, atOnce: number, bodyBytes: number): Promise<void> {
  const up = await start('upstream', bodyBytes);
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const name of ['ours', 'nodes']) {
        const { child, port } = await start(name, up.port);
        try {
          await load(port, 2, connections, atOnce); // warm
          const pid = child.pid ?? 0;
          const before = cpuSeconds([pid]);
          const { requests, line } = await load(port, seconds, connections, atOnce);
          const cpu = (cpuSeconds([pid]) - before) * 1e6;
          const rate = Math.round(requests / seconds);
          console.log(`${name.padEnd(6)} ${(cpu / requests).toFixed(1)} us CPU/request, ${rate} requests/s; ${line}`);
        } finally {
          child.kill();
        }
      }
    }
  } finally {
    up.child.kill();
  }
}

const number = (at: number, otherwise: number) => Number(args[at] ?? otherwise);
if (role === 'upstream') upstream(number(0, 0));
else if (role === 'ours') await ours(number(0, 0));
else if (role === 'nodes') nodes(number(0, 0));
else {
  await measure(Number(role || 5), number(0, 4), number(1, 8), number(2, 1_024));
}
