/** Opens tunnels on `node:http2`: the plain implementation. */
import { PooledClient } from './pool.ts';
import { Tunnel } from './tunnel.ts';
import type { HboneClient, HboneClientOptions } from './types.ts';

export function createHttp2Client(options: HboneClientOptions): HboneClient {
  return new PooledClient((o, settings) => Tunnel.establish(o, settings, options.onFault), options);
}
