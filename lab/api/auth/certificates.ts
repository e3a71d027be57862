/**
 * The lab's own certificate authority: the server's certificate and client certificates for people. It has nothing to do
 * with the mesh's identities, which the controller signs.
 */
import { randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as asn1js from 'asn1js';
import ipaddr from 'ipaddr.js';
import * as pkijs from 'pkijs';

export type KeyPair = { readonly certPem: string; readonly keyPem: string };

// Node's Web Crypto knows newer algorithms than pkijs has types for; none of them is used here.
const engine = new pkijs.CryptoEngine({
  name: 'node',
  crypto: webcrypto as unknown as Crypto,
}) as unknown as pkijs.ICryptoEngine;
const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const VALID_DAYS = 3650;
const DAY_MS = 86_400_000;
// RFC 5280, section 4.2.1: object identifiers of the extensions used here, and of the subject's parts.
const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;
const USAGE_SIGN_CERTIFICATES = 0x06; // keyCertSign and cRLSign
const USAGE_SIGN = 0x80; // digitalSignature

type Subject = { readonly commonName: string; readonly organizations?: readonly string[] };
type Shape = {
  readonly subject: Subject;
  readonly ca: boolean;
  readonly usage?: 'server' | 'client';
  readonly names?: readonly string[];
};

const pem = (label: string, der: ArrayBuffer): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END ${label}-----\n`;

const derOf = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(Buffer.from(text.replace(/-----[^-]+-----/g, ''), 'base64'));

function setName(name: pkijs.RelativeDistinguishedNames, subject: Subject): void {
  const part = (type: string, value: string) =>
    new pkijs.AttributeTypeAndValue({ type, value: new asn1js.Utf8String({ value }) });
  for (const o of subject.organizations ?? []) name.typesAndValues.push(part(OID.organization, o));
  name.typesAndValues.push(part(OID.commonName, subject.commonName));
}

const extension = (extnID: string, critical: boolean, value: asn1js.BaseBlock): pkijs.Extension =>
  new pkijs.Extension({ extnID, critical, extnValue: value.toBER(false) });

function alternativeNames(names: readonly string[]): asn1js.BaseBlock {
  const general = names.map((name) =>
    isIP(name) === 0
      ? new pkijs.GeneralName({ type: 2, value: name })
      : new pkijs.GeneralName({
          type: 7,
          value: new asn1js.OctetString({ valueHex: Uint8Array.from(ipaddr.parse(name).toByteArray()).buffer }),
        }),
  );
  return new pkijs.GeneralNames({ names: general }).toSchema();
}

async function keyId(spki: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  return await webcrypto.subtle.digest('SHA-1', spki);
}

/** Signs with its own key, kept in PEM; leaf keys are made here too, since both ends live in one lab. */
export class LabAuthority {
  readonly certPem: string;
  readonly keyPem: string;
  readonly #certificate: pkijs.Certificate;
  readonly #key: CryptoKey;
  readonly #now: () => Date;

  private constructor(pair: KeyPair, certificate: pkijs.Certificate, key: CryptoKey, now: () => Date) {
    this.certPem = pair.certPem;
    this.keyPem = pair.keyPem;
    this.#certificate = certificate;
    this.#key = key;
    this.#now = now;
  }

  static async create(now: () => Date): Promise<LabAuthority> {
    const pair = await issue({ subject: { commonName: 'ambit-lab-ca' }, ca: true }, undefined, now());
    return LabAuthority.load(pair, now);
  }

  static async load(pair: KeyPair, now: () => Date): Promise<LabAuthority> {
    const certificate = pkijs.Certificate.fromBER(derOf(pair.certPem));
    const key = await webcrypto.subtle.importKey('pkcs8', derOf(pair.keyPem), KEY_ALGORITHM, false, ['sign']);
    return new LabAuthority(pair, certificate, key as CryptoKey, now);
  }

  /** A serving certificate for DNS names and IP addresses. */
  server(names: readonly string[]): Promise<KeyPair> {
    const shape: Shape = { subject: { commonName: 'kube-apiserver' }, ca: false, usage: 'server', names };
    return issue(shape, { certificate: this.#certificate, key: this.#key }, this.#now());
  }

  /** A client certificate: the common name is the user, each organization a group. */
  client(user: string, groups: readonly string[]): Promise<KeyPair> {
    const shape: Shape = { subject: { commonName: user, organizations: groups }, ca: false, usage: 'client' };
    return issue(shape, { certificate: this.#certificate, key: this.#key }, this.#now());
  }
}

async function issue(
  shape: Shape,
  signer: { readonly certificate: pkijs.Certificate; readonly key: CryptoKey } | undefined,
  now: Date,
): Promise<KeyPair> {
  const pair = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const spki = new Uint8Array(await webcrypto.subtle.exportKey('spki', pair.publicKey));
  const certificate = new pkijs.Certificate();
  certificate.version = 2; // v3
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive, and of full length
  certificate.serialNumber = new asn1js.Integer({ valueHex: Uint8Array.from(serial).buffer });
  setName(certificate.subject, shape.subject);
  if (signer === undefined) setName(certificate.issuer, shape.subject);
  else certificate.issuer = signer.certificate.subject;
  certificate.notBefore.value = new Date(now.getTime() - DAY_MS); // a client's clock may be behind
  certificate.notAfter.value = new Date(now.getTime() + VALID_DAYS * DAY_MS);
  await certificate.subjectPublicKeyInfo.importKey(pair.publicKey as CryptoKey, engine);
  const usage = shape.ca ? USAGE_SIGN_CERTIFICATES : USAGE_SIGN;
  const ownId = await keyId(spki);
  const signerSpki = signer?.certificate.subjectPublicKeyInfo.toSchema().toBER(false);
  const signerId = signerSpki === undefined ? ownId : await keyId(new Uint8Array(signerSpki));
  certificate.extensions = [
    extension(OID.basicConstraints, true, new pkijs.BasicConstraints({ cA: shape.ca }).toSchema()),
    extension(OID.keyUsage, true, new asn1js.BitString({ valueHex: Uint8Array.of(usage).buffer })),
    extension(OID.subjectKeyId, false, new asn1js.OctetString({ valueHex: ownId })),
    extension(
      OID.authorityKeyId,
      false,
      new pkijs.AuthorityKeyIdentifier({ keyIdentifier: new asn1js.OctetString({ valueHex: signerId }) }).toSchema(),
    ),
  ];
  if (shape.usage !== undefined) {
    const purpose = shape.usage === 'server' ? OID.serverAuth : OID.clientAuth;
    certificate.extensions.push(
      extension(OID.extendedKeyUsage, false, new pkijs.ExtKeyUsage({ keyPurposes: [purpose] }).toSchema()),
    );
  }
  if (shape.names !== undefined) {
    certificate.extensions.push(extension(OID.subjectAltName, false, alternativeNames(shape.names)));
  }
  await certificate.sign(signer?.key ?? (pair.privateKey as CryptoKey), 'SHA-256', engine);
  return {
    certPem: pem('CERTIFICATE', certificate.toSchema(true).toBER(false)),
    keyPem: pem('PRIVATE KEY', await webcrypto.subtle.exportKey('pkcs8', pair.privateKey)),
  };
}
