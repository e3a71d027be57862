/** How a private key signs X.509 structures: algorithm identifier and bytes. */
import { type KeyObject, sign } from 'node:crypto';
import { BitString, Null, Sequence } from 'asn1js';
import { AlgorithmIdentifier, PublicKeyInfo } from 'pkijs';
import { MeshError } from '../../mesh/index.ts';

type Scheme = { readonly oid: string; readonly digest: string; readonly nullParameters: boolean };

const EC_SCHEMES: Readonly<Record<string, Scheme>> = {
  prime256v1: { oid: '1.2.840.10045.4.3.2', digest: 'sha256', nullParameters: false },
  secp384r1: { oid: '1.2.840.10045.4.3.3', digest: 'sha384', nullParameters: false },
  secp521r1: { oid: '1.2.840.10045.4.3.4', digest: 'sha512', nullParameters: false },
};
// RFC 4055 section 5: the RSA identifiers carry explicit NULL parameters.
const RSA_SCHEME: Scheme = { oid: '1.2.840.113549.1.1.11', digest: 'sha256', nullParameters: true };

/** NIST SP 800-131A: shorter RSA keys no longer count. */
const MIN_RSA_BITS = 2048;

/** Why a key (public or private) can't be used in this mesh, or undefined when it can. */
export function keyProblem(key: KeyObject): string | undefined {
  if (key.asymmetricKeyType === 'ec') {
    const curve = key.asymmetricKeyDetails?.namedCurve ?? 'unknown';
    return curve in EC_SCHEMES ? undefined : `curve ${curve} is not one of P-256, P-384, P-521`;
  }
  if (key.asymmetricKeyType === 'rsa') {
    const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
    return bits >= MIN_RSA_BITS ? undefined : `RSA key of ${bits} bits, at least ${MIN_RSA_BITS} are needed`;
  }
  return `key type ${key.asymmetricKeyType ?? 'unknown'} is neither EC nor RSA`;
}

export type Signer = { readonly algorithm: AlgorithmIdentifier; sign(data: ArrayBuffer): ArrayBuffer };

/** The signer of a private key. Throws KEY_UNSUPPORTED. */
export function signerOf(key: KeyObject): Signer {
  const problem = keyProblem(key);
  if (problem !== undefined) throw new MeshError('KEY_UNSUPPORTED', problem);
  const scheme = key.asymmetricKeyType === 'rsa' ? RSA_SCHEME : EC_SCHEMES[key.asymmetricKeyDetails?.namedCurve ?? ''];
  if (scheme === undefined) throw new MeshError('KEY_UNSUPPORTED', 'no signature scheme for this key');
  return {
    algorithm: new AlgorithmIdentifier({
      algorithmId: scheme.oid,
      ...(scheme.nullParameters ? { algorithmParams: new Null() } : {}),
    }),
    sign: (data) => new Uint8Array(sign(scheme.digest, Buffer.from(data), key)).buffer,
  };
}

/**
 * Certificates and requests share one shape, `{ to be signed, algorithm, signature }` (RFC 5280 section 4.1, RFC 2986
 * section 4.2). Takes the first part of such a structure and gives back the whole, signed, as DER.
 */
export function signStructure(unsigned: Sequence, signer: Signer): Uint8Array<ArrayBuffer> {
  const [toBeSigned] = unsigned.valueBlock.value;
  if (!(toBeSigned instanceof Sequence)) throw new MeshError('SIGNATURE_FAILED', 'nothing to sign in this structure');
  const signature = new BitString({ valueHex: signer.sign(toBeSigned.toBER()) });
  const whole = new Sequence({ value: [toBeSigned, signer.algorithm.toSchema(), signature] });
  return new Uint8Array(whole.toBER());
}

/** A SubjectPublicKeyInfo from its DER. */
export function publicKeyInfo(spki: Uint8Array): PublicKeyInfo {
  return PublicKeyInfo.fromBER(new Uint8Array(spki));
}
