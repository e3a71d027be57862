/** A peer's leaf and the authorities above it, read once, so that it can be judged again whenever a revocation list changes. */
import { X509Certificate } from 'node:crypto';
import { Certificate, type RelativeDistinguishedNames } from 'pkijs';
import { MeshError } from '../../mesh/index.ts';

/** A certificate, and the ones that provably signed it. */
export type Kin = {
  /** The issuer's name; compare with {@link nameKey}. */
  readonly issuer: string;
  /** Lower-case hexadecimal without leading zeros. */
  readonly serial: string;
  readonly signers: readonly X509Certificate[];
};

/** Leaf first; none twice. */
export type Ancestry = readonly Kin[];

/** More candidates are an attack on our time: each is compared with each. */
const MAX_CANDIDATES = 256;

/**
 * Finds the leaf's ancestors among the candidates by signature, not by place or name: whoever sends certificates of his own
 * making along can hide nothing with them. Names without regard to case, space and string type, as OpenSSL compares them.
 * @param chain DER: the leaf, then in any order what may have signed it, trusted roots included.
 * @throws MeshError CHAIN_INCOMPLETE when no self-signed root is reached, CERTIFICATE_MALFORMED
 */
export function ancestryOf(chain: readonly Uint8Array[]): Ancestry {
  if (chain.length > MAX_CANDIDATES) throw new MeshError('CHAIN_INCOMPLETE', 'the chain has too many certificates');
  const candidates = chain.map(read);
  const found: Kin[] = [];
  const seen = new Set<string>();
  let reachesRoot = false;
  const climb = (child: Candidate): void => {
    if (seen.has(child.x509.fingerprint256)) return;
    seen.add(child.x509.fingerprint256);
    const above = candidates.filter(({ x509 }) => child.x509.checkIssued(x509) && child.x509.verify(x509.publicKey));
    found.push({ issuer: child.issuer, serial: child.serial, signers: above.map(({ x509 }) => x509) });
    if (above.some(({ x509 }) => x509.fingerprint256 === child.x509.fingerprint256)) reachesRoot = true;
    for (const parent of above) climb(parent);
  };
  const [leaf] = candidates;
  if (leaf !== undefined) climb(leaf);
  if (!reachesRoot)
    throw new MeshError('CHAIN_INCOMPLETE', 'the chain of the certificate can not be followed to a root');
  return found;
}

/** A name as text that is the same for all encodings of the name. */
export function nameKey(name: RelativeDistinguishedNames): string {
  return JSON.stringify(
    name.typesAndValues.map(({ type, value }) => [
      type,
      String(value.valueBlock.value).trim().replaceAll(/\s+/g, ' ').toLowerCase(),
    ]),
  );
}

/** A serial number as lower-case hexadecimal without leading zeros. */
export const serialKey = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/^0+(?=.)/, '');

type Candidate = { readonly x509: X509Certificate; readonly issuer: string; readonly serial: string };

function read(der: Uint8Array): Candidate {
  try {
    const parsed = Certificate.fromBER(new Uint8Array(der));
    return {
      x509: new X509Certificate(Buffer.from(der)),
      issuer: nameKey(parsed.issuer),
      serial: serialKey(parsed.serialNumber.valueBlock.valueHexView),
    };
  } catch (cause) {
    throw new MeshError('CERTIFICATE_MALFORMED', 'not a readable X.509 certificate', { cause });
  }
}
