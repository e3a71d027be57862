/** What is decided about connections that are carried as they are. */
import {
  compileHttpPolicies,
  customChecks,
  evaluateHttp,
  formatBecause,
  type HttpFacts,
  type HttpPolicy,
  type HttpScope,
  needsToken,
  pickByWeight,
  type ServiceConfig,
  serviceKey,
  type TcpRouteTable,
} from '../mesh/index.ts';
import { type ChainConfig, NAME_UNSEEN, type TcpRules, type TcpVerdict } from './chains.ts';
import { connectionFacts, routedConnectionFacts } from './policy/facts.ts';
import { policiesOf } from './policy/scope.ts';
import type { ToldService } from './told.ts';

/**
 * What asks for HTTP is read to deny (waypoint.md section 4.3). An external authorizer is not asked here: where a policy wants one
 * to be asked, the answer is no. `random` in [0, 1). `serviceNow`: what is known of a service now, whether or not a route still leads to it.
 */
export function tcpChain(
  config: ChainConfig,
  random: () => number,
  serviceNow: (key: string) => ToldService | undefined,
): TcpRules {
  const { gateway, service } = config;
  const tables = service?.ports.find(({ port }) => port === config.port)?.routes?.tcp ?? [];
  const byClients = new Map(tables.map((table) => [table.clientNamespace, table]));
  const policies = policiesOf(gateway, service);
  const judgesServerName = policies.some(namesServer);
  const scope = scopeOf(policies);
  const others = [...config.others.values()].filter((other) => other !== 'unreadable').map(backendScope);
  const authentications = [...(gateway?.authentications ?? []), ...(service?.authentications ?? [])];
  // Where requests are looked for, whoever speaks something else does not get around the token that requests must have.
  const mustBeRequest = config.protocol === 'UNKNOWN' && needsToken(authentications);
  const own = service && serviceKey(service);
  // Of all hosts below a wildcard, it says which.
  const isForMany = config.protocol !== 'TCP' && service?.hostname.startsWith('*.') === true;
  return {
    admit: (source, served, serverName) =>
      mustBeRequest ? TOKEN_MISSING : judge(scope, connectionFacts(source, served, serverName)),
    admitTo(target, source, seen) {
      if (target.kind === 'workload' || target.service === own) return PASSES;
      const its = serviceNow(target.service);
      if (its === undefined) return PASSES; // it is none of ours: whoever it belongs to judges
      if (its.kind === 'unreadable') return UNREADABLE;
      const scope = backendScope(its.config);
      if (seen === 'unseen' && scope.chain !== 'tcp') return NAME_UNSEEN;
      return judge(scope, routedConnectionFacts(source, target.port, seen === 'unseen' ? undefined : seen.serverName));
    },
    judgesServerName,
    needsServerName:
      judgesServerName ||
      isForMany ||
      others.some(({ chain }) => chain === 'tls') ||
      tables.some(({ rules }) => rules.some(({ sni }) => sni.length > 0)),
    target(source, called, serverName) {
      const table = byClients.get(source.parts.namespace) ?? byClients.get('');
      const rule = table && ruleFor(table, serverName);
      if (rule === undefined) return called;
      const backend = pickByWeight(rule.backends, random());
      if (backend === undefined || backend.isInvalid) return undefined;
      return { kind: 'service', service: backend.service, port: backend.port };
    },
  };
}

const PASSES: TcpVerdict = { kind: 'allow', because: 'it has no policies here' };
const UNREADABLE: TcpVerdict = {
  kind: 'deny',
  because: 'the policies of the service that a route leads to can not be read',
};
const TOKEN_MISSING: TcpVerdict = {
  kind: 'deny',
  because: 'a RequestAuthentication requires a token, and this is no request that could have one',
};

const BACKENDS = new WeakMap<ServiceConfig, HttpScope>();

function backendScope(service: ServiceConfig): HttpScope {
  let scope = BACKENDS.get(service);
  if (scope === undefined) {
    scope = scopeOf(service.policies);
    BACKENDS.set(service, scope);
  }
  return scope;
}

function scopeOf(policies: readonly HttpPolicy[]): HttpScope {
  return compileHttpPolicies(policies, policies.some(namesServer) ? 'tls' : 'tcp');
}

function judge(scope: HttpScope, facts: HttpFacts): TcpVerdict {
  const [custom] = customChecks(scope, facts);
  if (custom !== undefined) {
    const { policy, rule } = custom.rule;
    const because = `policy ${policy}, rule ${rule}: ${custom.provider} can be asked about requests only`;
    return { kind: 'deny', because };
  }
  const decision = evaluateHttp(scope, facts);
  const { verdict, because } = decision;
  return { kind: verdict, because: formatBecause(because), judged: { scope, facts, decision } };
}

function namesServer({ rules }: HttpPolicy): boolean {
  const matches = rules.flatMap(({ clauses }) => clauses.flatMap((clause) => clause.matches));
  return matches.some(({ tests }) => tests.some(({ field }) => field === 'SNI'));
}

function ruleFor({ rules }: TcpRouteTable, serverName: string | undefined) {
  return rules.find(({ sni }) => sni.length === 0 || sni.some((name) => isOfName(serverName, name)));
}

/** `*.example.com` is every name below it, however deep. */
function isOfName(serverName: string | undefined, name: string): boolean {
  if (serverName === undefined) return false;
  return name.startsWith('*.')
    ? serverName.endsWith(name.slice(1)) && serverName.length >= name.length
    : serverName === name;
}
