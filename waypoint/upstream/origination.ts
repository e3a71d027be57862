/** TLS with servers that want it: what was told becomes a context, once, and each handshake judges who answers. */
import { createHash, type X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { type ClientTls, type Leg, secureLeg } from '../../core/hbone/index.ts';
import type { HttpVersion } from '../../core/http/index.ts';
import { subjectAltNamesOf } from '../../core/identity/index.ts';
import type { BackendTls, Service } from '../../mesh/index.ts';

type Compiled = {
  /** The same for what is equal: connections made by one are not used by another. */
  readonly id: string;
  readonly context: ClientTls['context'] | Error;
};

const compiled = new WeakMap<BackendTls, Compiled>();

function compile(tls: BackendTls): Compiled {
  let known = compiled.get(tls);
  if (known === undefined) {
    const id = createHash('sha256').update(JSON.stringify(tls)).digest('base64');
    known = { id, context: contextOf(tls) };
    compiled.set(tls, known);
  }
  return known;
}

function contextOf({ roots, chain, key }: BackendTls): ClientTls['context'] | Error {
  try {
    return createSecureContext({
      minVersion: 'TLSv1.2',
      ...(roots !== '' && { ca: roots }),
      ...(chain !== '' && { cert: chain, key }),
    });
  } catch (error) {
    return new Error(`the key, certificate or authorities are no good: ${String(error)}`, { cause: error });
  }
}

/** Tells connections of one kind of TLS from those of others, and from those without; '' for none. */
export function tlsId(tls: BackendTls | undefined): string {
  return tls === undefined ? '' : compile(tls).id;
}

/** RFC 9113 section 3.2: HTTP/2 over TLS is agreed on by this name. */
const PROTOCOLS: Readonly<Record<HttpVersion, string>> = { 'HTTP/2': 'h2', 'HTTP/1.1': 'http/1.1' };

export type Origination = {
  readonly tls: BackendTls;
  /** The name of the endpoint: asked for where the policy names nobody. */
  readonly host: string;
  /** Whose endpoint it is; its own names count where the policy names none. */
  readonly service: Service | undefined;
  /** What will be spoken inside; undefined: whatever the caller speaks. */
  readonly version: HttpVersion | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};

/** Speaks TLS over the leg, which is reset if the server is not who is meant, or does not speak what we will. Rejects with an Error that says why. */
export async function originate(
  leg: Leg,
  { tls, host, service, version, timeoutMs, signal }: Origination,
): Promise<Leg> {
  const { context } = compile(tls);
  const serverName = tls.sni || host;
  if (context instanceof Error) {
    leg.reset('cancel');
    throw context;
  }
  const ofService = service?.subjectAltNames ?? [];
  const names = tls.names.length > 0 ? tls.names : ofService.length > 0 ? ofService : [serverName];
  const protocols = version === undefined ? [] : [PROTOCOLS[version]];
  const judge = tls.unverified ? undefined : (certificate: X509Certificate) => strangerTo(names, certificate);
  const secured = await secureLeg(leg, { context, serverName, protocols, judge }, timeoutMs, signal);
  if (version !== 'HTTP/2' || secured.protocol === 'h2') return secured.leg;
  secured.leg.reset('cancel');
  throw new Error('the server does not speak HTTP/2');
}

/** Why a certificate is of nobody who is meant; undefined: it is of one. */
function strangerTo(names: readonly string[], certificate: X509Certificate): string | undefined {
  if (names.some((name) => isOf(certificate, name))) return undefined;
  const { dnsNames, uris } = subjectAltNamesOf(certificate);
  const has = [...dnsNames, ...uris].slice(0, 5).join(', ').slice(0, 300) || 'nobody by name';
  return `the certificate is not of ${names.join(' or ')}, but of ${has}`;
}

/** RFC 9525: only the alternative names count, and a wildcard stands for one whole label. */
function isOf(certificate: X509Certificate, name: string): boolean {
  if (name === '') return false;
  if (name.includes('://')) return subjectAltNamesOf(certificate).uris.includes(name);
  if (isIP(name) !== 0) return certificate.checkIP(name) !== undefined;
  if (name.startsWith('*.')) return subjectAltNamesOf(certificate).dnsNames.some((own) => isBelow(own, name));
  return certificate.checkHost(name, { subject: 'never', partialWildcards: false }) !== undefined;
}

/** `*.example.com` is any name with one label more than `example.com`, and itself. */
function isBelow(own: string, wildcard: string): boolean {
  const lower = own.toLowerCase();
  const dot = lower.indexOf('.');
  return dot > 0 && lower.slice(dot) === wildcard.slice(1).toLowerCase();
}
