/** Verifies a peer's certificate chain; pure, so that every implementation of the tunnel decides alike. */
import { X509Certificate } from 'node:crypto';
import { MeshError, type SpiffeId } from '../../mesh/index.ts';
import { spiffeIdsOf } from './names.ts';
import { OID } from './oid.ts';
import { type ParsedCertificate, parseCertificate } from './parsed-certificate.ts';
import { certificatesOf } from './pem.ts';

/** The role of the peer whose certificate is judged. */
export type PeerRole = 'client' | 'server';

export type ChainVerdict = { readonly verdict: 'trusted' } | { readonly verdict: 'refused'; readonly reason: string };

export type PeerVerdict =
  | { readonly verdict: 'trusted'; readonly ids: readonly SpiffeId[] }
  | { readonly verdict: 'refused'; readonly reason: string };

type Link = { readonly x509: X509Certificate; readonly parsed: ParsedCertificate };

/** Longer chains are an attack on our time. */
const MAX_CHAIN = 8;

const PURPOSE: Readonly<Record<PeerRole, string>> = { client: OID.clientAuth, server: OID.serverAuth };

/** The roots that one side trusts, parsed once. */
export class TrustRoots {
  readonly #roots: readonly Link[];
  readonly #fingerprints: ReadonlySet<string>;

  private constructor(roots: readonly Link[]) {
    this.#roots = roots;
    this.#fingerprints = new Set(roots.map(({ x509 }) => x509.fingerprint256));
  }

  /** From a PEM bundle. Throws PEM_MALFORMED or CERTIFICATE_MALFORMED; a bundle without certificates is an error, too. */
  static fromPem(bundle: string): TrustRoots {
    const certificates = certificatesOf(bundle);
    if (certificates.length === 0) throw new MeshError('PEM_MALFORMED', 'a root bundle without certificates');
    return new TrustRoots(certificates.map(readLink));
  }

  has(der: Uint8Array): boolean {
    return this.#fingerprints.has(new X509Certificate(Buffer.from(der)).fingerprint256);
  }

  /** The roots that signed `child`. */
  issuersOf(child: X509Certificate): readonly Link[] {
    return this.#roots.filter((root) => signedBy(child, root.x509));
  }
}

/**
 * Whether a chain (leaf first, then intermediates in any order, as TLS sends it) leads to one of the roots: signatures,
 * validity of every certificate, authority and path length constraints, no critical extension that we can't judge.
 */
export function verifyChain(roots: TrustRoots, chain: readonly Uint8Array<ArrayBuffer>[], now: Date): ChainVerdict {
  if (chain.length === 0) return refused('no certificate was presented');
  if (chain.length > MAX_CHAIN)
    return refused(`the chain has ${chain.length} certificates, at most ${MAX_CHAIN} are read`);
  try {
    const [leaf, ...others] = chain.map(readLink);
    if (leaf === undefined) return refused('no certificate was presented');
    return climb(roots, leaf, others, now, 0);
  } catch (error) {
    return refused(error instanceof Error ? error.message : String(error));
  }
}

/**
 * Judges a peer: its chain, the purpose of its leaf (ztunnel.md section 3.1: if restricted, it must allow the role), and
 * that it names a workload. `ids` are its identities, first one first.
 */
export function verifyPeer(
  roots: TrustRoots,
  chain: readonly Uint8Array<ArrayBuffer>[],
  o: { readonly role: PeerRole; readonly now: Date },
): PeerVerdict {
  const verdict = verifyChain(roots, chain, o.now);
  if (verdict.verdict === 'refused') return verdict;
  const [leaf] = chain;
  if (leaf === undefined) return refused('no certificate was presented');
  const { purposes, isAuthority } = parseCertificate(leaf);
  if (isAuthority) return refused('the leaf is the certificate of an authority');
  if (purposes !== undefined && !purposes.includes(PURPOSE[o.role]) && !purposes.includes(OID.anyExtendedKeyUsage)) {
    return refused(`the leaf may not be used by a ${o.role}`);
  }
  const ids = spiffeIdsOf(new X509Certificate(Buffer.from(leaf)));
  return ids.length === 0 ? refused('the leaf names no workload identity') : { verdict: 'trusted', ids };
}

// Depth first over the few possible issuers; `below` counts the authorities between this certificate and the leaf.
function climb(roots: TrustRoots, child: Link, others: readonly Link[], now: Date, below: number): ChainVerdict {
  const problem = ownProblem(child.parsed, now);
  if (problem !== undefined) return refused(problem);
  let last: ChainVerdict = refused('no trusted root signed the chain');
  for (const root of roots.issuersOf(child.x509)) {
    const reason = ownProblem(root.parsed, now) ?? issuerProblem(root.parsed, below);
    if (reason === undefined) return { verdict: 'trusted' };
    last = refused(`root: ${reason}`);
  }
  for (const issuer of others) {
    if (!signedBy(child.x509, issuer.x509)) continue;
    const reason = issuerProblem(issuer.parsed, below);
    if (reason !== undefined) {
      last = refused(`intermediate: ${reason}`);
      continue;
    }
    const rest = others.filter((other) => other !== issuer);
    const verdict = climb(roots, issuer, rest, now, below + 1);
    if (verdict.verdict === 'trusted') return verdict;
    last = verdict;
  }
  return last;
}

function ownProblem(certificate: ParsedCertificate, now: Date): string | undefined {
  if (now < certificate.notBefore) return `certificate not valid before ${certificate.notBefore.toISOString()}`;
  if (now > certificate.notAfter) return `certificate expired at ${certificate.notAfter.toISOString()}`;
  const [unknown] = certificate.unknownCritical;
  return unknown === undefined ? undefined : `critical extension ${unknown} can't be judged`;
}

function issuerProblem(issuer: ParsedCertificate, below: number): string | undefined {
  if (!issuer.isAuthority) return 'it is not an authority';
  if (!issuer.maySign) return 'its key may not sign certificates';
  if (issuer.pathLength !== undefined && below > issuer.pathLength)
    return `its path length ${issuer.pathLength} is exceeded`;
  return undefined;
}

function signedBy(child: X509Certificate, issuer: X509Certificate): boolean {
  return child.checkIssued(issuer) && child.verify(issuer.publicKey);
}

function readLink(der: Uint8Array<ArrayBuffer>): Link {
  return { x509: new X509Certificate(Buffer.from(der)), parsed: parseCertificate(der) };
}

function refused(reason: string): { readonly verdict: 'refused'; readonly reason: string } {
  return { verdict: 'refused', reason };
}
