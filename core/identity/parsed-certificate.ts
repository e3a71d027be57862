/** The fields of a certificate that chain building judges. */
import { fromBER, OctetString } from 'asn1js';
import { BasicConstraints, Certificate, ExtKeyUsage } from 'pkijs';
import { MeshError } from '../../mesh/index.ts';
import { OID } from './oid.ts';

export type ParsedCertificate = {
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly isAuthority: boolean;
  /** How many authorities may stand between this one and a leaf; undefined is any number. */
  readonly pathLength: number | undefined;
  /** Whether the key may sign certificates; true when there is no key usage extension. */
  readonly maySign: boolean;
  /** Purposes of the key; undefined when it is not restricted. */
  readonly purposes: readonly string[] | undefined;
  readonly subjectKeyId: Uint8Array<ArrayBuffer> | undefined;
  /** Critical extensions that we do not evaluate: such a certificate must be refused (RFC 5280 section 4.2). */
  readonly unknownCritical: readonly string[];
};

const EVALUATED = new Set<string>([
  OID.keyUsage,
  OID.subjectAltName,
  OID.basicConstraints,
  OID.extendedKeyUsage,
  OID.subjectKeyIdentifier,
  OID.authorityKeyIdentifier,
]);
/** RFC 5280 section 4.2.1.3: keyCertSign is bit 5, counted from the most significant. */
const KEY_CERT_SIGN = 0b0000_0100;

/** Throws CERTIFICATE_MALFORMED. */
export function parseCertificate(der: Uint8Array<ArrayBuffer>): ParsedCertificate {
  try {
    return parse(Certificate.fromBER(der));
  } catch (cause) {
    throw new MeshError('CERTIFICATE_MALFORMED', 'not a readable X.509 certificate', { cause });
  }
}

function parse(certificate: Certificate): ParsedCertificate {
  const extensions = new Map((certificate.extensions ?? []).map((extension) => [extension.extnID, extension]));
  if (extensions.size !== (certificate.extensions ?? []).length) throw new Error('an extension appears twice');
  const schema = (oid: string) => {
    const extension = extensions.get(oid);
    if (extension === undefined) return undefined;
    const { result, offset } = fromBER(new Uint8Array(extension.extnValue.valueBlock.valueHexView));
    if (offset < 0) throw new Error(`extension ${oid} can't be read`);
    return result;
  };
  const constraints = schema(OID.basicConstraints);
  const basic = constraints === undefined ? undefined : new BasicConstraints({ schema: constraints });
  const purposes = schema(OID.extendedKeyUsage);
  const keyId = schema(OID.subjectKeyIdentifier);
  return {
    notBefore: certificate.notBefore.value,
    notAfter: certificate.notAfter.value,
    isAuthority: basic?.cA === true,
    pathLength: typeof basic?.pathLenConstraint === 'number' ? basic.pathLenConstraint : undefined,
    maySign: maySign(extensions.get(OID.keyUsage)?.extnValue.valueBlock.valueHexView),
    purposes: purposes === undefined ? undefined : new ExtKeyUsage({ schema: purposes }).keyPurposes,
    subjectKeyId: keyId instanceof OctetString ? new Uint8Array(keyId.valueBlock.valueHexView) : undefined,
    unknownCritical: [...extensions.values()]
      .filter((e) => e.critical && !EVALUATED.has(e.extnID))
      .map((e) => e.extnID),
  };
}

// The extension's value is a BIT STRING: tag, length, unused bits, then the bits.
function maySign(value: Uint8Array | undefined): boolean {
  if (value === undefined) return true;
  return value[0] === 0x03 && ((value[3] ?? 0) & KEY_CERT_SIGN) !== 0;
}
