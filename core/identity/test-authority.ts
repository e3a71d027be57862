/** An intermediate authority for tests: signed by a self-signed root, with whatever key. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { Certificate } from 'pkijs';
import type { CertificateAuthority } from './authority.ts';
import type { AuthorityMaterial } from './authority-material.ts';
import { distinguishedName, randomSerial, signCertificate } from './certificate.ts';
import { basicConstraints, keyIdentifier, keyUsage, subjectKeyIdentifier } from './extensions.ts';
import { certificatesOf, toPem } from './pem.ts';
import { publicKeyInfo, signerOf } from './signature.ts';

export function intermediateOf(
  root: Pick<CertificateAuthority, 'certPem' | 'rootPem' | 'toSecretData'>,
  keys: { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
  now: Date,
  options: { readonly isCa?: boolean; readonly ttlSeconds?: number } = {},
): AuthorityMaterial {
  const rootKey = createPrivateKey(Buffer.from(root.toSecretData()['ca-key.pem'] ?? '', 'base64'));
  const [rootDer = new Uint8Array()] = certificatesOf(root.certPem);
  const spki = keys.publicKey.export({ type: 'spki', format: 'der' });
  const der = signCertificate(
    {
      serial: randomSerial(),
      issuer: Certificate.fromBER(rootDer).subject,
      subject: distinguishedName({ organization: 'intermediate' }),
      notBefore: new Date(now.getTime() - 120_000),
      notAfter: new Date(now.getTime() + (options.ttlSeconds ?? 86_400 * 365) * 1000),
      spki,
      extensions: [
        keyUsage('authority'),
        basicConstraints(options.isCa ?? true),
        subjectKeyIdentifier(keyIdentifier(publicKeyInfo(spki))),
      ],
    },
    signerOf(rootKey),
  );
  const certPem = toPem('CERTIFICATE', der);
  const keyPem = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { certPem, keyPem, chainPem: certPem, rootPem: root.rootPem };
}
