/** Values of AuthorizationPolicies as patterns for a waypoint; what can not be read is told apart from what can. */

import { formatCidr } from '../../cidr.ts';
import {
  otherNames,
  PATTERN,
  type Reading,
  readPort,
  readPrincipal,
  readRange,
  readServiceAccount,
  readValues,
  stringMatch,
} from '../../derive/policy-values.ts';
import type { MeshConfig } from '../../kube-object.ts';
import type { StringMatch } from '../../model.ts';
import type { Pattern } from '../model.ts';

export type ValueContext = { readonly namespace: string; readonly config: MeshConfig };
export type ReadPatterns = (value: unknown, context: ValueContext) => Reading<Pattern>;

const exact = (value: string): Pattern => ({ kind: 'EXACT', value });

function patternOf(match: StringMatch): Pattern {
  switch (match.kind) {
    case 'exact':
      return exact(match.value);
    case 'prefix':
      return { kind: 'PREFIX', value: match.value };
    case 'suffix':
      return { kind: 'SUFFIX', value: match.value };
    case 'presence':
      return { kind: 'PRESENT', value: '' };
    default:
      return match satisfies never;
  }
}

function readPattern(written: string): readonly Pattern[] | undefined {
  const match = stringMatch(written);
  return match && [patternOf(match)];
}

export const patterns: ReadPatterns = (value) => readValues(value, PATTERN, readPattern);

/** Of headers and claims, which may have stars of their own: only one at the start or the end means anything. */
export const texts: ReadPatterns = (value) =>
  readValues(value, 'text', (written) => {
    if (written === '*') return [{ kind: 'PRESENT', value: '' }];
    if (written.startsWith('*')) return [{ kind: 'SUFFIX', value: written.slice(1) }];
    return [written.endsWith('*') ? { kind: 'PREFIX', value: written.slice(0, -1) } : exact(written)];
  });

export const principals: ReadPatterns = (value, { config }) =>
  readValues(value, `principal (${PATTERN})`, (written) => readPrincipal(written, config)?.map(patternOf));

/** Stars anywhere (waypoint.md section 4.3). */
export const namespaces: ReadPatterns = (value) =>
  readValues(value, 'namespace', (written) => readPattern(written) ?? [{ kind: 'GLOB', value: written }]);

export const accounts: ReadPatterns = (value, { namespace }) =>
  readValues(value, 'service account', (written) =>
    readServiceAccount(written, namespace)?.map((account) => exact(`${account.namespace}/${account.serviceAccount}`)),
  );

/** Under each of its names. */
export const trustDomains: ReadPatterns = (value, { config }) =>
  readValues(value, `trust domain (${PATTERN})`, (written) => {
    const read = written.includes('/') ? undefined : readPattern(written);
    return read && [...read, ...(written === '*' ? [] : otherNames(written, config).map(exact))];
  });

export const ranges: ReadPatterns = (value) =>
  readValues(value, 'address or range', (written) =>
    readRange(written)?.map((range) => ({ kind: 'RANGE', value: formatCidr(range) })),
  );

export const ports: ReadPatterns = (value) =>
  readValues(value, 'port', (written) => readPort(written)?.map((port) => exact(String(port))));

export const paths: ReadPatterns = (value) =>
  readValues(value, `path (${PATTERN}, or a template)`, (written) => {
    if (!/[{}]/.test(written)) return readPattern(written);
    return templateProblem(written) === undefined ? [{ kind: 'TEMPLATE', value: written }] : undefined;
  });

const LITERAL = /^[A-Za-z0-9\-._~%!$&'()+,;:@=]*$/;

/** What is wrong with a path template `/a/{*}/b/{**}` (waypoint.md section 4.3); undefined: nothing. */
export function templateProblem(written: string): string | undefined {
  if (!written.startsWith('/')) return 'a path template begins with /';
  let isLast = false;
  for (const segment of written.slice(1).split('/')) {
    if (segment === '{*}' || segment === '{**}') {
      if (isLast) return '{**} must be the last operator, and there can be only one';
      isLast = segment === '{**}';
    } else if (/[{}]/.test(segment)) {
      return `${JSON.stringify(segment)} is no segment of a template: {*} and {**} stand alone between slashes`;
    } else if (segment.includes('*')) {
      return 'a template can not have other wildcards than {*} and {**}';
    } else if (!LITERAL.test(segment)) {
      return `${JSON.stringify(segment)} has a character that a path can not have`;
    }
  }
  return undefined;
}
