/** A certificate authority for tests, with the certificates that a good one would never sign, too. */
import { webcrypto } from 'node:crypto';
import { fromBER, Integer, OctetString, Utf8String } from 'asn1js';
import {
  AttributeTypeAndValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  CertificateRevocationList,
  Extension,
  Extensions,
  ExtKeyUsage,
  RelativeDistinguishedNames,
  RevokedCertificate,
  Time,
} from 'pkijs';
import type { TlsMaterial } from '../../core/hbone/index.ts';
import { CertificateAuthority, certificatesOf, generateKeyAndCsr, toPem } from '../../core/identity/index.ts';
import { type SpiffeId, spiffeId } from '../../mesh/index.ts';

const DAY_MS = 86_400_000;
const EXTENDED_KEY_USAGE = '2.5.29.37';
const BASIC_CONSTRAINTS = '2.5.29.19';
const KEY_USAGE = '2.5.29.15';
/** BIT STRING: digitalSignature, keyCertSign, cRLSign. */
const AUTHORITY_USAGE = Uint8Array.of(0x03, 0x02, 0x01, 0x86);
const PURPOSE = { client: '1.3.6.1.5.5.7.3.2', server: '1.3.6.1.5.5.7.3.1' } as const;

/** RFC 5280 section 5.2 asks for both in every list, and some readers insist. */
const CRL_NUMBER_1 = new Extension({ extnID: '2.5.29.20', extnValue: new Integer({ value: 1 }).toBER() });
function keyIdentifierOf(issuer: Certificate): readonly Extension[] {
  const own = issuer.extensions?.find(({ extnID }) => extnID === '2.5.29.14')?.extnValue.valueBlock.valueHexView;
  const id = own === undefined ? undefined : fromBER(new Uint8Array(own)).result;
  if (!(id instanceof OctetString)) return [];
  const value = new AuthorityKeyIdentifier({ keyIdentifier: id });
  return [new Extension({ extnID: '2.5.29.35', extnValue: value.toSchema().toBER() })];
}

export type OddOptions = {
  /** Restricts the certificate to one role. */
  readonly only?: 'client' | 'server';
  /** Makes the leaf an authority. */
  readonly isCa?: boolean;
  /** The subject's organization; else there is no subject. */
  readonly name?: string;
};

export class TestCa {
  readonly authority: CertificateAuthority;
  readonly trustDomain: string;

  private constructor(authority: CertificateAuthority, trustDomain: string) {
    this.authority = authority;
    this.trustDomain = trustDomain;
  }

  static async create(trustDomain = 'cluster.local'): Promise<TestCa> {
    const now = new Date(Date.now() - 30 * DAY_MS);
    return new TestCa(await CertificateAuthority.selfSigned({ trustDomain, now }), trustDomain);
  }

  /** An authority below this one, with its own key; `serial` is that of its certificate. */
  async intermediate(): Promise<TestCa & { readonly serial: string }> {
    const { chain, key, roots, serial } = await this.odd(this.id('authorities', 'below'), {
      isCa: true,
      name: 'below',
    });
    const material = { certPem: chain, keyPem: key, chainPem: chain, rootPem: roots };
    const below = new TestCa(CertificateAuthority.fromPem({ ...material, now: new Date() }), this.trustDomain);
    return Object.assign(below, { serial });
  }

  /** A revocation list of this authority, PEM; expired, for that must not matter. */
  async crl(serials: readonly string[]): Promise<string> {
    const [own] = certificatesOf(this.authority.certPem);
    if (own === undefined) throw new Error('an authority without a certificate');
    const issuer = Certificate.fromBER(own);
    const revokedAt = new Time({ value: new Date(Date.now() - DAY_MS) });
    const crl = new CertificateRevocationList({
      version: 1,
      issuer: issuer.subject,
      thisUpdate: revokedAt,
      nextUpdate: new Time({ value: new Date(Date.now() - DAY_MS / 2) }),
      ...(serials.length > 0 && {
        revokedCertificates: serials.map(
          (serial) => new RevokedCertificate({ userCertificate: integer(serial), revocationDate: revokedAt }),
        ),
      }),
    });
    crl.crlExtensions = new Extensions({ extensions: [...keyIdentifierOf(issuer), CRL_NUMBER_1] });
    await crl.sign(await this.#key(), 'SHA-256');
    return toPem('X509 CRL', new Uint8Array(crl.toSchema(true).toBER()));
  }

  id(namespace: string, serviceAccount: string): SpiffeId {
    return spiffeId(this.trustDomain, namespace, serviceAccount);
  }

  /** A good certificate for one hour from `at`; with more than one identity, or others' trust, not so good. */
  async material(
    identity: SpiffeId,
    o: { readonly at?: Date; readonly also?: readonly string[]; readonly roots?: string } = {},
  ): Promise<TlsMaterial> {
    const { privateKeyPem, csrPem } = await generateKeyAndCsr(identity);
    const signed = await this.authority.sign({
      csrPem,
      identities: [identity, ...(o.also ?? [])],
      ttlSeconds: 3600,
      now: o.at ?? new Date(),
    });
    const { serial, notBefore, notAfter } = signed;
    const chain = signed.chainPem.slice(0, -1).join('');
    return {
      identity,
      key: privateKeyPem,
      chain,
      roots: o.roots ?? this.authority.rootPem,
      serial,
      notBefore,
      notAfter,
    };
  }

  /** Expired a day ago, or valid from tomorrow. */
  expired(identity: SpiffeId): Promise<TlsMaterial> {
    return this.material(identity, { at: new Date(Date.now() - DAY_MS) });
  }

  notYetValid(identity: SpiffeId): Promise<TlsMaterial> {
    return this.material(identity, { at: new Date(Date.now() + DAY_MS) });
  }

  /** A certificate of a server, found by DNS name: no workload identity in it. */
  async nameless(identity: SpiffeId): Promise<TlsMaterial> {
    const { certPem, keyPem, serial, notBefore, notAfter } = await this.authority.issueServing({
      dnsNames: ['nobody.example'],
      ttlSeconds: 3600,
      now: new Date(),
    });
    return { identity, key: keyPem, chain: certPem, roots: this.authority.rootPem, serial, notBefore, notAfter };
  }

  /** A good certificate bent and signed again. */
  async odd(identity: SpiffeId, o: OddOptions): Promise<TlsMaterial> {
    const good = await this.material(identity);
    const [der] = certificatesOf(good.chain);
    if (der === undefined) throw new Error('the authority signed nothing');
    const certificate = Certificate.fromBER(der);
    if (o.name) certificate.subject = organization(o.name);
    for (const extension of certificate.extensions ?? []) bend(extension, o);
    await certificate.sign(await this.#key(), 'SHA-256');
    return { ...good, chain: toPem('CERTIFICATE', new Uint8Array(certificate.toSchema().toBER())) };
  }

  #key(): Promise<CryptoKey> {
    const pem = Buffer.from(this.authority.toSecretData()['ca-key.pem'] ?? '', 'base64').toString();
    const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
    return webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']) as Promise<CryptoKey>;
  }
}

function organization(name: string): RelativeDistinguishedNames {
  const value = new Utf8String({ value: name });
  return new RelativeDistinguishedNames({ typesAndValues: [new AttributeTypeAndValue({ type: '2.5.4.10', value })] });
}

/** DER integers are signed: a leading zero keeps a serial positive. */
function integer(serial: string): Integer {
  const even = serial.length % 2 === 0 ? serial : `0${serial}`;
  return new Integer({
    valueHex: new Uint8Array(Buffer.from(/^[89a-f]/i.test(even) ? `00${even}` : even, 'hex')).buffer,
  });
}

function bend(extension: Extension, o: OddOptions): void {
  const replace = (ber: ArrayBuffer) => {
    extension.extnValue.valueBlock.valueHexView = new Uint8Array(ber);
  };
  if (extension.extnID === EXTENDED_KEY_USAGE && o.only) {
    replace(new ExtKeyUsage({ keyPurposes: [PURPOSE[o.only]] }).toSchema().toBER());
  }
  if (extension.extnID === KEY_USAGE && o.isCa) replace(AUTHORITY_USAGE.buffer);
  if (extension.extnID === BASIC_CONSTRAINTS && o.isCa) replace(new BasicConstraints({ cA: true }).toSchema().toBER());
}
