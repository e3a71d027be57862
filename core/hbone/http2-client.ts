/** Opens tunnels on `node:http2`: the plain implementation. */
import { PooledClient } from './pool.ts';
import { RevocationGate } from './revocation-gate.ts';
import { Tunnel } from './tunnel.ts';
import type { HboneClient, HboneClientOptions } from './types.ts';

export function createHttp2Client(options: HboneClientOptions): HboneClient {
  const guards = { gate: new RevocationGate(options.revocations), onFault: options.onFault };
  return new PooledClient((o, settings) => Tunnel.establish(o, settings, guards), options);
}
