/** Certificate revocation lists (RFC 5280 section 5), as facts to ask: is anything in this chain revoked? */
import { verify, type X509Certificate } from 'node:crypto';
import { CertificateRevocationList, type RevokedCertificate } from 'pkijs';
import { MeshError } from '../../mesh/index.ts';
import { type Ancestry, nameKey, serialKey } from './ancestry.ts';
import { pemBlocks } from './pem.ts';

/** RFC 3279, RFC 4055, RFC 5758, RFC 8410. `null`: the key alone says it. */
const DIGESTS: Readonly<Record<string, string | null>> = {
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.3.101.112': null,
};

/** All lists of one file. Their expiry does not matter (ztunnel.md section 3.1), and who is not listed is not revoked. */
export class RevocationLists {
  static readonly none = new RevocationLists([]);
  readonly #byIssuer: ReadonlyMap<string, readonly RevocationList[]>;
  /** Certificates that are listed. */
  readonly size: number;

  private constructor(lists: readonly RevocationList[]) {
    this.#byIssuer = Map.groupBy(lists, ({ issuer }) => issuer);
    this.size = lists.reduce((sum, { serials }) => sum + serials.size, 0);
  }

  /** PEM with any number of lists, or one list as DER; nothing at all is a set without lists. Throws CRL_MALFORMED. */
  static parse(file: Uint8Array): RevocationLists {
    if (file.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))) return RevocationLists.none;
    const isDer = file[0] === 0x30; // a SEQUENCE; no PEM begins with the digit 0
    try {
      return new RevocationLists(isDer ? [new RevocationList(file)] : listsOfPem(Buffer.from(file).toString('latin1')));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new MeshError('CRL_MALFORMED', `not a readable revocation list: ${why}`, { cause });
    }
  }

  /**
   * Whether the leaf or an authority above it is on a list of its issuer. A list counts only if the key that signed the
   * certificate signed the list, too; `foreign` is told once of each list that bears an issuer's name and lacks its signature.
   */
  isRevoked(ancestry: Ancestry, foreign: (issuer: string) => void = () => {}): boolean {
    return ancestry.some(({ issuer, serial, signers }) =>
      (this.#byIssuer.get(issuer) ?? []).some((list) => {
        const isGenuine = signers.some((signer) => list.isSignedBy(signer));
        if (!isGenuine && list.complain()) foreign(issuer);
        return isGenuine && list.serials.has(serial);
      }),
    );
  }
}

class RevocationList {
  readonly issuer: string;
  readonly serials: ReadonlySet<string>;
  readonly #signed: Uint8Array;
  readonly #signature: Uint8Array;
  readonly #digest: string | null;
  /** By fingerprint of the certificate; few, for only certificates that trusted ones signed are asked about. */
  readonly #signers = new Map<string, boolean>();
  #hasComplained = false;

  constructor(der: Uint8Array) {
    const crl = CertificateRevocationList.fromBER(new Uint8Array(der));
    const digest = DIGESTS[crl.signatureAlgorithm.algorithmId];
    if (digest === undefined) throw new Error(`signature algorithm ${crl.signatureAlgorithm.algorithmId}`);
    // RFC 5280 section 5.2: such a list (indirect or partial) can't be used.
    const critical = crl.crlExtensions?.extensions.find((extension) => extension.critical);
    if (critical) throw new Error(`critical extension ${critical.extnID} can't be judged`);
    this.issuer = nameKey(crl.issuer);
    this.serials = new Set((crl.revokedCertificates ?? []).map(serialOf));
    this.#signed = crl.tbsView;
    this.#signature = crl.signatureValue.valueBlock.valueHexView;
    this.#digest = digest;
  }

  isSignedBy(signer: X509Certificate): boolean {
    const known = this.#signers.get(signer.fingerprint256);
    if (known !== undefined) return known;
    let isIt = false;
    try {
      isIt = verify(this.#digest, this.#signed, signer.publicKey, this.#signature);
    } catch {
      // a key of another kind than the signature's
    }
    this.#signers.set(signer.fingerprint256, isIt);
    return isIt;
  }

  /** True for the first caller only. */
  complain(): boolean {
    const isFirst = !this.#hasComplained;
    this.#hasComplained = true;
    return isFirst;
  }
}

function serialOf(entry: RevokedCertificate): string {
  const critical = entry.crlEntryExtensions?.extensions.find((extension) => extension.critical);
  if (critical) throw new Error(`critical extension ${critical.extnID} of an entry can't be judged`);
  return serialKey(entry.userCertificate.valueBlock.valueHexView);
}

function listsOfPem(text: string): readonly RevocationList[] {
  const blocks = pemBlocks(text);
  if (blocks.length === 0) throw new Error('neither PEM nor DER');
  return blocks.map(({ label, der }) => {
    if (label !== 'X509 CRL') throw new Error(`expected an X509 CRL block, got ${label}`);
    return new RevocationList(der);
  });
}
