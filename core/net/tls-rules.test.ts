/** What peers may do within TLS 1.3 while a link runs: renew the keys, yes; resume a session, no. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import ffi from 'node:ffi';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { it } from 'node:test';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import { TestCa } from '../../test/support/certificates.ts';
import { connectTcp, TcpConnection, TlsContext, TlsLink, type TlsLinkEvents } from './index.ts';

const ca = await TestCa.create();
const [web, cart] = [await ca.material(ca.id('shop', 'web')), await ca.material(ca.id('shop', 'cart'))];
const optionsOf = ({ key, chain, roots }: typeof web) => ({
  key,
  chain,
  roots,
  suites: 'TLS_AES_128_GCM_SHA256',
  protocol: 'h2',
});

// What a peer may do and we never do ourselves; the library is kept, for functions of a collected one dangle.
const { lib, functions: peer } = ffi.dlopen(null, {
  SSL_key_update: { arguments: ['pointer', 'i32'], return: 'i32' },
  SSL_get_key_update_type: { arguments: ['pointer'], return: 'i32' },
});
const UPDATE_REQUESTED = 1;
const NO_UPDATE = -1;

/** Lets the test reach the connection's state. */
class OpenContext extends TlsContext {
  ssl = 0n;
  override newConnection(): bigint {
    this.ssl = super.newConnection();
    return this.ssl;
  }
}

const TOTAL = 6 << 20;
const PIECE = 8 * 1024;
const EVERY = 64;
/** In flight towards the other end: the kernel takes that much at once. */
const PACED = 32 * 1024;

/** Sends a known stream, renews its keys on the way and asks the other end to do so, and collects what comes. */
class Sender implements TlsLinkEvents {
  readonly all = Promise.withResolvers<void>();
  readonly gone = Promise.withResolvers<void>();
  readonly received: Buffer[] = [];
  readonly context: OpenContext;
  readonly link: TlsLink;
  /** How much more it sends than it has received. */
  readonly #ahead: number;
  #sent = 0;
  #got = 0;
  #pieces = 0;
  updates = 0;

  constructor(connection: TcpConnection, context: OpenContext, role: 'client' | 'server', ahead: number) {
    this.#ahead = ahead;
    this.context = context;
    this.link = new TlsLink(connection, context, role, this);
  }

  secured(): void {
    this.#send();
  }
  data(view: Buffer): void {
    this.received.push(Buffer.from(view));
    this.#got += view.length;
    if (this.#got === TOTAL) this.all.resolve();
    this.#send();
  }
  drained(): void {
    this.#send();
  }
  over(error: unknown): void {
    this.all.reject(new Error(`the link ended after ${this.#got} bytes: ${error}`));
  }
  closed(): void {
    this.gone.resolve();
  }

  #send(): void {
    while (this.#sent < Math.min(TOTAL, this.#got + this.#ahead) && !this.link.isBlocked) {
      const end = Math.min(TOTAL, this.#sent + PIECE);
      this.link.write(stream.subarray(this.#sent, end));
      this.#sent = end;
      if (++this.#pieces % EVERY !== 0 || this.link.isBlocked) continue;
      if (peer.SSL_key_update(this.context.ssl, UPDATE_REQUESTED) === 1) this.updates += 1;
    }
  }
}

const stream = Buffer.alloc(
  TOTAL,
  Uint8Array.from({ length: 997 }, (_, i) => i),
);

async function acceptOne(
  serve: (socket: Socket) => void,
): Promise<{ readonly port: number; readonly close: () => void }> {
  const listener = createTcpServer({ allowHalfOpen: true, pauseOnConnect: true }, serve);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { port: address.port, close: () => listener.close() };
}

async function renewKeysBothWays(ahead: number): Promise<void> {
  const accepted = Promise.withResolvers<Sender>();
  const { port, close } = await acceptOne((socket) =>
    accepted.resolve(new Sender(TcpConnection.adopt(socket), new OpenContext(optionsOf(cart)), 'server', ahead)),
  );
  const client = new Sender(
    await connectTcp({ to: { ip: '127.0.0.1', port } }),
    new OpenContext(optionsOf(web)),
    'client',
    ahead,
  );
  const server = await accepted.promise;
  close();
  await Promise.all([client.all.promise, server.all.promise]);
  for (const end of [client, server]) {
    assert.ok(end.updates >= 2, `only ${end.updates} updates`);
    assert.ok(Buffer.concat(end.received).equals(stream));
    end.link.write(Buffer.from('.')); // an update that was still due goes out before it
    end.link.flush();
    assert.equal(peer.SSL_get_key_update_type(end.context.ssl), NO_UPDATE);
  }
  client.link.reset();
  await Promise.all([client.gone.promise, server.gone.promise.catch(() => {})]);
  assert.ok(lib);
}

it('key updates that both ends ask of each other in mid-stream disturb nothing', () => renewKeysBothWays(PACED));

// OpenSSL answers a key update from inside SSL_read, where a half-written record of ours must not be in its way.
it('the same while both wait for the kernel', () => renewKeysBothWays(TOTAL));

it('no ticket is sent, and one of somebody else is not accepted: no session is ever resumed', async () => {
  const { key, chain, roots } = web;
  const asClient = { host: '127.0.0.1', key, cert: chain, rejectUnauthorized: false, ALPNProtocols: ['h2'] };
  const generous = createTlsServer({ key: cart.key, cert: cart.chain, ca: roots, requestCert: true }, (s) =>
    s.end('x'),
  );
  generous.listen(0, '127.0.0.1');
  await once(generous, 'listening');
  const address = generous.address();
  assert.ok(typeof address === 'object' && address !== null);
  const first = tlsConnect({ ...asClient, ALPNProtocols: [], port: address.port });
  first.resume();
  const [session] = (await once(first, 'session')) as [Buffer];
  first.destroy();
  generous.close();

  const peers: boolean[] = [];
  const { port, close } = await acceptOne((socket) => {
    const link = new TlsLink(TcpConnection.adopt(socket), new TlsContext(optionsOf(cart)), 'server', {
      secured: () => {
        peers.push(link.peerCertificate() !== undefined && link.verifiedChain().length === 2);
        link.write(Buffer.from('hello'));
      },
      data: () => {},
      drained: () => {},
      over: () => {},
      closed: () => {},
    });
  });
  for (const offered of [undefined, session]) {
    let tickets = 0;
    const socket = tlsConnect({ ...asClient, port, ...(offered && { session: offered }) });
    socket.on('session', () => tickets++);
    await once(socket, 'data'); // a ticket would have come before it
    assert.deepEqual([socket.isSessionReused(), tickets], [false, 0]);
    socket.destroy();
  }
  close();
  assert.deepEqual(peers, [true, true]);
});
