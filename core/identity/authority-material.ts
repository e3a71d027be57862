/** The parts of an authority as they lie in a Secret or in mounted files, and whether they fit together. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { MeshError } from '../../mesh/index.ts';
import { readCertificate } from './inspect.ts';
import { parseCertificate } from './parsed-certificate.ts';
import { certificatesOf } from './pem.ts';
import { keyProblem } from './signature.ts';
import { TrustRoots, verifyChain } from './verify.ts';

export type AuthorityMaterial = {
  /** The signing certificate. */
  readonly certPem: string;
  readonly keyPem: string;
  /** Intermediates between the signing certificate and the root; may repeat the signing certificate and the root. */
  readonly chainPem: string;
  readonly rootPem: string;
};

export type CheckedAuthority = {
  readonly key: KeyObject;
  readonly certificate: Uint8Array<ArrayBuffer>;
  /** What follows a leaf on the wire: the signing certificate unless it is a root, then the chain without roots. */
  readonly intermediates: readonly Uint8Array<ArrayBuffer>[];
  readonly notAfter: Date;
};

/** Throws CA_MATERIAL_INVALID naming the part that is wrong. */
export function checkAuthority(material: AuthorityMaterial, now: Date): CheckedAuthority {
  const key = readKey(material.keyPem);
  const [certificate] = part('ca-cert.pem', () => certificatesOf(material.certPem));
  if (certificate === undefined) throw invalid('ca-cert.pem', 'holds no certificate');
  const x509 = part('ca-cert.pem', () => readCertificate(certificate));
  const parsed = part('ca-cert.pem', () => parseCertificate(certificate));
  if (!parsed.isAuthority) throw invalid('ca-cert.pem', 'is not the certificate of an authority');
  if (!x509.checkPrivateKey(key)) throw invalid('ca-key.pem', 'does not belong to ca-cert.pem');
  const roots = part('root-cert.pem', () => TrustRoots.fromPem(material.rootPem));
  const chain = part('cert-chain.pem', () => certificatesOf(material.chainPem));
  const intermediates = unique([certificate, ...chain]).filter((der) => !roots.has(der));
  if (!roots.has(certificate)) {
    const verdict = verifyChain(roots, intermediates, now);
    if (verdict.verdict === 'refused') throw invalid('cert-chain.pem', verdict.reason);
  } else if (now > parsed.notAfter || now < parsed.notBefore) {
    throw invalid('ca-cert.pem', `is valid from ${parsed.notBefore.toISOString()} to ${parsed.notAfter.toISOString()}`);
  }
  return { key, certificate, intermediates, notAfter: parsed.notAfter };
}

/** Two spellings: the reference's own, and that of kubernetes.io/tls Secrets (controller.md section 5.4). */
export function materialFromSecret(data: Readonly<Record<string, string>>): AuthorityMaterial {
  const text = (name: string): string => Buffer.from(data[name] ?? '', 'base64').toString('utf8');
  const certPem = text('ca-cert.pem') || text('tls.crt');
  const keyPem = text('ca-key.pem') || text('tls.key');
  if (certPem === '') throw invalid('ca-cert.pem', 'is missing');
  if (keyPem === '') throw invalid('ca-key.pem', 'is missing');
  const rootPem = text('root-cert.pem') || text('ca.crt') || certPem;
  const chainPem = text('cert-chain.pem') || (text('ca-cert.pem') === '' ? certPem : '');
  return { certPem, keyPem, chainPem, rootPem };
}

/** Base64, with the five keys that the reference's Secret has. */
export function materialToSecret(material: AuthorityMaterial): Record<string, string> {
  const encode = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
  return {
    'ca-cert.pem': encode(material.certPem),
    'ca-key.pem': encode(material.keyPem),
    'cert-chain.pem': encode(material.chainPem),
    'key.pem': '',
    'root-cert.pem': encode(material.rootPem),
  };
}

function readKey(pem: string): KeyObject {
  const key = part('ca-key.pem', () => createPrivateKey(pem));
  const problem = keyProblem(key);
  if (problem !== undefined) throw invalid('ca-key.pem', problem);
  return key;
}

function part<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw invalid(name, `can't be read (${cause instanceof Error ? cause.message : String(cause)})`);
  }
}

function unique(certificates: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer>[] {
  const seen = new Map(certificates.map((der) => [Buffer.from(der).toString('base64'), der]));
  return [...seen.values()];
}

function invalid(name: string, reason: string): MeshError {
  return new MeshError('CA_MATERIAL_INVALID', `${name} ${reason}`);
}
