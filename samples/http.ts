/**
 * A small HTTP service: says who it is, who called, and on which path.
 * Environment: PORT (8080), NAME (the host name), POD_NAME and NODE_NAME for the answer.
 */
import { createServer } from 'node:http';
import { hostname } from 'node:os';
import { drainOnSigterm, peerName, portFromEnv, serviceName } from './service.ts';

const name = serviceName(process.env, hostname());
const server = createServer((request, response) => {
  const answer = {
    service: name,
    pod: process.env['POD_NAME'] ?? hostname(),
    node: process.env['NODE_NAME'] ?? '',
    path: request.url ?? '/',
    caller: peerName(request.socket.remoteAddress),
  };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(answer)}\n`);
});
server.listen(portFromEnv(process.env, 8080), '::', () =>
  console.log(`${name}: HTTP on ${portFromEnv(process.env, 8080)}`),
);
drainOnSigterm(() => server.close());
