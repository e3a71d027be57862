/** Certificates of our own identities, and which of others' are not to be believed any more. */
export { type CertificateDump, CertificateManager, type CertificateManagerOptions, type Signer } from './manager.ts';
export { type RevocationEvents, RevocationFile } from './revocation-file.ts';
export { revocationMetrics } from './revocation-metrics.ts';
