/** Something that stands where a waypoint would: a tunnel end of its own that says what it was asked for. */
import { createHboneServer } from '../../../core/hbone/index.ts';
import { TcpConnection } from '../../../core/net/index.ts';
import type { TestHost } from '../../support/netns.ts';
import type { ControlPlane } from './control-plane.ts';

const TUNNEL_PORT = 15008;

export type Asked = {
  readonly peer: string;
  readonly authority: string;
  readonly headers: ReadonlyMap<string, string>;
};

/** Serves the tunnel port of a host that is not captured, as the service account of the host's name; gone with the host. */
export async function listenWaypoint(host: TestHost, plane: ControlPlane): Promise<readonly Asked[]> {
  const asked: Asked[] = [];
  const material = await plane.ca.material(plane.ca.id('shop', host.name));
  const server = createHboneServer({
    implementation: 'http2',
    material: async () => material,
    onConnect: (request) => {
      const { peer, authority, headers } = request;
      asked.push({ peer, authority, headers });
      const leg = request.respond(200);
      leg.deliver({ data: () => {}, writable: () => {}, end: () => {}, reset: () => {} });
      leg.write(Buffer.from(`${host.name} was asked for ${authority}`));
      leg.end();
    },
    onHandshakeError: () => {}, // a caller that does not like our certificate: what it makes of that is for the test to see
  });
  const listener = await host.listen(TUNNEL_PORT, (socket) => server.accept(TcpConnection.adopt(socket)));
  listener.once('close', () => void server[Symbol.asyncDispose]());
  return asked;
}
