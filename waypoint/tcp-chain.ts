/** What is decided about connections that are carried as they are. */
import { pickByWeight, type TcpRouteTable } from '../mesh/index.ts';
import type { ChainConfig, TcpRules } from './chains.ts';

/** `random` in [0, 1). */
export function tcpChain(config: ChainConfig, random: () => number): TcpRules {
  const tables = config.service?.ports.find(({ port }) => port === config.port)?.routes?.tcp ?? [];
  const byClients = new Map(tables.map((table) => [table.clientNamespace, table]));
  return {
    admit: () => ({ kind: 'allow', because: 'no policies' }),
    needsServerName: tables.some(({ rules }) => rules.some(({ sni }) => sni.length > 0)),
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
