/**
 * A small HTTP service: says who it is, who called, and on which path; over WebSocket, on any path, what it heard.
 * Environment: PORT (8080), NAME (the host name), POD_NAME and NODE_NAME for the answer;
 * FAIL_EVERY: with 2, every second request is answered 503, with 3 every third (readiness excepted).
 */
import { createServer } from 'node:http';
import { hostname } from 'node:os';
import { WebSocketServer } from 'ws';
import { drainOnSigterm, failEveryFromEnv, peerName, portFromEnv, serviceName } from './service.ts';

const name = serviceName(process.env, hostname());
const failEvery = failEveryFromEnv(process.env);
let requests = 0;

const server = createServer((request, response) => {
  const path = request.url ?? '/';
  const isFailing = path !== '/ready' && ++requests % failEvery === 0;
  const answer = {
    service: name,
    pod: process.env['POD_NAME'] ?? hostname(),
    node: process.env['NODE_NAME'] ?? '',
    path,
    caller: peerName(request.socket.remoteAddress),
    ...(isFailing ? { error: 'this version is flaky' } : {}),
  };
  response.writeHead(isFailing ? 503 : 200, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(answer)}\n`);
});
const live = new WebSocketServer({ server, maxPayload: 64 * 1024 });
live.on('connection', (socket) => {
  socket.on('error', () => socket.terminate()); // the caller went away in the middle: nothing to answer
  socket.on('message', (data) => socket.send(`${name} heard ${String(data)}`));
});
server.listen(portFromEnv(process.env, 8080), '::', () => {
  const address = server.address();
  console.log(`${name}: HTTP on ${typeof address === 'object' ? address?.port : address}`);
});
drainOnSigterm(() => {
  server.close();
  for (const socket of live.clients) socket.close(1001);
});
