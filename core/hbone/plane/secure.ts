/** TLS for the plane: contexts from certificates in memory, and what its failures are called. */
import { X509Certificate } from 'node:crypto';
import type { SpiffeId } from '../../../mesh/index.ts';
import { TlsContext, TlsError, type TlsLink } from '../../net/index.ts';
import { chainFault, HboneError, tlsFault } from '../errors.ts';
import { suitesOf } from '../tls-context.ts';
import type { TlsMaterial } from '../types.ts';
import { type Expectation, judgeLeaf } from '../verify-peer.ts';

const contexts = new WeakMap<TlsMaterial, TlsContext>();

/** Once per certificate; a renewed one is a new object. Throws TlsError on unusable PEM. */
export function planeContextFor(material: TlsMaterial): TlsContext {
  let context = contexts.get(material);
  if (context === undefined) {
    const { key, chain, roots } = material;
    context = new TlsContext({ key, chain, roots, suites: suitesOf(material), protocol: 'h2' });
    contexts.set(material, context);
  }
  return context;
}

/** Who is at the other end of a finished handshake, in which OpenSSL has judged the chain. Throws HboneError. */
export function peerOf(link: TlsLink, expectation: Expectation): SpiffeId {
  const der = link.peerCertificate();
  if (der === undefined) throw new HboneError('NO_CERTIFICATE', 'the peer presented no certificate');
  return judgeLeaf(new X509Certificate(der), link.protocol, expectation);
}

export function handshakeFault(error: TlsError | undefined): HboneError {
  if (error === undefined) return new HboneError('TLS_FAILED', 'the peer hung up during the handshake');
  return error.verdict === undefined ? tlsFault(error) : chainFault(error.verdict);
}

export function asHboneError(error: unknown): HboneError {
  if (error instanceof HboneError) return error;
  if (error instanceof TlsError) return handshakeFault(error);
  return new HboneError('CERTIFICATE_INVALID', String(error), { cause: error });
}
