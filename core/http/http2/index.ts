/** HTTP/2 over legs, for requests. */
export { connectHttp2 } from './client.ts';
export { serveHttp2 } from './server.ts';
