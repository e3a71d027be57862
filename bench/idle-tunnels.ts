/** Tunnels to a node that carry nothing, from as many callers: what the memory of one is measured by. */
import { createHboneClient, type HboneClient, type TlsMaterial } from '../core/hbone/index.ts';
import { connectTcp } from '../core/net/index.ts';
import { mustParseIp, parseSpiffeId } from '../mesh/index.ts';
import type { MeshWorld } from '../test/ztunnel/support/mesh-world.ts';
import { identityOf } from '../test/ztunnel/support/resources.ts';
import { ECHO_PORT } from './load.ts';

const HBONE_PORT = 15008;
const PROXY_MARK = 1337; // what it dials itself is not captured
const HANDSHAKES_AT_ONCE = 32;
const OPEN_MS = 10_000;

/** Opens so many from the client's pod to the server's, each with a connection that is over when this resolves; kept until disposed. */
export async function idleTunnels(world: MeshWorld, tunnels: number): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const client = stack.use(createHboneClient({ implementation: 'plane' }));
  const source = await world.plane.ca.material(parseSpiffeId(identityOf('client')));
  for (let from = 0; from < tunnels; from += HANDSHAKES_AT_ONCE) {
    const some = Array.from({ length: Math.min(HANDSHAKES_AT_ONCE, tunnels - from) }, (_, i) => from + i);
    await Promise.all(some.map((i) => openAndEnd(world, client, source, `tunnel ${i}`)));
  }
  return stack.move();
}

async function openAndEnd(world: MeshWorld, client: HboneClient, source: TlsMaterial, poolKey: string): Promise<void> {
  const ip = world.host('server').ip4;
  const to = { ip: mustParseIp(ip), port: HBONE_PORT };
  const { leg } = await client.open({
    dial: to,
    source,
    expected: [parseSpiffeId(identityOf('server'))],
    authority: `${ip}:${ECHO_PORT}`,
    headers: {},
    connect: () => connectTcp({ netns: world.host('client').netns, to, mark: PROXY_MARK }),
    poolKey,
    signal: AbortSignal.timeout(OPEN_MS),
  });
  leg.deliver({ data: () => {}, writable: () => {}, end: () => {}, reset: () => {} });
  leg.end(); // the echo ends, too
  await leg.closed;
}
