/** The fast implementation of the tunnel: raw descriptors, OpenSSL without Node's streams, our own HTTP/2 for CONNECT. */
export { createPlaneClient } from './client.ts';
export { createPlaneServer } from './server.ts';
