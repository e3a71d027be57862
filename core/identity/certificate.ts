/** Builds and signs one X.509 v3 certificate. */
import { randomBytes } from 'node:crypto';
import { Integer, PrintableString, Utf8String } from 'asn1js';
import { AttributeTypeAndValue, Certificate, type Extension, RelativeDistinguishedNames, Time } from 'pkijs';
import { OID } from './oid.ts';
import { publicKeyInfo, type Signer, signStructure } from './signature.ts';

export type CertificateTemplate = {
  readonly serial: Uint8Array<ArrayBuffer>;
  readonly issuer: RelativeDistinguishedNames;
  readonly subject: RelativeDistinguishedNames;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** DER of the SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  readonly extensions: readonly Extension[];
};

/** DER. Times are cut to whole seconds, which is all X.509 can say. */
export function signCertificate(template: CertificateTemplate, signer: Signer): Uint8Array<ArrayBuffer> {
  const certificate = new Certificate();
  certificate.version = 2; // v3
  certificate.serialNumber = new Integer({ valueHex: template.serial.buffer });
  certificate.signature = signer.algorithm;
  certificate.signatureAlgorithm = signer.algorithm;
  certificate.issuer = template.issuer;
  certificate.subject = template.subject;
  certificate.notBefore = x509Time(template.notBefore);
  certificate.notAfter = x509Time(template.notAfter);
  certificate.subjectPublicKeyInfo = publicKeyInfo(template.spki);
  certificate.extensions = [...template.extensions];
  return signStructure(certificate.toSchema(true), signer);
}

/** 128 random bits, positive and never zero (RFC 5280 section 4.1.2.2). */
export function randomSerial(random: (bytes: number) => Uint8Array = randomBytes): Uint8Array<ArrayBuffer> {
  const serial = new Uint8Array(17); // the leading zero byte keeps the number positive
  do serial.set(random(16), 1);
  while (serial.every((byte) => byte === 0));
  return (serial[1] ?? 0) & 0x80 ? serial : serial.slice(firstNonZero(serial));
}

const EMPTY_SEQUENCE = Uint8Array.of(0x30, 0x00).buffer;

export function distinguishedName(parts: { readonly organization?: string; readonly commonName?: string }) {
  const name = new RelativeDistinguishedNames();
  // Left alone, pkijs writes a name without parts as one empty SET, which RFC 5280 section 4.1.2.4 forbids and BoringSSL refuses.
  if (parts.organization === undefined && parts.commonName === undefined) name.valueBeforeDecode = EMPTY_SEQUENCE;
  const add = (type: string, value: string): void => {
    const printable = /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value);
    const text = printable ? new PrintableString({ value }) : new Utf8String({ value });
    name.typesAndValues.push(new AttributeTypeAndValue({ type, value: text }));
  };
  if (parts.organization !== undefined) add(OID.organization, parts.organization);
  if (parts.commonName !== undefined) add(OID.commonName, parts.commonName);
  return name;
}

// DER integers have no superfluous leading zero byte.
function firstNonZero(bytes: Uint8Array): number {
  const at = bytes.findIndex((byte) => byte !== 0);
  return (bytes[at] ?? 0) & 0x80 ? at - 1 : at;
}

// RFC 5280 section 4.1.2.5: UTCTime through 2049, GeneralizedTime after.
function x509Time(date: Date): Time {
  const value = new Date(Math.floor(date.getTime() / 1000) * 1000);
  return new Time({ type: value.getUTCFullYear() < 2050 ? 0 : 1, value });
}
