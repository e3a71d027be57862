/** L4 policies between the model and `istio.security`. */
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type Authorization, type Cidr, ipToBytes, type Match, MeshError, type StringMatch } from '../../mesh/index.ts';
import { decodeIp, decodePrefix, enumName, invalid, port } from './fields.ts';
import {
  Action,
  type Address,
  type AddressSchema,
  AuthorizationSchema,
  type Match as MatchMessage,
  type MatchSchema,
  Scope,
  type StringMatch as StringMatchMessage,
  type StringMatchSchema,
} from './gen/istio/security/authorization_pb.ts';

const SCOPES = ['GLOBAL', 'NAMESPACE', 'WORKLOAD_SELECTOR'] as const;
const ACTIONS = ['ALLOW', 'DENY'] as const;

/** The value of the `Any` of an `istio.security.Authorization` resource. */
export function encodeAuthorization(a: Authorization): Uint8Array {
  return toBinary(
    AuthorizationSchema,
    create(AuthorizationSchema, {
      name: a.name,
      namespace: a.namespace,
      scope: Scope[a.scope],
      action: Action[a.action],
      rules: a.rules.map((rule) => ({
        clauses: rule.clauses.map((clause) => ({ matches: clause.matches.map(matchInit) })),
      })),
      dryRun: a.dryRun,
    }),
  );
}

/**
 * Throws `XDS_RESOURCE_INVALID` with `field: reason`. Stricter than the reference, which drops a range or a string match
 * that it cannot read and so may turn a constraint into none: here the policy is refused and its last version stays. Where
 * there is none, {@link standInForAuthorization} says what holds.
 */
export function decodeAuthorization(bytes: Uint8Array): Authorization {
  const m = parse(bytes);
  return {
    name: m.name,
    namespace: m.namespace,
    scope: enumName(SCOPES, m.scope, 'scope'),
    action: enumName(ACTIONS, m.action, 'action'),
    rules: m.rules.map((rule) => ({
      clauses: rule.clauses.map((clause) => ({ matches: clause.matches.map(decodeMatch) })),
    })),
    dryRun: m.dryRun,
  };
}

/**
 * What to enforce in the place of a policy that cannot be read and of which no earlier version is held, so that it does not
 * silently count for nothing: an ALLOW policy allows nothing, any other denies everything, as far as it reaches; one that does
 * not even say how far reaches everywhere. Undefined where nothing is needed: workloads name policies with a selector, and a
 * named one that is missing denies; a dry run enforces nothing.
 */
export function standInForAuthorization(resourceName: string, bytes: Uint8Array): Authorization | undefined {
  const slash = resourceName.indexOf('/');
  const named = { namespace: resourceName.slice(0, Math.max(slash, 0)), name: resourceName.slice(slash + 1) };
  const denyAll: Authorization = {
    ...named,
    scope: 'GLOBAL',
    action: 'DENY',
    rules: [{ clauses: [] }],
    dryRun: false,
  };
  let m: ReturnType<typeof parse>;
  try {
    m = parse(bytes);
  } catch {
    return denyAll; // the refusal of this resource has said why
  }
  const scope = SCOPES[m.scope];
  if (m.dryRun || scope === 'WORKLOAD_SELECTOR') return undefined;
  const allows = ACTIONS[m.action] === 'ALLOW';
  return {
    ...denyAll,
    name: m.name,
    namespace: m.namespace,
    ...(scope && { scope }),
    ...(allows && { action: 'ALLOW', rules: [] }),
  };
}

function parse(bytes: Uint8Array) {
  try {
    return fromBinary(AuthorizationSchema, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw new MeshError('XDS_RESOURCE_INVALID', 'resource: not a readable istio.security.Authorization', { cause });
  }
}

function matchInit(m: Match): MessageInitShape<typeof MatchSchema> {
  return {
    namespaces: m.namespaces.map(stringMatchInit),
    notNamespaces: m.notNamespaces.map(stringMatchInit),
    principals: m.principals.map(stringMatchInit),
    notPrincipals: m.notPrincipals.map(stringMatchInit),
    sourceIps: m.sourceIps.map(cidrInit),
    notSourceIps: m.notSourceIps.map(cidrInit),
    destinationIps: m.destinationIps.map(cidrInit),
    notDestinationIps: m.notDestinationIps.map(cidrInit),
    destinationPorts: [...m.destinationPorts],
    notDestinationPorts: [...m.notDestinationPorts],
    serviceAccounts: m.serviceAccounts.map((account) => ({ ...account })),
    notServiceAccounts: m.notServiceAccounts.map((account) => ({ ...account })),
  };
}

function stringMatchInit(s: StringMatch): MessageInitShape<typeof StringMatchSchema> {
  if (s.kind === 'presence') return { matchType: { case: 'presence', value: {} } };
  return { matchType: { case: s.kind, value: s.value } };
}

function cidrInit(c: Cidr): MessageInitShape<typeof AddressSchema> {
  return { address: ipToBytes(c.address), length: c.prefix };
}

function decodeMatch(m: MatchMessage): Match {
  const strings = (list: readonly StringMatchMessage[], field: string) =>
    list.map((item) => decodeStringMatch(item, field));
  const ranges = (list: readonly Address[], field: string) => list.map((item) => decodeCidr(item, field));
  const accounts = (list: MatchMessage['serviceAccounts']) =>
    list.map(({ namespace, serviceAccount }) => ({ namespace, serviceAccount }));
  return {
    namespaces: strings(m.namespaces, 'namespaces'),
    notNamespaces: strings(m.notNamespaces, 'not_namespaces'),
    principals: strings(m.principals, 'principals'),
    notPrincipals: strings(m.notPrincipals, 'not_principals'),
    sourceIps: ranges(m.sourceIps, 'source_ips'),
    notSourceIps: ranges(m.notSourceIps, 'not_source_ips'),
    destinationIps: ranges(m.destinationIps, 'destination_ips'),
    notDestinationIps: ranges(m.notDestinationIps, 'not_destination_ips'),
    destinationPorts: m.destinationPorts.map(port),
    notDestinationPorts: m.notDestinationPorts.map(port),
    serviceAccounts: accounts(m.serviceAccounts),
    notServiceAccounts: accounts(m.notServiceAccounts),
  };
}

function decodeStringMatch(m: StringMatchMessage, field: string): StringMatch {
  const { matchType } = m;
  switch (matchType.case) {
    case 'presence':
      return { kind: 'presence' };
    case 'exact':
    case 'prefix':
    case 'suffix':
      return { kind: matchType.case, value: matchType.value };
    default:
      throw invalid(field, 'a string match of an unknown kind');
  }
}

function decodeCidr(m: Address, field: string): Cidr {
  const address = decodeIp(m.address, field);
  return { address, prefix: decodePrefix(m.length, m.address, address, field) };
}
