/** Keys, certificate requests, certificates and the authority that signs them. */
export { type Ancestry, ancestryOf } from './ancestry.ts';
export { CertificateAuthority, type ServingCertificate, type SignedCertificate } from './authority.ts';
export { createCsr, generateKeyAndCsr, keyMatches, parseCsr, type VerifiedCsr } from './csr.ts';
export { inspectCertificate } from './inspect.ts';
export { peerSpiffeId, spiffeIdsOf, subjectAltNamesOf } from './names.ts';
export { certificatesOf, pemBlocks, toPem } from './pem.ts';
export { RevocationLists } from './revocation-lists.ts';
export { TrustRoots, verifyChain, verifyPeer } from './verify.ts';
