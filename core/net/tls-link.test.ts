import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import { it } from 'node:test';
import { TestCa } from '../../test/support/certificates.ts';
import { TcpConnection, TlsContext, TlsError, TlsLink, type TlsLinkEvents } from './index.ts';

const ca = await TestCa.create();
const [web, cart] = [await ca.material(ca.id('shop', 'web')), await ca.material(ca.id('shop', 'cart'))];
const SUITES = 'TLS_AES_128_GCM_SHA256';
const contextOf = (o: { readonly key: string; readonly chain: string; readonly roots: string }, protocol = 'h2') =>
  new TlsContext({ key: o.key, chain: o.chain, roots: o.roots, suites: SUITES, protocol });

/** What one end was told, in order, and a way to wait for it. */
class End implements TlsLinkEvents {
  readonly told: string[] = [];
  readonly secure = Promise.withResolvers<void>();
  readonly gone = Promise.withResolvers<void>();
  bytes = Buffer.alloc(0);
  onData: () => void = () => {};
  onSecured: () => void = () => {};
  onDrained: () => void = () => {};
  secured(): void {
    this.told.push('secured');
    this.secure.resolve();
    this.onSecured();
  }
  data(view: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, view]);
    this.onData();
  }
  drained(): void {
    this.onDrained();
  }
  over(error: TlsError | undefined): void {
    this.told.push(`over:${error?.reason ?? 'end'}`);
  }
  closed(): void {
    this.told.push('closed');
    this.gone.resolve();
  }
}

async function sockets(): Promise<readonly [TcpConnection, TcpConnection]> {
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  assert.ok(typeof address === 'object' && address !== null);
  const near = dial({ port: address.port, host: '127.0.0.1', allowHalfOpen: true });
  near.pause();
  const [[far]] = await Promise.all([once(listener, 'connection') as Promise<[Socket]>, once(near, 'connect')]);
  listener.close();
  return [TcpConnection.adopt(near), TcpConnection.adopt(far)];
}

async function pair(protocols: readonly [string, string] = ['h2', 'h2']) {
  const [near, far] = await sockets();
  const [client, server] = [new End(), new End()];
  const serverLink = new TlsLink(far, contextOf(cart, protocols[1]), 'server', server);
  const clientLink = new TlsLink(near, contextOf(web, protocols[0]), 'client', client);
  return { client, server, clientLink, serverLink, near };
}

it('carries bytes both ways, and an end is an end on both sides', async () => {
  const t = await pair();
  await Promise.all([t.client.secure.promise, t.server.secure.promise]);
  assert.equal(t.clientLink.protocol, 'h2');
  assert.ok((t.serverLink.peerCertificate()?.length ?? 0) > 100);
  const payload = Buffer.alloc(300_000, 'abc');
  const arrived = Promise.withResolvers<void>();
  t.server.onData = () => void (t.server.bytes.length === payload.length && arrived.resolve());
  t.clientLink.write(payload);
  await arrived.promise;
  assert.ok(t.server.bytes.equals(payload));
  t.clientLink.end();
  t.clientLink.end();
  await Promise.all([t.client.gone.promise, t.server.gone.promise]);
  assert.deepEqual(t.client.told, ['secured', 'closed']);
  assert.deepEqual(t.server.told, ['secured', 'over:end', 'closed']);
});

it('a reset, from inside its own callback and twice, closes once and is a reset for the peer', async () => {
  const t = await pair();
  t.server.onSecured = () => {
    t.serverLink.reset();
    t.serverLink.reset();
    t.serverLink.end();
    t.serverLink.write(Buffer.from('too late'));
  };
  await Promise.all([t.client.gone.promise, t.server.gone.promise]);
  assert.deepEqual(t.server.told, ['secured', 'closed']);
  assert.match(t.client.told.join(), /over:(?!end)/);
  assert.equal(t.serverLink.peerCertificate(), undefined);
  assert.equal(t.serverLink.protocol, '');
});

it('what a peer does not read waits, and the writer is told when it has gone', async () => {
  const [near, far] = await sockets();
  const client = new End();
  const clientLink = new TlsLink(near, contextOf(web), 'client', client);
  const server = new End();
  const serverLink = new TlsLink(far, contextOf(cart), 'server', server);
  await Promise.all([client.secure.promise, server.secure.promise]);
  const drained = Promise.withResolvers<void>();
  client.onDrained = drained.resolve;
  const chunk = Buffer.alloc(64 * 1024, 1);
  let sent = 0;
  // In one turn of the loop: nobody can read meanwhile.
  for (; !clientLink.isBlocked; sent += chunk.length) clientLink.write(chunk);
  assert.ok(clientLink.backlogBytes > 0);
  await drained.promise;
  assert.equal(clientLink.backlogBytes, 0);
  clientLink.end();
  await server.gone.promise;
  assert.equal(server.bytes.length, sent);
  serverLink.reset();
});

it('a connection that its owner closes takes the link with it', async () => {
  const t = await pair();
  await Promise.all([t.client.secure.promise, t.server.secure.promise]);
  t.near.close();
  await Promise.all([t.client.gone.promise, t.server.gone.promise]);
  assert.deepEqual(t.client.told, ['secured', 'over:CONNECTION_CLOSED', 'closed']);
});

it('ends that agree on no protocol do not meet', async () => {
  const t = await pair(['http/1.1', 'h2']);
  await Promise.all([t.client.gone.promise, t.server.gone.promise]);
  assert.deepEqual(t.server.told, ['over:NO_APPLICATION_PROTOCOL', 'closed']);
});

for (const [what, o] of [
  ['a key that belongs to another certificate', { ...web, key: cart.key }],
  ['a key that is none', { ...web, key: 'nonsense' }],
  ['no certificate', { ...web, chain: '' }],
  ['nobody to trust', { ...web, roots: '' }],
] as const) {
  it(`a context with ${what} is refused`, () => {
    assert.throws(() => contextOf(o), TlsError);
  });
}
