/**
 * Both ends of the tunnels around a waypoint, one process for all that are compared: `tunnels.ts DIR IP UPSTREAM`. Ends tunnels on
 * IP:15008, for UPSTREAM on loopback; told `{ to, authority }` it opens a port whose connections go through tunnels to the proxy at `to`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createHboneClient,
  createHboneServer,
  type Leg,
  relay,
  type TlsMaterial,
  tcpLeg,
} from '../../core/hbone/index.ts';
import { connectTcp, listenTcp, localAddress, type TcpConnection, TcpListener } from '../../core/net/index.ts';
import { mustParseIp, parseSpiffeId } from '../../mesh/index.ts';
import { CIPHER_SUITE } from '../peers/peer.ts';

const HBONE_PORT = 15_008;
const [dir = '', ip = '', upstream = ''] = process.argv.slice(2);
const listenOptions = { perTurn: 64, onError: console.error };
const settings = { maxConcurrentStreams: 1_000 };

/** The certificate that `prepare` put there for a service account. */
function material(account: string): TlsMaterial {
  const pem = (name: string) => readFileSync(join(dir, account, name), 'utf8');
  const [notBefore, notAfter] = [new Date(Date.now() - 60_000), new Date(Date.now() + 3_600_000)];
  const identity = parseSpiffeId(`spiffe://cluster.local/ns/shop/sa/${account}`);
  return {
    identity,
    key: pem('key.pem'),
    chain: pem('chain.pem'),
    roots: pem('root.pem'),
    notBefore,
    notAfter,
    serial: '1',
    suites: [CIPHER_SUITE],
  };
}
const [cart, caller] = [material('cart'), material('caller')];
const waypoint = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/waypoint');

async function toUpstream(leg: Leg): Promise<void> {
  await relay(leg, tcpLeg(await connectTcp({ to: { ip: '127.0.0.1', port: Number(upstream) } })));
}
const server = createHboneServer({
  implementation: 'plane',
  settings,
  material: async () => cart,
  onConnect: (request) => toUpstream(request.respond(200)),
  onHandshakeError: (error) => console.error(error.message),
});
new TcpListener(listenTcp({ ip, port: HBONE_PORT }), (connection) => server.accept(connection), listenOptions);

const client = createHboneClient({ implementation: 'plane', settings });
async function intoTunnel(connection: TcpConnection, to: number, authority: string): Promise<void> {
  const { leg } = await client.open({
    dial: { ip: mustParseIp('127.0.0.1'), port: to },
    source: caller,
    expected: [waypoint],
    authority,
    headers: {},
    connect: () => connectTcp({ to: { ip: '127.0.0.1', port: to } }),
    poolKey: String(to),
  });
  await relay(tcpLeg(connection), leg);
}
process.on('message', ({ to, authority }: { readonly to: number; readonly authority: string }) => {
  const fd = listenTcp({ ip: '127.0.0.1', port: 0 });
  const accept = (connection: TcpConnection) => {
    intoTunnel(connection, to, authority).catch((error: unknown) => {
      console.error(String(error));
      connection.reset();
    });
  };
  new TcpListener(fd, accept, listenOptions);
  process.send?.(localAddress(fd)?.port ?? 0);
});
process.once('disconnect', () => process.exit());
process.send?.(HBONE_PORT);
