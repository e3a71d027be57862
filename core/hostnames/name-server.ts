/** Questions to the name servers of our own `/etc/resolv.conf`, from our own namespace: names of the mesh's configuration are not a pod's. */
import { Resolver } from 'node:dns/promises';
import type { LookUp } from './hostnames.ts';

/** So that a name server that is down leaves time for the next. */
const TRY_MS = 1_500;

export interface NameServer extends Disposable {
  readonly lookUp: LookUp;
}

/** Disposing ends the questions that are under way. `servers`: others than those of `/etc/resolv.conf`, as `address:port`. */
export function openNameServer(servers?: readonly string[]): NameServer {
  const resolver = new Resolver({ timeout: TRY_MS, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  return {
    lookUp: (hostname, family) =>
      family === 4 ? resolver.resolve4(hostname, { ttl: true }) : resolver.resolve6(hostname, { ttl: true }),
    [Symbol.dispose]: () => resolver.cancel(),
  };
}
