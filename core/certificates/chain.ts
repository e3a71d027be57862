/** What the authority answered, checked before anything is done with it. */
import { X509Certificate } from 'node:crypto';
import { MeshError, type SpiffeId } from '../../mesh/index.ts';
import type { TlsMaterial } from '../hbone/index.ts';
import { certificatesOf, inspectCertificate, keyMatches, toPem } from '../identity/index.ts';

/** One certificate as `/config_dump` shows it. */
export type CertificateView = {
  /** Base64 of the PEM text. */
  readonly pem: string;
  /** Decimal. */
  readonly serialNumber: string;
  readonly validFrom: string;
  readonly expirationTime: string;
};

export type CheckedChain = {
  readonly material: TlsMaterial;
  readonly certChain: readonly CertificateView[];
  readonly rootCerts: readonly CertificateView[];
  /** Reasons why parts of the root bundle were left out. */
  readonly warnings: readonly string[];
};

/**
 * Leaf first, roots last. Throws `CERTIFICATE_UNUSABLE`: no chain, no root, another identity, another key, or out of date.
 * `anyIdentity`: the token decides who we are (dedicated mode), the leaf may say another name.
 */
export function checkChain(
  pems: readonly string[],
  wanted: {
    readonly identity: SpiffeId;
    readonly privateKeyPem: string;
    readonly nowMs: number;
    readonly anyIdentity: boolean;
    readonly suites?: TlsMaterial['suites'];
  },
): CheckedChain {
  const [leafPem] = pems;
  const bundle = pems.at(-1);
  if (leafPem === undefined || bundle === undefined) throw unusable('the authority answered with an empty chain');
  if (pems.length === 1) throw unusable('the authority answered without a root certificate');
  const leaf = inspectCertificate(leafPem);
  if (!wanted.anyIdentity && !leaf.spiffeIds.includes(wanted.identity)) {
    throw unusable(`the certificate is for ${leaf.uris.join(', ') || 'nobody'}, not for ${wanted.identity}`);
  }
  if (!keyMatches(wanted.privateKeyPem, new X509Certificate(leafPem).publicKey)) {
    throw unusable('the certificate is for another key than the one that was sent');
  }
  if (leaf.notAfter.getTime() <= wanted.nowMs) {
    throw unusable(`the certificate ended at ${leaf.notAfter.toISOString()}`);
  }
  const { roots, warnings } = readRoots(bundle);
  const chain = pems.slice(0, -1);
  return {
    material: {
      identity: wanted.identity,
      key: wanted.privateKeyPem,
      chain: chain.map((pem) => (pem.endsWith('\n') ? pem : `${pem}\n`)).join(''),
      roots: roots.join(''),
      notBefore: leaf.notBefore,
      notAfter: leaf.notAfter,
      serial: leaf.serial,
      ...(wanted.suites && { suites: wanted.suites }),
    },
    certChain: chain.map(view),
    rootCerts: roots.map(view),
    warnings,
  };
}

function readRoots(bundle: string): { readonly roots: readonly string[]; readonly warnings: readonly string[] } {
  const roots: string[] = [];
  const warnings: string[] = [];
  for (const der of certificatesOf(bundle)) {
    const pem = toPem('CERTIFICATE', der);
    try {
      inspectCertificate(pem);
      roots.push(pem);
    } catch (error) {
      warnings.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (roots.length === 0) throw unusable('the authority answered with no usable root certificate');
  return { roots, warnings };
}

function view(pem: string): CertificateView {
  const { serial, notBefore, notAfter } = inspectCertificate(pem);
  return {
    pem: Buffer.from(pem).toString('base64'),
    serialNumber: BigInt(`0x${serial}`).toString(),
    validFrom: seconds(notBefore),
    expirationTime: seconds(notAfter),
  };
}

const seconds = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;

function unusable(reason: string): MeshError {
  return new MeshError('CERTIFICATE_UNUSABLE', reason);
}
