import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { createSecureContext, type SecureContext, TLSSocket, type TLSSocketOptions } from 'node:tls';
import { TestCa } from '../../test/support/certificates.ts';
import { subjectAltNamesOf } from '../identity/index.ts';
import type { Leg } from './leg.ts';
import { legContract } from './leg-contract.ts';
import { LegStream } from './leg-stream.ts';
import { memoryLegs } from './memory-leg.ts';
import { type ClientTls, secureLeg, TlsLeg } from './tls-over-leg.ts';

const [ca, stranger] = await Promise.all([TestCa.create(), TestCa.create()]);
const NAME = 'api.example.com';
const serving = await ca.authority.issueServing({ dnsNames: [NAME], ttlSeconds: 3600, now: new Date() });
const context = createSecureContext({ ca: ca.authority.rootPem });
const never = new AbortController().signal;

function serverOn(leg: Leg, options: TLSSocketOptions = {}): TLSSocket {
  const own = createSecureContext({ key: serving.keyPem, cert: serving.certPem });
  return new TLSSocket(new LegStream(leg), { isServer: true, secureContext: own, ...options });
}

function client(o: Partial<ClientTls> = {}): ClientTls {
  return { context, serverName: NAME, protocols: [], judge: () => undefined, ...o };
}

legContract('TLS over another leg', {
  told: { cancel: 'connect-error', 'connect-error': 'connect-error', refused: 'connect-error' },
  pair: async () => {
    const [below, far] = memoryLegs();
    const server = serverOn(far);
    server.pause();
    const [{ leg }] = await Promise.all([secureLeg(below, client(), 5_000, never), once(server, 'secure')]);
    return { near: leg, far: new TlsLeg(server, far), [Symbol.asyncDispose]: async () => leg.reset('cancel') };
  },
});

test('who is not the server that is meant gets no byte, and the connection below is cut', async (t) => {
  const other: SecureContext = createSecureContext({ ca: stranger.authority.rootPem });
  const judged = client({ judge: (certificate) => `it is ${subjectAltNamesOf(certificate).dnsNames}` });
  const rows: Readonly<Record<string, readonly [ClientTls, RegExp]>> = {
    'one of another authority': [client({ context: other }), /unable to verify|self.signed/i],
    'one of another name': [judged, /it is api\.example\.com/],
  };
  for (const [name, [options, expected]] of Object.entries(rows)) {
    await t.test(name, async () => {
      const [below, far] = memoryLegs();
      const server = serverOn(far);
      const heard: Buffer[] = [];
      server.on('error', () => {});
      server.on('data', (chunk: Buffer) => heard.push(chunk));
      const closed = once(server, 'close');
      await assert.rejects(secureLeg(below, options, 5_000, never), expected);
      await Promise.all([closed, below.closed]);
      assert.equal(Buffer.concat(heard).length, 0);
    });
  }
});

test('without a judge anybody may answer', async () => {
  const [below, far] = memoryLegs();
  const server = serverOn(far);
  server.on('error', () => {});
  const other = createSecureContext({ ca: stranger.authority.rootPem });
  const { leg } = await secureLeg(below, client({ context: other, judge: undefined }), 5_000, never);
  leg.reset('cancel');
  await leg.closed;
});

test('the name is sent, and a protocol is agreed on', async () => {
  const [below, far] = memoryLegs();
  const server = serverOn(far, { ALPNProtocols: ['h2', 'http/1.1'] });
  server.on('error', () => {});
  const { leg, protocol } = await secureLeg(below, client({ protocols: ['h2'] }), 5_000, never);
  assert.equal(protocol, 'h2');
  assert.equal(Reflect.get(server, 'servername'), NAME);
  leg.reset('cancel');
  await leg.closed;
});

test('a server that says nothing, one that goes, and a caller that goes end the handshake', async (t) => {
  const rows: Readonly<Record<string, readonly [number, (far: Leg, gone: AbortController) => void, RegExp]>> = {
    'nothing is said': [20, () => {}, /no TLS within 0.02 s/],
    'the server goes': [5_000, (far) => far.reset('cancel'), /reset/],
    'the server ends': [5_000, (far) => far.end(), /closed|disconnected/],
    'the caller goes': [5_000, (_, gone) => gone.abort(new Error('it went')), /it went/],
  };
  for (const [name, [timeoutMs, happens, expected]] of Object.entries(rows)) {
    await t.test(name, async () => {
      const [below, far] = memoryLegs();
      far.deliver({ data: () => {}, writable: () => {}, end: () => {}, reset: () => {} });
      const gone = new AbortController();
      const secured = secureLeg(below, client(), timeoutMs, gone.signal);
      setImmediate(() => happens(far, gone));
      await assert.rejects(secured, expected);
      await below.closed;
    });
  }
});
