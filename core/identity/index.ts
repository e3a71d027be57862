/** Keys, certificate requests, certificates and the authority that signs them. */
export { CertificateAuthority, ROOT_TTL_DAYS, type ServingCertificate, type SignedCertificate } from './authority.ts';
export { type AuthorityMaterial, materialFromSecret } from './authority-material.ts';
export { createCsr, generateKeyAndCsr, type KeyAndCsr, keyMatches, parseCsr, type VerifiedCsr } from './csr.ts';
export { type CertificateFacts, inspectCertificate } from './inspect.ts';
export { peerSpiffeId, spiffeIdsOf, subjectAltNamesOf } from './names.ts';
export { certificatesOf, pemBlocks, toPem } from './pem.ts';
export { type ChainVerdict, type PeerRole, type PeerVerdict, TrustRoots, verifyChain, verifyPeer } from './verify.ts';
