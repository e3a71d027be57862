/** What is decided about connections that are carried as they are. */
import {
  compileHttpPolicies,
  customChecks,
  evaluateHttp,
  formatBecause,
  type HttpPolicy,
  pickByWeight,
  type TcpRouteTable,
} from '../mesh/index.ts';
import type { ChainConfig, TcpRules } from './chains.ts';
import { connectionFacts } from './policy/facts.ts';

/**
 * What asks for HTTP is read to deny (waypoint.md section 4.3). An external authorizer is not asked here: where a policy wants one
 * to be asked, the answer is no. `random` in [0, 1).
 */
export function tcpChain(config: ChainConfig, random: () => number): TcpRules {
  const { gateway, service } = config;
  const tables = service?.ports.find(({ port }) => port === config.port)?.routes?.tcp ?? [];
  const byClients = new Map(tables.map((table) => [table.clientNamespace, table]));
  const policies = [...(gateway?.policies ?? []), ...(service?.policies ?? [])];
  const judgesServerName = policies.some(namesServer);
  const scope = compileHttpPolicies(policies, judgesServerName ? 'tls' : 'tcp');
  return {
    admit(source, served, serverName) {
      const facts = connectionFacts(source, served, serverName);
      const [custom] = customChecks(scope, facts);
      if (custom !== undefined) {
        const { policy, rule } = custom.rule;
        const because = `policy ${policy}, rule ${rule}: ${custom.provider} can be asked about requests only`;
        return { kind: 'deny', because };
      }
      const { verdict, because } = evaluateHttp(scope, facts);
      return { kind: verdict, because: formatBecause(because) };
    },
    judgesServerName,
    needsServerName: judgesServerName || tables.some(({ rules }) => rules.some(({ sni }) => sni.length > 0)),
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
