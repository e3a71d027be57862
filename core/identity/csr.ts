/** Certificate requests (PKCS #10, RFC 2986): made for a workload, read by the authority. */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, verify } from 'node:crypto';
import { promisify } from 'node:util';
import { PrintableString, Utf8String } from 'asn1js';
import { Attribute, CertificationRequest, Extensions } from 'pkijs';
import { MeshError } from '../../mesh/index.ts';
import { distinguishedName } from './certificate.ts';
import { subjectAltName } from './extensions.ts';
import { DIGEST_OF_SIGNATURE, OID } from './oid.ts';
import { pemBlocks, toPem } from './pem.ts';
import { keyProblem, publicKeyInfo, signerOf, signStructure } from './signature.ts';

export type KeyAndCsr = { readonly privateKeyPem: string; readonly csrPem: string };

/** A request whose signature proved that the sender holds the key. Names inside it are claims, never used for signing. */
export type VerifiedCsr = {
  readonly publicKey: KeyObject;
  /** DER of the SubjectPublicKeyInfo. */
  readonly spki: Uint8Array<ArrayBuffer>;
  /** The common name asked for; '' when there is none. */
  readonly commonName: string;
};

const generate = promisify(generateKeyPair);

/** 64 KiB is far above any honest request; parsing cost is bounded by it. */
const MAX_CSR_CHARS = 65_536;

/** A fresh P-256 key (PKCS #8) and its request: empty subject, one critical SAN with the identity (ztunnel.md section 6). */
export async function generateKeyAndCsr(id: string): Promise<KeyAndCsr> {
  const { privateKey, publicKey } = await generate('ec', { namedCurve: 'prime256v1' });
  return {
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    csrPem: createCsr({ privateKey, publicKey }, id),
  };
}

/** The request for a key that exists already. */
export function createCsr(keys: { readonly privateKey: KeyObject; readonly publicKey: KeyObject }, id: string): string {
  const csr = new CertificationRequest();
  csr.subject = distinguishedName({});
  csr.subjectPublicKeyInfo = publicKeyInfo(keys.publicKey.export({ type: 'spki', format: 'der' }));
  csr.attributes = [
    new Attribute({
      type: OID.extensionRequest,
      values: [new Extensions({ extensions: [subjectAltName({ uris: [id] })] }).toSchema()],
    }),
  ];
  return toPem('CERTIFICATE REQUEST', signStructure(csr.toSchema(true), signerOf(keys.privateKey)));
}

/** Parses a request and checks its proof of possession. Throws CSR_INVALID with the reason. */
export function parseCsr(pem: string): VerifiedCsr {
  const csr = decode(pem);
  const spki = new Uint8Array(csr.subjectPublicKeyInfo.toSchema().toBER());
  const publicKey = publicKeyOf(spki);
  const problem = keyProblem(publicKey);
  if (problem !== undefined) throw invalid(problem);
  const digest = DIGEST_OF_SIGNATURE[csr.signatureAlgorithm.algorithmId];
  if (digest === undefined) throw invalid(`signature algorithm ${csr.signatureAlgorithm.algorithmId} is not supported`);
  const signature = csr.signatureValue.valueBlock.valueHexView;
  if (!signatureHolds(digest, csr.tbsView, publicKey, signature)) {
    throw invalid('its signature does not verify with its own public key');
  }
  return { publicKey, spki, commonName: commonNameOf(csr) };
}

/** Whether a private key (PEM) belongs to a public key. */
export function keyMatches(privateKeyPem: string, publicKey: KeyObject): boolean {
  return createPublicKey(createPrivateKey(privateKeyPem)).equals(publicKey);
}

function decode(pem: string): CertificationRequest {
  if (pem.length > MAX_CSR_CHARS) throw invalid(`it is longer than ${MAX_CSR_CHARS} characters`);
  try {
    const blocks = pemBlocks(pem);
    const [block] = blocks;
    if (block === undefined) throw new Error('it is not PEM');
    if (blocks.length > 1) throw new Error('it has more than one PEM block');
    if (block.label !== 'CERTIFICATE REQUEST' && block.label !== 'NEW CERTIFICATE REQUEST') {
      throw new Error(`its PEM block is ${block.label}, not CERTIFICATE REQUEST`);
    }
    return CertificationRequest.fromBER(block.der);
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function publicKeyOf(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (cause) {
    throw invalid('its public key cannot be read', cause);
  }
}

function signatureHolds(digest: string, data: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  try {
    return verify(digest, data, key, signature);
  } catch {
    return false; // a signature of the wrong shape for its key is as wrong as one that does not match
  }
}

function commonNameOf(csr: CertificationRequest): string {
  for (const { type, value } of csr.subject.typesAndValues) {
    if (type === OID.commonName && (value instanceof Utf8String || value instanceof PrintableString)) {
      return value.valueBlock.value;
    }
  }
  return '';
}

function invalid(reason: string, cause?: unknown): MeshError {
  return new MeshError('CSR_INVALID', `certificate request refused: ${reason}`, { cause });
}
