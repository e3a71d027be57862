/** What peers send who mean harm: it costs them their own connection, and the pod goes on. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type ClientHttp2Session, constants, connect as http2Connect } from 'node:http2';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { resetSocket } from '../../core/net/index.ts';
import { eventually, needsRoot } from '../support/netns.ts';
import { DataMesh, ending, type MeshOptions } from './data-mesh.ts';

const twoPods: MeshOptions = { pods: ['web', 'cart'], outside: ['out'] };

async function tunnel(mesh: DataMesh, from = 'out', to = 'cart'): Promise<ClientHttp2Session> {
  const { key, chain, roots } = await mesh.ca.material(mesh.ca.id('shop', 'visitor'));
  const socket = await mesh.dial(from, to, 15008);
  const tls = tlsConnect({ socket, key, cert: chain, ca: roots, ALPNProtocols: ['h2'], rejectUnauthorized: false });
  tls.on('error', () => {});
  const session = http2Connect('https://peer', { createConnection: () => tls });
  session.on('error', () => {});
  await once(session, 'remoteSettings');
  return session;
}

function connectStream(session: ClientHttp2Session, headers: Record<string, string>): Promise<number | string> {
  const { promise, resolve } = Promise.withResolvers<number | string>();
  const stream = session.request({ ':method': 'CONNECT', ...headers });
  stream.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  stream.on('response', (answer) => resolve(Number(answer[constants.HTTP2_HEADER_STATUS])));
  stream.on('close', () => resolve('closed'));
  return promise;
}

/** A connection that has carried a byte there and back. */
async function echoed(mesh: DataMesh, from: string): Promise<Socket> {
  const socket = await mesh.dial(from, 'cart', 8080);
  const said = once(socket, 'data');
  socket.resume();
  socket.write('x');
  assert.equal(String((await said)[0]), 'x', from);
  return socket;
}

/** Both ways of the ordinary still work: over the mesh, and from outside. */
async function stillServes(mesh: DataMesh): Promise<void> {
  for (const from of ['web', 'out']) {
    const socket = await echoed(mesh, from);
    socket.destroy();
  }
}

describe('hostile peers', { skip: needsRoot }, () => {
  it('garbage on any port of the proxy ends that connection only', async () => {
    await using mesh = await DataMesh.create(twoPods);
    await mesh.host('cart').listenEcho(8080);
    const pieces: readonly Buffer[] = [
      randomBytes(20_000),
      Buffer.alloc(1), // a record type that is none
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      Buffer.from('CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n'),
      Buffer.from('16030100ff', 'hex'), // a hello that promises 255 bytes
      Buffer.concat([Buffer.from('1603014000', 'hex'), randomBytes(0x4000)]),
    ];
    for (const from of ['web', 'out']) {
      for (const piece of pieces) {
        const ends = [15008, 15006, 15001].map((port) =>
          ending(
            mesh.dial(from, 'cart', port).then((socket) => {
              socket.end(piece);
              return socket;
            }),
          ),
        );
        for (const how of await Promise.all(ends)) assert.match(how, /^(ECONNRESET|EPIPE|end)$/);
      }
    }
    await stillServes(mesh);
  });

  it('connections that are reset as soon as they stand leave nothing behind', async () => {
    await using mesh = await DataMesh.create(twoPods);
    await mesh.host('cart').listenEcho(8080);
    for (const port of [15008, 15006, 15001, 8080]) {
      const dials = Array.from({ length: 60 }, async (_, i) => {
        const socket: Socket = await mesh.dial(i % 2 ? 'web' : 'out', 'cart', port);
        resetSocket(socket);
      });
      await Promise.allSettled(dials);
    }
    await stillServes(mesh);
  });

  it('a peer without a certificate gets no stream', async () => {
    await using mesh = await DataMesh.create(twoPods);
    const socket = await mesh.dial('out', 'cart', 15008);
    const tls = tlsConnect({ socket, ALPNProtocols: ['h2'], rejectUnauthorized: false });
    tls.on('error', () => {});
    const session = http2Connect('https://peer', { createConnection: () => tls });
    session.on('error', () => {});
    const answer = await connectStream(session, { ':authority': `${mesh.host('cart').ip4}:8080` });
    assert.equal(typeof answer, 'string');
    const { observer } = mesh.pod('cart');
    await eventually('the reason', () => observer.handshakes.at(-1)?.code === 'NO_CERTIFICATE');
    assert.equal(observer.connections.length, 0);
  });

  it('authorities that are made to confuse are refused, and those with huge headers never arrive', async () => {
    await using mesh = await DataMesh.create(twoPods);
    await mesh.host('cart').listenEcho(8080);
    const { ip4, ip6 } = mesh.host('cart');
    const session = await tunnel(mesh);
    const refused = [
      `user@${ip4}:8080`,
      `${ip4}:0`,
      `${ip4}:08080 `,
      ` ${ip4}:8080`,
      `${ip4}:-1`,
      `${ip4}:8080:8080`,
      `[${ip6}%eth0]:8080`,
      `[${ip4}]:8080`,
      `${ip6}:8080`,
      `0${ip4}:8080`,
      `0x0a.1.1.1:8080`,
      `127.0.0.1:8080`,
      `[::1]:8080`,
      `0.0.0.0:8080`,
      `169.254.169.254:80`,
      `${ip4}:8080/../x`,
      `${ip4}:1e3`,
      `${ip4}:８０８０`,
      ':',
      'x',
    ];
    for (const authority of refused) {
      const answer = await connectStream(session, { ':authority': authority });
      assert.ok(answer === 400 || answer === 503 || typeof answer === 'string', `${authority} gave ${answer}`);
    }
    for (const authority of [`[::ffff:${ip4}]:8080`, `[${ip6.toUpperCase()}]:8080`]) {
      const at = authority.includes('ffff') ? session : await tunnel(mesh);
      const answer = await connectStream(at, { ':authority': authority });
      // IPv6 is another address than the one that this tunnel came to
      assert.equal(answer, authority.includes('ffff') ? 200 : 400, authority);
      if (at !== session) at.destroy();
    }
    const huge = await tunnel(mesh);
    const answer = await connectStream(huge, { ':authority': `${ip4}:8080`, baggage: 'x'.repeat(70_000) });
    assert.equal(typeof answer, 'string');
    huge.destroy();
    session.destroy();
    await stillServes(mesh);
  });

  it('a pod holds so many connections and no more, in the clear and by streams', async () => {
    await using mesh = await DataMesh.create({ ...twoPods, config: { maxConnections: 6 } });
    await mesh.host('cart').listenEcho(8080);
    const { observer } = mesh.pod('cart');
    const held: Socket[] = [];
    for (let i = 0; i < 6; i++) held.push(await echoed(mesh, 'out'));
    for (let i = 0; i < 3; i++) {
      assert.equal(await ending(mesh.dial('out', 'cart', 8080)), 'ECONNRESET');
    }
    assert.equal(observer.warnings.length, 1);
    for (const socket of held) socket.destroy();
    await eventually('room', () => observer.sockets === 0);

    const session = await tunnel(mesh);
    const authority = { ':authority': `${mesh.host('cart').ip4}:8080` };
    const answers = [];
    for (let i = 0; i < 8; i++) answers.push(await connectStream(session, authority));
    assert.deepEqual(answers, [200, 200, 200, 200, 200, 200, 503, 503]);
    session.destroy();
    await eventually('room', () => observer.sockets === 0);
    await stillServes(mesh);
  });
});
