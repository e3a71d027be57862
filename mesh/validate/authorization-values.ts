/**
 * Values of an AuthorizationPolicy. Each reader says what is wrong with one value, or undefined. A value that can be written but
 * never matches is refused: in a DENY it would protect nothing.
 */

import { readPort, readRange, readServiceAccount } from '../derive/policy-values.ts';
import { templateProblem } from '../http-policy/derive/values.ts';
import { quote } from './findings.ts';

/** Who enforces the policy: they do not match alike. */
export type Enforcer = 'ztunnel' | 'waypoint';
export type ReadValue = (written: string, enforcer: Enforcer) => string | undefined;

/** `*`, `*end`, `start*` or the exact text. */
export const pattern: ReadValue = (written) => {
  const rest = written.startsWith('*') ? written.slice(1) : written.endsWith('*') ? written.slice(0, -1) : written;
  return rest.includes('*')
    ? `${quote(written)} has a * in the middle, which stands for nothing but itself: only one at the start or the end is a wildcard`
    : undefined;
};

const SCHEME = 'spiffe://';
const IDENTITY = /^[a-z0-9._-]+\/ns\/[a-zA-Z0-9._-]+\/sa\/[a-zA-Z0-9._-]+$/;

export const principal: ReadValue = (written, enforcer) => {
  const name = written.startsWith(SCHEME) ? written.slice(SCHEME.length) : written;
  const isExact = !name.startsWith('*') && !name.endsWith('*');
  if (isExact && !name.includes('*') && enforcer === 'ztunnel' && !IDENTITY.test(name)) {
    return `${quote(written)} is no identity of a workload: those are TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT, and * at either end matches any`;
  }
  return pattern(name, enforcer);
};

/** Waypoints match a wildcard anywhere in a namespace, ztunnels at its ends (waypoint.md sections 4.2, 4.3). */
export const namespaceName: ReadValue = (written, enforcer) => {
  if (!/^[-a-z0-9*]+$/.test(written)) return `${quote(written)} is no name that a namespace can have`;
  return enforcer === 'waypoint' ? undefined : pattern(written, enforcer);
};

const MAX_ACCOUNT = 320;

export const serviceAccount: ReadValue = (written) => {
  if (written.length > MAX_ACCOUNT) return `longer than ${MAX_ACCOUNT} characters`;
  return readServiceAccount(written, 'any') === undefined
    ? `${quote(written)} is neither ACCOUNT nor NAMESPACE/ACCOUNT (wildcards are not possible)`
    : undefined;
};

export const trustDomain: ReadValue = (written, enforcer) => {
  if (written.includes('/')) return `${quote(written)} is no trust domain`;
  if (written.startsWith('*') && written !== '*' && enforcer === 'ztunnel') {
    return `${quote(written)}: ztunnel can not compare the end of a trust domain, only all of it or its start`;
  }
  return pattern(written, enforcer);
};

export const range: ReadValue = (written) =>
  readRange(written) === undefined ? `${quote(written)} is neither an IP address nor a CIDR block` : undefined;

export const port: ReadValue = (written) =>
  readPort(written) === undefined ? `${quote(written)} is no port (0 to 65535)` : undefined;

export const anyText: ReadValue = () => undefined;

/** Exact, `/start*`, `*end`, `*`, or a template `/a/{*}/b/{**}` (waypoint.md section 4.3). */
export const path: ReadValue = (written, enforcer) => {
  if (!/[{}]/.test(written)) return pattern(written, enforcer);
  const problem = templateProblem(written);
  return problem && `${quote(written)}: ${problem}`;
};
