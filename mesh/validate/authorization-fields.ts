/** The fields and `when` keys of an AuthorizationPolicy: how their values are read, who can see them, who may use them. */
import {
  anyText,
  namespaceName,
  path,
  pattern,
  port,
  principal,
  type ReadValue,
  range,
  serviceAccount,
  trustDomain,
} from './authorization-values.ts';

export type PolicyField = {
  readonly read: ReadValue;
  /** Whether only a waypoint sees it. */
  readonly http: boolean;
  /** Whether it is about an identity, which an external authorizer (CUSTOM) is asked too early to know (waypoint.md section 4.4). */
  readonly identity: boolean;
};

const l4 = (read: ReadValue): PolicyField => ({ read, http: false, identity: false });
const who = (read: ReadValue): PolicyField => ({ read, http: false, identity: true });
const http = (read: ReadValue): PolicyField => ({ read, http: true, identity: false });
const token = (read: ReadValue): PolicyField => ({ read, http: true, identity: true });

/** Each with its `not` form. */
function withNegations(known: Readonly<Record<string, PolicyField>>): ReadonlyMap<string, PolicyField> {
  return new Map(
    Object.entries(known).flatMap(([name, field]) => [
      [name, field],
      [`not${name.charAt(0).toUpperCase()}${name.slice(1)}`, field],
    ]),
  );
}

export const SOURCE_FIELDS = withNegations({
  principals: who(principal),
  requestPrincipals: token(pattern),
  namespaces: who(namespaceName),
  serviceAccounts: who(serviceAccount),
  trustDomains: who(trustDomain),
  ipBlocks: l4(range),
  remoteIpBlocks: http(range),
});

export const OPERATION_FIELDS = withNegations({
  hosts: http(pattern),
  ports: l4(port),
  methods: http(pattern),
  paths: http(path),
});

const WHEN_KEYS: ReadonlyMap<string, PolicyField> = new Map([
  ['source.ip', l4(range)],
  ['remote.ip', http(range)],
  ['source.namespace', who(namespaceName)],
  ['source.principal', who(principal)],
  ['source.serviceAccount', who(serviceAccount)],
  ['source.trustDomain', who(trustDomain)],
  ['request.auth.principal', token(pattern)],
  ['request.auth.audiences', token(pattern)],
  ['request.auth.presenter', token(pattern)],
  ['destination.ip', l4(range)],
  ['destination.port', l4(port)],
  ['connection.sni', http(pattern)],
]);

/** Keys that name what they look at: `request.headers[X-User]`, `request.auth.claims[a][b]`. */
const HEADER = /^request\.headers\[[!#$%&'*+\-.^_`|~0-9A-Za-z:]+\]$/;
const CLAIM = /^request\.auth\.claims(\[[^[\]]+\])+$/;

export const WHEN_KEY_NAMES: readonly string[] = [
  ...WHEN_KEYS.keys(),
  'request.headers[NAME]',
  'request.auth.claims[NAME]',
];

/** Undefined for a key that nobody knows. */
export function whenKey(key: string): PolicyField | undefined {
  const known = WHEN_KEYS.get(key);
  if (known !== undefined) return known;
  if (HEADER.test(key)) return http(anyText);
  if (CLAIM.test(key)) return token(anyText);
  return undefined;
}
