/** What a certificate says, for people, tests and the decision when to renew. */
import { X509Certificate } from 'node:crypto';
import { MeshError } from '../../mesh/index.ts';
import { spiffeIdsOf, subjectAltNamesOf } from './names.ts';

export type CertificateFacts = {
  /** Lower-case hexadecimal. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly spiffeIds: readonly string[];
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly isCa: boolean;
  readonly issuer: string;
  readonly subject: string;
};

/** Reads the first certificate of a PEM text, or DER. Throws CERTIFICATE_MALFORMED. */
export function inspectCertificate(certificate: string | Uint8Array): CertificateFacts {
  const x509 = readCertificate(certificate);
  const names = subjectAltNamesOf(x509);
  return {
    serial: x509.serialNumber.toLowerCase(),
    notBefore: x509.validFromDate,
    notAfter: x509.validToDate,
    spiffeIds: spiffeIdsOf(x509),
    uris: names.uris,
    dnsNames: names.dnsNames,
    isCa: x509.ca,
    issuer: x509.issuer,
    subject: x509.subject ?? '',
  };
}

/** Throws CERTIFICATE_MALFORMED. */
export function readCertificate(certificate: string | Uint8Array): X509Certificate {
  try {
    return new X509Certificate(typeof certificate === 'string' ? certificate : Buffer.from(certificate));
  } catch (cause) {
    throw new MeshError('CERTIFICATE_MALFORMED', 'not a readable X.509 certificate', { cause });
  }
}
