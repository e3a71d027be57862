/**
 * A small TCP service that speaks first (a greeting, which an L7 proxy could not wait for) and then echoes every byte.
 * Environment: PORT (9000), NAME.
 */
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { drainOnSigterm, peerName, portFromEnv, serviceName } from './service.ts';

const name = serviceName(process.env, hostname());
const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.write(`${name} greets ${peerName(socket.remoteAddress)}\n`);
  socket.on('error', () => socket.destroy()); // the caller went away in the middle: nothing to answer
  socket.pipe(socket);
});
server.listen(portFromEnv(process.env, 9000), '::', () =>
  console.log(`${name}: TCP on ${portFromEnv(process.env, 9000)}`),
);
drainOnSigterm(() => server.close());
