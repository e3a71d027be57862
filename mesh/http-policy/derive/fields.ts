/** Which field of a policy is about what of a request: everything that people can write in rules (waypoint.md section 4.3). */
import type { PolicyField } from '../model.ts';
import {
  accounts,
  namespaces,
  paths,
  patterns,
  ports,
  principals,
  type ReadPatterns,
  ranges,
  texts,
  trustDomains,
} from './values.ts';

export type WrittenField = {
  readonly field: PolicyField;
  readonly negated: boolean;
  readonly read: ReadPatterns;
  readonly header: string;
  readonly claim: readonly string[];
  /** Who somebody is, is not asked in policies of action CUSTOM (waypoint.md section 4.4). */
  readonly isIdentity: boolean;
};

type Known = Pick<WrittenField, 'field' | 'read' | 'isIdentity'>;

const plain = (field: PolicyField, read: ReadPatterns): Known => ({ field, read, isIdentity: false });
const identity = (field: PolicyField, read: ReadPatterns): Known => ({ field, read, isIdentity: true });

function writtenField(known: Known, negated: boolean, header = '', claim: readonly string[] = []): WrittenField {
  return { ...known, negated, header, claim };
}

function withNegations(known: Readonly<Record<string, Known>>): ReadonlyMap<string, WrittenField> {
  return new Map(
    Object.entries(known).flatMap(([name, field]) => [
      [name, writtenField(field, false)],
      [`not${name.charAt(0).toUpperCase()}${name.slice(1)}`, writtenField(field, true)],
    ]),
  );
}

/** `remoteIpBlocks` are the same addresses: whom a header names is for callers to forge. */
export const SOURCE = withNegations({
  principals: identity('PRINCIPAL', principals),
  requestPrincipals: identity('REQUEST_PRINCIPAL', patterns),
  namespaces: identity('NAMESPACE', namespaces),
  serviceAccounts: identity('SERVICE_ACCOUNT', accounts),
  trustDomains: identity('TRUST_DOMAIN', trustDomains),
  ipBlocks: plain('SOURCE_IP', ranges),
  remoteIpBlocks: plain('SOURCE_IP', ranges),
});

export const OPERATION = withNegations({
  hosts: plain('HOST', patterns),
  ports: plain('DESTINATION_PORT', ports),
  methods: plain('METHOD', patterns),
  paths: plain('PATH', paths),
});

const WHEN: ReadonlyMap<string, Known> = new Map([
  ['source.ip', plain('SOURCE_IP', ranges)],
  ['remote.ip', plain('SOURCE_IP', ranges)],
  ['source.namespace', identity('NAMESPACE', namespaces)],
  ['source.principal', identity('PRINCIPAL', principals)],
  ['source.serviceAccount', identity('SERVICE_ACCOUNT', accounts)],
  ['source.trustDomain', identity('TRUST_DOMAIN', trustDomains)],
  ['destination.ip', plain('DESTINATION_IP', ranges)],
  ['destination.port', plain('DESTINATION_PORT', ports)],
  ['connection.sni', plain('SNI', patterns)],
  ['request.auth.principal', identity('REQUEST_PRINCIPAL', patterns)],
  ['request.auth.audiences', identity('AUDIENCE', patterns)],
  ['request.auth.presenter', identity('PRESENTER', patterns)],
]);

const HEADER = /^request\.headers\[([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\]$/;
const CLAIMS = 'request.auth.claims';
const CLAIM_NAMES = /^(?:\[[^[\]]+\])+$/;

/** What a key of `when` is about, once for `values` and once for `notValues`; undefined when nobody knows it. */
export function whenFields(key: string): readonly [WrittenField, WrittenField] | undefined {
  const known = WHEN.get(key);
  if (known !== undefined) return both(known);
  const header = HEADER.exec(key)?.[1]?.toLowerCase();
  // There is only one host, whatever carries it: a header of HTTP/1.1, a pseudo header of HTTP/2.
  if (header === 'host' || key.toLowerCase() === 'request.headers[:authority]') return both(plain('HOST', patterns));
  if (header !== undefined) return both(plain('HEADER', texts), header);
  const names = key.startsWith(CLAIMS) ? key.slice(CLAIMS.length) : '';
  if (!CLAIM_NAMES.test(names)) return undefined;
  return both(identity('CLAIM', texts), '', names.slice(1, -1).split(']['));
}

function both(known: Known, header = '', claim: readonly string[] = []): readonly [WrittenField, WrittenField] {
  return [writtenField(known, false, header, claim), writtenField(known, true, header, claim)];
}
