import assert from 'node:assert/strict';
import { constants, connect as http2Connect } from 'node:http2';
import { describe, it } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import type { TlsMaterial } from '../../core/hbone/index.ts';
import { TestCa } from '../support/certificates.ts';
import { eventually, needsRoot } from '../support/netns.ts';
import { DataMesh, ending, type MeshOptions } from './data-mesh.ts';

const twoPods: MeshOptions = { pods: ['web', 'cart'], outside: ['out'] };
const PORTS = [15001, 15006, 15008] as const;

/** The status that a hand-made CONNECT from outside the mesh gets, with whatever certificate. */
async function connectBy(
  mesh: DataMesh,
  material: TlsMaterial,
  headers: Record<string, string>,
): Promise<number | string> {
  const socket = await mesh.dial('out', 'cart', 15008);
  const { key, chain, roots } = material;
  const tls = tlsConnect({ socket, key, cert: chain, ca: roots, ALPNProtocols: ['h2'], rejectUnauthorized: false });
  const session = http2Connect('https://cart', { createConnection: () => tls });
  const { promise, resolve } = Promise.withResolvers<number | string>();
  for (const emitter of [tls, session]) emitter.on('error', (e: NodeJS.ErrnoException) => resolve(e.code ?? e.message));
  for (const event of ['end', 'close']) tls.on(event, () => resolve('closed'));
  const stream = session.request(headers);
  stream.on('error', () => {});
  stream.on('response', (answer) => resolve(Number(answer[constants.HTTP2_HEADER_STATUS])));
  return promise.finally(() => session.destroy());
}

describe('calls to the proxy itself', { skip: needsRoot }, () => {
  for (const from of ['web', 'out'] as const) {
    for (const to of ['web', 'cart'] as const) {
      it(`from ${from === 'web' ? 'an enrolled pod' : 'outside'} to the ports of ${to} are never relayed`, async () => {
        await using mesh = await DataMesh.create(twoPods);
        const endings = await Promise.all(
          PORTS.map(async (port) => {
            const dialled = mesh.dial(from, to, port).then((socket) => {
              socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
              return socket;
            });
            return ending(dialled);
          }),
        );
        for (const how of endings) assert.match(how, /^(ECONNRESET|EPIPE|end)$/);
        await eventually('nothing is left', () =>
          [...mesh.pods.values()].every(({ proxy }) => {
            const { inbound, outbound } = proxy.connections();
            return inbound.length + outbound.length === 0;
          }),
        );
      });
    }
  }

  it('over loopback inside the pod are cut', async () => {
    await using mesh = await DataMesh.create(twoPods);
    for (const ip of ['127.0.0.1', '::1']) {
      for (const port of PORTS) {
        const dialled = mesh.dialIp('web', ip, port).then((socket) => {
          socket.write('hello');
          return socket;
        });
        assert.match(await ending(dialled), /^(ECONNRESET|EPIPE|end)$/, `${ip} port ${port}`);
      }
    }
  });
});

describe('hand-made CONNECT requests', { skip: needsRoot }, () => {
  const connect = (authority: string) => ({ ':method': 'CONNECT', ':authority': authority });

  it('with a good certificate reach the application only at its own address', async () => {
    await using mesh = await DataMesh.create(twoPods);
    await mesh.host('cart').listenEcho(8080);
    await mesh.host('out').listenEcho(8080);
    const material = await mesh.ca.material(mesh.ca.id('shop', 'visitor'));
    const { ip4 } = mesh.host('cart');
    const cases: readonly (readonly [string, Record<string, string>, number])[] = [
      ['its own address', connect(`${ip4}:8080`), 200],
      ['another address', connect(`${mesh.host('out').ip4}:8080`), 400],
      ['an authority without a port', connect(ip4), 400],
      ['an impossible port', connect(`${ip4}:99999`), 400],
      ['a name that nobody has', connect('nobody.shop.svc.cluster.local:80'), 503],
      ['a port where nothing listens', connect(`${ip4}:8081`), 503],
      ['a port of the proxy', connect(`${ip4}:15008`), 503],
      ['another method', { ':method': 'GET', ':path': '/', ':authority': `${ip4}:8080`, ':scheme': 'https' }, 400],
    ];
    for (const [what, headers, status] of cases) {
      assert.equal(await connectBy(mesh, material, headers), status, what);
    }
    // The policy's address is that of the TCP connection, not what the request claims.
    assert.equal(mesh.pod('cart').observer.connections[0]?.context.src.addr.ip, mesh.host('out').ip4);
  });

  it('with a certificate that can not be trusted reach nobody, and the reason is told', async () => {
    await using mesh = await DataMesh.create(twoPods);
    await mesh.host('cart').listenEcho(8080);
    const foreign = await TestCa.create('cluster.local');
    const elsewhere = await TestCa.create('elsewhere.example');
    const web = mesh.ca.id('shop', 'web');
    const cases: readonly (readonly [string, TlsMaterial])[] = [
      ['UNTRUSTED_CA', await foreign.material(web)],
      ['UNTRUSTED_CA', await elsewhere.material(elsewhere.id('shop', 'web'))],
      ['WRONG_TRUST_DOMAIN', await mesh.ca.material(elsewhere.id('shop', 'web'))],
      ['EXPIRED', await mesh.ca.expired(web)],
    ];
    const authority = connect(`${mesh.host('cart').ip4}:8080`);
    for (const [code, material] of cases) {
      assert.equal(typeof (await connectBy(mesh, material, authority)), 'string');
      const { observer } = mesh.pod('cart');
      await eventually(`the reason ${code}`, () => observer.handshakes.at(-1)?.code === code);
      assert.equal(observer.connections.length, 0);
    }
  });
});

describe('a destination with another identity than the mesh says', { skip: needsRoot }, () => {
  it('is not talked to', async () => {
    await using mesh = await DataMesh.create({
      ...twoPods,
      material: (pod, ca) => (pod === 'cart' ? ca.material(ca.id('shop', 'impostor')) : undefined),
    });
    await mesh.host('cart').listenEcho(8080);
    const socket = await mesh.dial('web', 'cart', 8080);
    socket.write('secret');
    assert.equal(await ending(socket), 'ECONNRESET');
    const { result } = await mesh.pod('web').observer.over();
    assert.equal(result.flags, 'CONNECT');
    assert.match(result.error ?? '', /impostor/);
    assert.equal(mesh.pod('cart').observer.connections.length, 0);
  });
});
