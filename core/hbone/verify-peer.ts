/** Who is at the other end: judged after TLS, before the first byte of HTTP/2. */
import type { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { type SpiffeId, spiffeParts } from '../../mesh/index.ts';
import { certificatesOf, spiffeIdsOf } from '../identity/index.ts';
import { chainFault, HboneError } from './errors.ts';

/** Whom a side accepts: a server anybody of its trust domains, a client only whom it meant to reach. */
export type Expectation =
  | { readonly kind: 'trust-domains'; readonly trustDomains: readonly string[] }
  | { readonly kind: 'identities'; readonly expected: readonly SpiffeId[] };

/** Without other ones, a server accepts the domain of its own certificate. */
export function acceptedBy(own: SpiffeId, trustDomains: (() => readonly string[]) | undefined): Expectation {
  return { kind: 'trust-domains', trustDomains: trustDomains?.() ?? [spiffeParts(own).trustDomain] };
}

/** The peer's one identity. Throws HboneError when there is any doubt about it. */
export function verifyPeer(socket: TLSSocket, expectation: Expectation): SpiffeId {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) throw new HboneError('NO_CERTIFICATE', 'the peer presented no certificate');
  // Node's `rejectUnauthorized` is off so that the reason can be told; this line is what stands in its place.
  if (socket.authorized !== true) throw chainFault(verdictOf(socket));
  return judgeLeaf(leaf, socket.alpnProtocol, expectation);
}

/** DER: the peer's leaf, what Node found to have signed it, and the roots that we trust. For a peer that `verifyPeer` accepts. */
export function chainOf(socket: TLSSocket, roots: string): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  const seen = new Set<string>();
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (next?.raw !== undefined && !seen.has(next.fingerprint256)) {
    seen.add(next.fingerprint256);
    chain.push(next.raw);
    next = next.issuerCertificate; // a root is its own
  }
  return [...chain, ...certificatesOf(roots)];
}

/** The same for a leaf whose chain OpenSSL has found good, for its role, too. Throws HboneError. */
export function judgeLeaf(leaf: X509Certificate, protocol: unknown, expectation: Expectation): SpiffeId {
  // RFC 9113 section 3.2: `h2` has to be agreed on.
  if (protocol !== 'h2') throw new HboneError('NO_ALPN', 'the peer does not offer the protocol h2');
  // OpenSSL has checked the extended key usage for the role; an authority's certificate is no workload's.
  if (leaf.ca) throw new HboneError('WRONG_USAGE', "the peer's leaf is the certificate of an authority");
  const [peer, second] = spiffeIdsOf(leaf);
  if (peer === undefined) throw new HboneError('NO_SPIFFE', "the peer's certificate names no workload identity");
  if (second !== undefined) {
    throw new HboneError('SEVERAL_SPIFFE', `the peer's certificate names ${peer} and ${second}`);
  }
  judge(peer, expectation);
  return peer;
}

function judge(peer: SpiffeId, expectation: Expectation): void {
  if (expectation.kind === 'identities') {
    if (expectation.expected.includes(peer)) return;
    const wanted = expectation.expected.join(' or ') || 'nobody';
    throw new HboneError('IDENTITY_MISMATCH', `the peer is ${peer}, expected ${wanted}`);
  }
  const { trustDomain } = spiffeParts(peer);
  if (expectation.trustDomains.includes(trustDomain)) return;
  const wanted = expectation.trustDomains.join(' or ') || 'that we know';
  throw new HboneError('WRONG_TRUST_DOMAIN', `the peer ${peer} is not of trust domain ${wanted}`);
}

// Typed as an Error, in truth the name of OpenSSL's verdict.
function verdictOf(socket: TLSSocket): string {
  const verdict: unknown = socket.authorizationError;
  return verdict instanceof Error ? ((verdict as NodeJS.ErrnoException).code ?? verdict.message) : String(verdict);
}
