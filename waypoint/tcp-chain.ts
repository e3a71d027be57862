/** What is decided about connections that are carried as they are. */
import {
  compileHttpPolicies,
  customChecks,
  evaluateHttp,
  formatBecause,
  type HttpFacts,
  type HttpPolicy,
  type HttpScope,
  pickByWeight,
  type TcpRouteTable,
} from '../mesh/index.ts';
import type { ChainConfig, TcpRules, TcpVerdict } from './chains.ts';
import { connectionFacts, routedConnectionFacts } from './policy/facts.ts';
import { policiesOf } from './policy/scope.ts';

/**
 * What asks for HTTP is read to deny (waypoint.md section 4.3). An external authorizer is not asked here: where a policy wants one
 * to be asked, the answer is no. `random` in [0, 1).
 */
export function tcpChain(config: ChainConfig, random: () => number): TcpRules {
  const { gateway, service } = config;
  const tables = service?.ports.find(({ port }) => port === config.port)?.routes?.tcp ?? [];
  const byClients = new Map(tables.map((table) => [table.clientNamespace, table]));
  const policies = policiesOf(gateway, service);
  const judgesServerName = policies.some(namesServer);
  const scope = scopeOf(policies);
  const scopes = scopesOf(config);
  return {
    admit: (source, served, serverName) => judge(scope, connectionFacts(source, served, serverName)),
    judgesServerName,
    needsServerName: judgesServerName || tables.some(({ rules }) => rules.some(({ sni }) => sni.length > 0)),
    target(source, called, serverName) {
      const table = byClients.get(source.parts.namespace) ?? byClients.get('');
      const rule = table && ruleFor(table, serverName);
      if (rule === undefined) return called;
      const backend = pickByWeight(rule.backends, random());
      if (backend === undefined || backend.isInvalid) return undefined;
      const { service: other, port } = backend;
      const its = scopes.get(other);
      if (its === 'unreadable') return undefined;
      const isAdmitted =
        its === undefined || judge(its, routedConnectionFacts(source, port, serverName)).kind === 'allow';
      return isAdmitted ? { kind: 'service', service: other, port } : undefined;
    },
  };
}

/** By the policies of the services that routes may lead to, where these are of this waypoint, too. */
function scopesOf({ others }: ChainConfig): ReadonlyMap<string, HttpScope | 'unreadable'> {
  const scopes = new Map<string, HttpScope | 'unreadable'>();
  for (const [key, other] of others) scopes.set(key, other === 'unreadable' ? other : scopeOf(other.policies));
  return scopes;
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
  const { verdict, because } = evaluateHttp(scope, facts);
  return { kind: verdict, because: formatBecause(because) };
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
