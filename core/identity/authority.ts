/** The certificate authority of the mesh: a signing key with its chain to the root. Rules of controller.md section 5.2. */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { Certificate, type RelativeDistinguishedNames } from 'pkijs';
import { MeshError } from '../../mesh/index.ts';
import { type AuthorityMaterial, checkAuthority, materialFromSecret, materialToSecret } from './authority-material.ts';
import { distinguishedName, randomSerial, signCertificate } from './certificate.ts';
import { parseCsr } from './csr.ts';
import {
  authorityKeyIdentifier,
  basicConstraints,
  keyIdentifier,
  keyUsage,
  serverAndClientUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from './extensions.ts';
import { inspectCertificate } from './inspect.ts';
import { parseCertificate } from './parsed-certificate.ts';
import { toPem } from './pem.ts';
import { publicKeyInfo, type Signer, signerOf } from './signature.ts';

export type SignedCertificate = {
  readonly certPem: string;
  /** In the order of the CA protocol: leaf, each intermediate, and last the root bundle as one element. */
  readonly chainPem: readonly string[];
  /** Lower-case hexadecimal, as `inspectCertificate` shows it. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
};

export type ServingCertificate = SignedCertificate & { readonly keyPem: string };

const generate = promisify(generateKeyPair);

/** controller.md section 5.2: tolerates peers whose clocks are a little behind. */
const BACKDATE_MS = 120_000;
/** controller.md section 5.4. */
const ROOT_TTL_DAYS = 3650;
const DAY_MS = 86_400_000;
/** RFC 5280 appendix A.1, ub-common-name. */
const MAX_COMMON_NAME = 64;

export class CertificateAuthority {
  readonly #material: AuthorityMaterial;
  readonly #signer: Signer;
  readonly #issuer: RelativeDistinguishedNames;
  readonly #keyId: Uint8Array<ArrayBuffer> | undefined;
  readonly #intermediates: readonly string[];
  /** End of the signing certificate; nothing outlives it. */
  readonly notAfter: Date;

  private constructor(material: AuthorityMaterial, now: Date) {
    const checked = checkAuthority(material, now);
    this.#material = material;
    this.#signer = signerOf(checked.key);
    const own = Certificate.fromBER(checked.certificate);
    this.#issuer = own.subject;
    this.#keyId = parseCertificate(checked.certificate).subjectKeyId;
    this.#intermediates = checked.intermediates.map((der) => toPem('CERTIFICATE', der));
    this.notAfter = checked.notAfter;
  }

  /** A new self-signed P-256 root, named for its trust domain. */
  static async selfSigned(o: { readonly trustDomain: string; readonly now: Date }): Promise<CertificateAuthority> {
    const { privateKey, publicKey } = await generate('ec', { namedCurve: 'prime256v1' });
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const keyId = keyIdentifier(publicKeyInfo(spki));
    const name = distinguishedName({ organization: o.trustDomain });
    const certificate = signCertificate(
      {
        serial: randomSerial(),
        issuer: name,
        subject: name,
        notBefore: new Date(o.now.getTime() - BACKDATE_MS),
        notAfter: new Date(o.now.getTime() + ROOT_TTL_DAYS * DAY_MS),
        spki,
        extensions: [keyUsage('authority'), basicConstraints(true), subjectKeyIdentifier(keyId)],
      },
      signerOf(privateKey),
    );
    const certPem = toPem('CERTIFICATE', certificate);
    const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return new CertificateAuthority({ certPem, keyPem, chainPem: '', rootPem: certPem }, o.now);
  }

  /** An authority from its parts. Throws CA_MATERIAL_INVALID naming the part and the reason. */
  static fromPem(o: AuthorityMaterial & { readonly now: Date }): CertificateAuthority {
    return new CertificateAuthority(o, o.now);
  }

  /** From the (base64) data of `istio-ca-secret` or `cacerts`; both spellings of the keys. Throws CA_MATERIAL_INVALID. */
  static fromSecretData(data: Readonly<Record<string, string>>, now: Date): CertificateAuthority {
    return new CertificateAuthority(materialFromSecret(data), now);
  }

  /** The data of a Secret that `fromSecretData` (and the reference) reads, base64. */
  toSecretData(): Record<string, string> {
    return materialToSecret(this.#material);
  }

  /** The root bundle. */
  get rootPem(): string {
    return this.#material.rootPem;
  }

  /** The signing certificate itself; for a self-signed authority the root. */
  get certPem(): string {
    return this.#material.certPem;
  }

  /**
   * Signs a leaf for `identities`. Only the key is taken from the request, and that it asked for a common name; every
   * other name in it is ignored. Throws CSR_INVALID, TTL_INVALID, or CA_EXPIRED.
   */
  async sign(o: {
    readonly csrPem: string;
    readonly identities: readonly string[];
    readonly ttlSeconds: number;
    readonly now: Date;
  }): Promise<SignedCertificate> {
    const [first] = o.identities;
    if (first === undefined) throw new MeshError('IDENTITY_MISSING', 'a certificate without identity is not signed');
    const csr = parseCsr(o.csrPem);
    const named = csr.commonName !== '' && first.length <= MAX_COMMON_NAME;
    return this.#issue({
      spki: csr.spki,
      ...(named ? { commonName: first } : {}),
      names: { uris: o.identities },
      ttlSeconds: o.ttlSeconds,
      now: o.now,
    });
  }

  /** A key and certificate for a server of the control plane, found by DNS name. */
  async issueServing(o: {
    readonly dnsNames: readonly string[];
    readonly ttlSeconds: number;
    readonly now: Date;
  }): Promise<ServingCertificate> {
    const { privateKey, publicKey } = await generate('ec', { namedCurve: 'prime256v1' });
    const signed = this.#issue({
      spki: publicKey.export({ type: 'spki', format: 'der' }),
      names: { dnsNames: o.dnsNames },
      ttlSeconds: o.ttlSeconds,
      now: o.now,
    });
    return { ...signed, keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }

  #issue(o: {
    readonly spki: Uint8Array;
    readonly commonName?: string;
    readonly names: { readonly uris?: readonly string[]; readonly dnsNames?: readonly string[] };
    readonly ttlSeconds: number;
    readonly now: Date;
  }): SignedCertificate {
    if (!Number.isFinite(o.ttlSeconds) || o.ttlSeconds <= 0) {
      throw new MeshError('TTL_INVALID', `a time to live of ${o.ttlSeconds} s can't be signed`);
    }
    if (o.now >= this.notAfter) {
      throw new MeshError('CA_EXPIRED', `the signing certificate ended at ${this.notAfter.toISOString()}`);
    }
    const wanted = new Date(o.now.getTime() + o.ttlSeconds * 1000);
    const der = signCertificate(
      {
        serial: randomSerial(),
        issuer: this.#issuer,
        subject: distinguishedName(o.commonName === undefined ? {} : { commonName: o.commonName }),
        notBefore: new Date(o.now.getTime() - BACKDATE_MS),
        notAfter: wanted < this.notAfter ? wanted : this.notAfter,
        spki: o.spki,
        extensions: [
          keyUsage('leaf'),
          serverAndClientUsage(),
          basicConstraints(false),
          ...(this.#keyId === undefined ? [] : [authorityKeyIdentifier(this.#keyId)]),
          subjectAltName(o.names),
        ],
      },
      this.#signer,
    );
    const certPem = toPem('CERTIFICATE', der);
    const { serial, notBefore, notAfter } = inspectCertificate(der);
    return { certPem, chainPem: [certPem, ...this.#intermediates, this.rootPem], serial, notBefore, notAfter };
  }
}
