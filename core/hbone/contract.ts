/** What every implementation of the tunnel must do, as client with any server and as server with any client. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import {
  type ConnectionOptions,
  createServer as createTlsServer,
  type TlsOptions,
  connect as tlsConnect,
} from 'node:tls';
import { connectTcp } from '../net/index.ts';
import { AUTHORITY, type ContractCa, echo, type Implementation, rejection, Stand } from './contract-stand.ts';
import { cuttableWire, silentServer } from './contract-wires.ts';
import { HboneError, type HboneErrorCode } from './errors.ts';
import { eventually, Recorder } from './leg-contract.ts';
import { revocationContract } from './revocation-contract.ts';
import { SUITES, type TlsMaterial } from './types.ts';

const [AES_256, AES_128] = SUITES;
const BOTH = SUITES.join(':');

/** Registers the suite under `name`. */
export function hboneContract(name: string, ca: ContractCa, other: ContractCa, impl: Implementation): void {
  const web = ca.id('shop', 'web');
  const cart = ca.id('shop', 'cart');
  revocationContract(name, ca, other, impl);

  describe(`a tunnel of ${name}`, () => {
    it('opens over mutual TLS: each side knows who the other is, and headers pass both ways', async () => {
      await using stand = await Stand.create(ca, impl, {
        onConnect: (request) => void request.respond(200, { baggage: 'k8s.namespace.name=shop' }),
      });
      const headers = { baggage: 'k8s.cluster.name=c1', forwarded: 'for="10.0.0.1:5"', traceparent: '00-a-b-00' };
      const opened = await stand.open({ headers });
      const [request] = stand.requests;
      assert.equal(opened.peer, cart);
      assert.equal(request?.peer, web);
      assert.equal(request?.authority, AUTHORITY);
      assert.deepEqual(Object.fromEntries(request?.headers ?? []), headers);
      assert.equal(opened.responseHeaders.get('baggage'), 'k8s.namespace.name=shop');
      assert.equal(opened.responseHeaders.has('date'), false);
    });

    it('tells the caller status and headers of a refusal, and the tunnel serves on', async () => {
      for (const status of [400, 401, 503] as const) {
        let refusing = true;
        await using stand = await Stand.create(ca, impl, {
          onConnect: (request) => (refusing ? request.refuse(status, { 'ambit-receipt': '01H' }) : echo(request)),
        });
        const error = await rejection(stand.open());
        assert.deepEqual([error.code, error.status], ['CONNECT_REFUSED', status]);
        assert.equal(error.headers?.get('ambit-receipt'), '01H');
        refusing = false;
        await stand.talk();
        assert.equal(stand.dials, 1);
      }
    });

    it('answers 503 when the decision about a stream fails', async () => {
      await using stand = await Stand.create(ca, impl, { onConnect: () => Promise.reject(new Error('our bug')) });
      assert.equal((await rejection(stand.open())).status, 503);
    });

    it('shares one connection among streams, and one attempt among those who come first', async () => {
      await using stand = await Stand.create(ca, impl);
      const talks = await Promise.all(Array.from({ length: 20 }, () => stand.talk()));
      assert.equal(stand.dials, 1);
      assert.equal(stand.client.stats().streams, 20);
      for (const { leg } of talks) leg.end();
      await Promise.all(talks.map(({ seen }) => seen.ended()));
      await eventually('streams are counted down', () => stand.client.stats().streams === 0);
    });

    it('spreads streams beyond the limit over more connections', async () => {
      await using stand = await Stand.create(ca, impl, { client: { maxStreamsPerConnection: 10 } });
      await Promise.all(Array.from({ length: 25 }, () => stand.talk()));
      assert.equal(stand.dials, 3);
    });

    it('never shares a connection between different keys, nor between certificates', async () => {
      await using stand = await Stand.create(ca, impl);
      await stand.talk({ poolKey: 'one' });
      await stand.talk({ poolKey: 'two' });
      await stand.talk({ poolKey: 'one', source: await ca.material(web) });
      await stand.talk({ poolKey: 'one' });
      assert.equal(stand.dials, 3);
    });

    it('releases an unused connection after its time, and keeps one that is in use', async () => {
      await using stand = await Stand.create(ca, impl, { client: { poolUnusedReleaseMs: 30 } });
      const used = await stand.talk({ poolKey: 'used' });
      const idle = await stand.talk({ poolKey: 'idle' });
      idle.leg.end();
      await idle.seen.ended();
      await eventually('the idle one is gone', () => stand.client.stats().tunnels === 1);
      used.leg.write(Buffer.from(', again'));
      await used.seen.until('the echo', () => used.seen.text === 'hello, again');
    });

    it('dials anew after a failed attempt, and tells everybody who waited for it', async () => {
      await using stand = await Stand.create(ca, impl);
      const broken = () => Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
      const errors = await Promise.all([1, 2, 3].map(() => rejection(stand.open({ connect: broken }))));
      assert.deepEqual(
        errors.map((error) => error.code),
        ['DIAL_FAILED', 'DIAL_FAILED', 'DIAL_FAILED'],
      );
      await stand.talk();
    });

    it('lets one caller go without disturbing the others of the same attempt', async () => {
      await using stand = await Stand.create(ca, impl);
      const abort = new AbortController();
      const impatient = stand.open({ signal: abort.signal });
      const patient = stand.talk();
      abort.abort(new Error('no longer wanted'));
      await assert.rejects(impatient, /no longer wanted/);
      await patient;
      assert.equal(stand.dials, 1);
    });

    it('drains: GOAWAY, running streams go on, new ones use a fresh connection, and the deadline cuts', async () => {
      await using old = await Stand.create(ca, impl);
      await using fresh = await Stand.create(ca, impl);
      const running = await old.talk();
      const drained = old.server.drain(400);
      let used = 0;
      const next = await eventually('a fresh connection', async () => {
        used += 1;
        const opened = await old.open({ connect: () => fresh.connect() }).catch(() => undefined);
        return fresh.dials > 0 ? opened : undefined;
      });
      assert.ok(used > 0 && next);
      running.leg.write(Buffer.from(', still'));
      await running.seen.until('the echo', () => running.seen.text === 'hello, still');
      await drained;
      await running.seen.wasReset();
      assert.deepEqual(
        running.seen.ends.map((event) => event.split(':')[0]),
        ['reset'],
      );
    });

    it('a drain without streams is over at once', async () => {
      await using stand = await Stand.create(ca, impl);
      const { leg, seen } = await stand.talk();
      leg.end();
      await seen.ended();
      await leg.closed;
      const before = performance.now();
      await stand.server.drain(10_000);
      assert.ok(performance.now() - before < 2_000);
    });

    it('survives a connection that breaks after any number of bytes, and leaves nothing behind', async () => {
      await using stand = await Stand.create(ca, impl);
      const budgets = Array.from({ length: 90 }, (_, i) => i * 61);
      let opened = 0;
      for (let at = 0; at < budgets.length; at += 10) {
        const tries = budgets.slice(at, at + 10).map(async (bytes) => {
          const poolKey = `after ${bytes}`;
          await using wire = await cuttableWire(() => stand.tcp(), bytes);
          const open = stand.open({ connect: wire.dial, poolKey });
          open.catch(() => {}); // looked at below
          await Promise.race([open, wire.broken]).catch(() => {});
          await wire[Symbol.asyncDispose]();
          try {
            const { leg } = await open;
            opened += 1;
            const seen = new Recorder();
            leg.deliver(seen);
            await seen.wasReset();
          } catch (error) {
            assert.ok(error instanceof HboneError, String(error));
          }
        });
        await Promise.all(tries);
      }
      assert.ok(opened > 0 && opened < budgets.length, `${opened} of ${budgets.length} got so far as to talk`);
      await eventually('the server has forgotten them', () => {
        const { handshakes, tunnels, streams } = stand.server.stats();
        return handshakes + tunnels + streams === 0;
      });
      await stand.talk();
    });

    it('resets every stream of a connection that breaks', async () => {
      await using stand = await Stand.create(ca, impl);
      await using wire = await cuttableWire(() => stand.tcp());
      const talks = await Promise.all([stand.talk({ connect: wire.dial }), stand.talk({ connect: wire.dial })]);
      wire.sever();
      await Promise.all(talks.map(({ seen }) => seen.wasReset()));
      for (const { seen } of talks) assert.equal(seen.ends.length, 1);
      await eventually('the server noticed', () => stand.server.stats().tunnels === 0);
    });
  });

  describe(`who may open a tunnel to ${name}`, () => {
    const refusals: readonly (readonly [string, HboneErrorCode, () => Promise<TlsMaterial>])[] = [
      ['of another authority', 'UNTRUSTED_CA', () => other.material(web, { roots: ca.authority.rootPem })],
      ['that expired', 'EXPIRED', () => ca.expired(web)],
      ['that is not valid yet', 'NOT_YET_VALID', () => ca.notYetValid(web)],
      ['of another trust domain', 'WRONG_TRUST_DOMAIN', () => ca.material(other.id('shop', 'web'))],
      ['without a workload identity', 'NO_SPIFFE', () => ca.nameless(web)],
      ['with two workload identities', 'SEVERAL_SPIFFE', () => ca.material(web, { also: [cart] })],
      ['for servers only', 'WRONG_USAGE', () => ca.odd(web, { only: 'server' })],
      ['of an authority', 'WRONG_USAGE', () => ca.odd(web, { isCa: true })],
    ];
    it('a client of another trust domain gets in from when the server knows that domain until it does no more', async () => {
      let domains: readonly string[] = [ca.trustDomain];
      await using stand = await Stand.create(ca, impl, { trustDomains: () => domains });
      const source = await ca.material(other.id('shop', 'web'));
      await rejection(stand.open({ source, poolKey: 'before' }));
      domains = [ca.trustDomain, other.trustDomain];
      await stand.talk({ source, poolKey: 'now' });
      assert.equal(stand.requests.at(-1)?.peer, other.id('shop', 'web'));
      domains = [ca.trustDomain];
      await rejection(stand.open({ source, poolKey: 'after' }));
      await eventually('the server says why', () => stand.refused.length === 2);
      for (const { code } of stand.refused) assert.equal(code, 'WRONG_TRUST_DOMAIN');
    });

    for (const [what, code, material] of refusals) {
      it(`a client with a certificate ${what} is refused (${code})`, async () => {
        await using stand = await Stand.create(ca, impl);
        await rejection(stand.open({ source: await material() }));
        await eventually('the server says why', () => stand.refused.length > 0);
        assert.deepEqual(
          stand.refused.map((error) => error.code),
          [code],
        );
        assert.equal(stand.requests.length, 0);
      });
    }

    const raw = (port: number, o: ConnectionOptions) => {
      const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'], ...o });
      socket.on('error', () => {});
      return socket;
    };
    const refusedFor = async (o: (material: TlsMaterial) => ConnectionOptions) => {
      await using stand = await Stand.create(ca, impl);
      const socket = raw(stand.port, o(await ca.material(web)));
      socket.resume();
      const [error] = await eventually('the server says why', () => stand.refused.length > 0 && stand.refused);
      socket.destroy();
      assert.equal(stand.requests.length, 0);
      return error?.code;
    };

    const suites: readonly (readonly [string, TlsMaterial['suites'], offered: string, agreed: string])[] = [
      ['the stronger one unless told otherwise', undefined, BOTH, AES_256],
      ['the only one that is to be used', [AES_128], BOTH, AES_128],
      ['none that is not to be used', [AES_128], AES_256, 'refused'],
      ['of two the one that it prefers itself', [AES_128, AES_256], BOTH, AES_128],
    ];
    for (const [what, own, ciphers, agreed] of suites) {
      it(`suites: a server takes ${what}`, async () => {
        const material = { ...(await ca.material(cart)), ...(own && { suites: own }) };
        await using stand = await Stand.create(ca, impl, { server: material });
        const { key, chain } = await ca.material(web);
        const socket = raw(stand.port, { key, cert: chain, ciphers });
        const name = await Promise.race([
          once(socket, 'secureConnect').then(() => socket.getCipher().standardName),
          once(socket, 'close').then(() => 'refused'),
        ]).catch(() => 'refused');
        socket.destroy();
        assert.equal(name, agreed);
      });
    }

    it('a client without a certificate is refused', async () => {
      assert.equal(await refusedFor(() => ({})), 'NO_CERTIFICATE');
    });

    it('a client that only speaks TLS 1.2 is refused', async () => {
      const code = await refusedFor(({ key, chain }) => ({ key, cert: chain, maxVersion: 'TLSv1.2' }));
      assert.equal(code, 'TLS_VERSION');
    });

    it('a client without h2 is refused', async () => {
      assert.equal(
        await refusedFor(({ key, chain }) => ({ key, cert: chain, ALPNProtocols: ['http/1.1'] })),
        'NO_ALPN',
      );
      assert.equal(await refusedFor(({ key, chain }) => ({ key, cert: chain, ALPNProtocols: [] })), 'NO_ALPN');
    });

    it('a client that does not speak TLS is refused', async () => {
      await using stand = await Stand.create(ca, impl);
      const socket = await stand.tcp();
      socket.on('error', () => {});
      socket.write('GET / HTTP/1.1\r\n\r\n');
      socket.resume();
      await eventually('the server says why', () => stand.refused.length > 0);
      assert.equal(stand.requests.length, 0);
    });

    it('a session can not be resumed: each connection proves its identity anew', async () => {
      await using stand = await Stand.create(ca, impl);
      const { key, chain } = await ca.material(web);
      const first = raw(stand.port, { key, cert: chain });
      // A ticket would come before the first byte of HTTP/2.
      const ticket = once(first, 'session') as Promise<[Buffer]>;
      const [session] = await Promise.race([ticket, once(first, 'data').then(() => [undefined])]);
      first.destroy();
      if (session === undefined) return; // nothing to resume with
      const second = raw(stand.port, { key, cert: chain, session });
      await once(second, 'secureConnect');
      assert.equal(second.isSessionReused(), false);
      second.destroy();
    });

    it('a client that says nothing is cut after the deadline, in TLS and before its SETTINGS', async () => {
      await using stand = await Stand.create(ca, impl, { serverSettings: { handshakeTimeoutMs: 150 } });
      const silent = await stand.tcp();
      const { key, chain } = await ca.material(web);
      const half = raw(stand.port, { key, cert: chain });
      for (const socket of [silent, half]) socket.on('error', () => {}).resume();
      await eventually('both are refused', () => stand.refused.length === 2);
      assert.deepEqual(
        stand.refused.map((error) => error.code),
        ['HANDSHAKE_TIMEOUT', 'HANDSHAKE_TIMEOUT'],
      );
    });

    it('handshakes beyond the limit wait, and beyond that are reset, while others are served', async () => {
      const serverSettings = { maxHandshakes: 2, maxWaitingHandshakes: 2, handshakeTimeoutMs: 300 };
      await using stand = await Stand.create(ca, impl, { serverSettings });
      // The fifth may learn of its reset while it still connects.
      const open = async () => (await stand.tcp()).on('error', () => {}).resume();
      for (let i = 0; i < 5; i++) await open().catch(() => {});
      await eventually('the fifth is reset', () => stand.refused.length >= 1);
      assert.equal(stand.refused[0]?.code, 'HANDSHAKE_OVERLOAD');
      await eventually('the others time out', () => stand.refused.length === 5);
      await stand.talk();
    });

    it('a peer has so many tunnels at most; its own go on, others have theirs, and one that ends makes room', async () => {
      const o = { serverSettings: { maxTunnelsPerPeer: 2 }, client: { poolUnusedReleaseMs: 30 } };
      await using stand = await Stand.create(ca, impl, o);
      const first = await stand.talk({ poolKey: 'first' });
      await stand.talk({ poolKey: 'second' });
      await rejection(stand.open({ poolKey: 'third' }));
      await eventually('the server says why', () => stand.refused.length > 0);
      assert.deepEqual(
        stand.refused.map(({ code }) => code),
        ['TOO_MANY_TUNNELS'],
      );
      await stand.talk({ poolKey: 'second' });
      await stand.talk({ poolKey: 'other', source: await ca.material(ca.id('shop', 'other')) });
      const elsewhere = () => connectTcp({ to: { ip: '127.0.0.1', port: stand.port }, bindSource: '127.0.0.2' });
      await stand.talk({ poolKey: 'elsewhere', connect: elsewhere });
      const before = stand.server.stats().tunnels;
      first.leg.end();
      await eventually('the first one is released', () => stand.server.stats().tunnels < before);
      await stand.talk({ poolKey: 'third' });
    });

    it('a server whose own certificate is not there refuses', async () => {
      await using stand = await Stand.create(ca, impl, { material: () => Promise.reject(new Error('no certificate')) });
      await rejection(stand.open());
      assert.equal(stand.refused[0]?.code, 'MATERIAL_UNAVAILABLE');
    });

    it('a renewed certificate is used from the next handshake on', async () => {
      let current = await ca.expired(cart);
      await using stand = await Stand.create(ca, impl, { material: () => Promise.resolve(current) });
      assert.equal((await rejection(stand.open())).code, 'EXPIRED');
      current = await ca.material(cart);
      await stand.talk();
    });
  });

  describe(`whom ${name} tunnels to`, () => {
    const refusals: readonly (readonly [string, HboneErrorCode, () => Promise<TlsMaterial>])[] = [
      ['of another authority', 'UNTRUSTED_CA', () => other.material(cart, { roots: ca.authority.rootPem })],
      ['that expired', 'EXPIRED', () => ca.expired(cart)],
      ['that is not valid yet', 'NOT_YET_VALID', () => ca.notYetValid(cart)],
      ['of another workload', 'IDENTITY_MISMATCH', () => ca.material(ca.id('shop', 'other'))],
      ['of another trust domain', 'IDENTITY_MISMATCH', () => ca.material(other.id('shop', 'cart'))],
      ['without a workload identity', 'NO_SPIFFE', () => ca.nameless(cart)],
      ['with two workload identities', 'SEVERAL_SPIFFE', () => ca.material(cart, { also: [web] })],
      ['for clients only', 'WRONG_USAGE', () => ca.odd(cart, { only: 'client' })],
    ];
    for (const [what, code, material] of refusals) {
      it(`a server with a certificate ${what} is refused (${code}), before it hears of any stream`, async () => {
        await using stand = await Stand.create(ca, impl, { server: await material() });
        assert.equal((await rejection(stand.open())).code, code);
        assert.equal(stand.requests.length, 0);
      });
    }

    it('a server sees TLS 1.3, h2, a certificate and no server name', async () => {
      const { key, chain, roots } = await ca.material(cart);
      const seen: unknown[] = [];
      const options = {
        key,
        cert: chain,
        ca: roots,
        ALPNProtocols: ['h2'],
        requestCert: true,
        maxVersion: 'TLSv1.3',
      } as const;
      const server = createTlsServer(options, (socket) => {
        const { servername, alpnProtocol, authorized } = socket;
        seen.push(servername, alpnProtocol, authorized, socket.getProtocol(), socket.isSessionReused());
        socket.destroy();
      });
      await using stand = await Stand.create(ca, impl);
      for (let i = 0; i < 2; i++) {
        const connect = async () => {
          server.listen(0, '127.0.0.1');
          await once(server, 'listening');
          const address = server.address();
          assert.ok(typeof address === 'object' && address !== null);
          return connectTcp({ to: { ip: '127.0.0.1', port: address.port } });
        };
        try {
          await rejection(stand.open({ connect }));
        } finally {
          server.close();
        }
      }
      const anew = [false, 'h2', true, 'TLSv1.3', false];
      assert.deepEqual(seen, [...anew, ...anew]);
    });

    // What the pod would be if something else listened on its port.
    const foreign: readonly (readonly [string, HboneErrorCode, TlsOptions])[] = [
      ['that only speaks TLS 1.2', 'TLS_VERSION', { maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] }],
      ['that speaks HTTP/1.1 only', 'NO_ALPN', { ALPNProtocols: ['http/1.1'] }],
      ['that knows nothing of protocols', 'NO_ALPN', {}],
    ];
    for (const [what, code, options] of foreign) {
      it(`a server ${what} is refused (${code})`, async () => {
        const { key, chain, roots } = await ca.material(cart);
        const server = createTlsServer({ key, cert: chain, ca: roots, requestCert: true, ...options });
        server.on('secureConnection', (socket) => socket.on('error', () => {}).resume());
        server.on('tlsClientError', (_, socket) => socket.destroy());
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        await using stand = await Stand.create(ca, impl);
        try {
          const { port } = server.address() as AddressInfo;
          const error = await rejection(stand.open({ connect: () => connectTcp({ to: { ip: '127.0.0.1', port } }) }));
          assert.equal(error.code, code);
        } finally {
          server.close();
        }
      });
    }

    it('one of several expected identities will do', async () => {
      await using stand = await Stand.create(ca, impl);
      await stand.talk({ expected: [ca.id('shop', 'waypoint'), cart] });
    });

    it('no identity expected means nobody is', async () => {
      await using stand = await Stand.create(ca, impl);
      assert.equal((await rejection(stand.open({ expected: [] }))).code, 'IDENTITY_MISMATCH');
    });

    it('a server that does not answer the handshake is given up after the deadline', async () => {
      await using stand = await Stand.create(ca, impl, { client: { settings: { handshakeTimeoutMs: 100 } } });
      await using silent = await silentServer();
      assert.equal((await rejection(stand.open({ connect: silent.dial }))).code, 'HANDSHAKE_TIMEOUT');
    });

    it('a server that does not answer CONNECT is given up after the deadline, and its tunnel serves on', async () => {
      let mute = true;
      await using stand = await Stand.create(ca, impl, {
        client: { settings: { replyTimeoutMs: 100 } },
        onConnect: (request) => (mute ? undefined : echo(request)),
      });
      assert.equal((await rejection(stand.open())).code, 'CONNECT_TIMEOUT');
      await eventually('the server sees it withdrawn', () => stand.requests[0]?.closed.aborted);
      mute = false;
      await stand.talk();
      assert.equal(stand.dials, 1);
    });

    it('a peer that no longer answers PING is dropped, by either side', async () => {
      const settings = { pingIntervalMs: 20, pingTimeoutMs: 100 };
      await using stand = await Stand.create(ca, impl, { client: { settings }, serverSettings: settings });
      await using wire = await cuttableWire(() => stand.tcp());
      const { seen } = await stand.talk({ connect: wire.dial });
      // Nothing but PINGs and their answers pass now, at most two pieces each way in each interval: so many take longer than
      // a peer may be silent.
      const { there, back } = { ...wire.passed };
      await eventually(
        'PINGs have been answered',
        () => wire.passed.there > there + 24 && wire.passed.back > back + 24,
      );
      assert.deepEqual(seen.ends, []);
      wire.cut();
      await seen.wasReset();
      await eventually('the server dropped it', () => stand.server.stats().tunnels === 0);
      await eventually('the client dropped it', () => stand.client.stats().tunnels === 0);
    });
  });
}
