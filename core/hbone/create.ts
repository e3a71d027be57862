/** Which implementation stands behind the interface. */
import { createHttp2Client } from './http2-client.ts';
import { createHttp2Server } from './http2-server.ts';
import { createPlaneClient, createPlaneServer } from './plane/index.ts';
import type { HboneClient, HboneClientOptions, HboneServer, HboneServerOptions } from './types.ts';

/** See {@link HboneClient}. One for each pod: two pods never share a tunnel. */
export function createHboneClient(options: HboneClientOptions = {}): HboneClient {
  return options.implementation === 'plane' ? createPlaneClient(options) : createHttp2Client(options);
}

/** See {@link HboneServer}; one for each identity that is served. */
export function createHboneServer(options: HboneServerOptions): HboneServer {
  return options.implementation === 'plane' ? createPlaneServer(options) : createHttp2Server(options);
}
