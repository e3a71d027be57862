/** Which implementation stands behind the interface. */
import { tlsProblem } from '../net/index.ts';
import { createHttp2Client } from './http2-client.ts';
import { createHttp2Server } from './http2-server.ts';
import { createPlaneClient, createPlaneServer } from './plane/index.ts';
import type { HboneClient, HboneClientOptions, HboneImplementation, HboneServer, HboneServerOptions } from './types.ts';

/** See {@link HboneClient}. One for each pod: two pods never share a tunnel. */
export function createHboneClient(options: HboneClientOptions): HboneClient {
  return options.implementation === 'plane' ? createPlaneClient(options) : createHttp2Client(options);
}

/** See {@link HboneServer}; one for each identity that is served. */
export function createHboneServer(options: HboneServerOptions): HboneServer {
  return options.implementation === 'plane' ? createPlaneServer(options) : createHttp2Server(options);
}

export type Choice = {
  readonly implementation: HboneImplementation;
  /** Why it is not the faster one, though nobody asked for the other. */
  readonly problem?: string;
};

/**
 * The plane where this Node can carry it, unless told otherwise. `problem` is for tests.
 * @throws Error when the plane is asked for and can't be had.
 */
export function chooseHbone(asked: HboneImplementation | 'auto', problem = tlsProblem()): Choice {
  if (asked === 'http2' || problem === undefined) return { implementation: asked === 'auto' ? 'plane' : asked };
  if (asked === 'plane') throw new Error(`AMBIT_HBONE=plane is not possible with this Node: ${problem}`);
  return { implementation: 'http2', problem };
}
