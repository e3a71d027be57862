/** Workload identities: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`. */
import type { Brand } from './brand.ts';
import { MeshError } from './error.ts';

/** The full URI. */
export type SpiffeId = Brand<string, 'SpiffeId'>;

export type SpiffeParts = {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
};

/** SPIFFE-ID section 2.1: trust domain `[a-z0-9._-]`, path segments `[a-zA-Z0-9._-]`, at most 2048 bytes in all. */
const WORKLOAD_ID = /^spiffe:\/\/([a-z0-9._-]{1,255})\/ns\/([a-zA-Z0-9._-]+)\/sa\/([a-zA-Z0-9._-]+)$/;
const MAX_URI_BYTES = 2048;

/** Parses a workload identity. Throws IDENTITY_MALFORMED. */
export function parseSpiffeId(uri: string): SpiffeId {
  if (uri.length > MAX_URI_BYTES || !WORKLOAD_ID.test(uri) || hasDotSegment(uri)) {
    throw new MeshError('IDENTITY_MALFORMED', `not a workload identity: ${JSON.stringify(uri.slice(0, 200))}`);
  }
  return uri as SpiffeId;
}

/** The identity of a service account. Throws IDENTITY_MALFORMED when a part is empty or has a character that SPIFFE forbids. */
export function spiffeId(trustDomain: string, namespace: string, serviceAccount: string): SpiffeId {
  return parseSpiffeId(`spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`);
}

export function spiffeParts(id: SpiffeId): SpiffeParts {
  const [, trustDomain, namespace, serviceAccount] = WORKLOAD_ID.exec(id) ?? [];
  if (trustDomain === undefined || namespace === undefined || serviceAccount === undefined) {
    throw new MeshError('IDENTITY_MALFORMED', `not a workload identity: ${JSON.stringify(id)}`);
  }
  return { trustDomain, namespace, serviceAccount };
}

// SPIFFE-ID section 2.2: a path segment is never `.` or `..`.
function hasDotSegment(uri: string): boolean {
  return uri.split('/').some((segment) => segment === '.' || segment === '..');
}
