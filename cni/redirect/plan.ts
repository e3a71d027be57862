/**
 * The rules that lead a pod's traffic to the node proxy, as data: what `nft` and `ip` are given. Pure.
 *
 * Why it works: the proxy listens inside the pod's namespace. Its own packets carry PROXY_MARK and are left alone. When it
 * speaks to the application as the original client, the connection gets CONNECTION_MARK; the application's replies to
 * that far-away address take the mark over, and the policy route delivers them locally, to the proxy.
 */
import type { RedirectOptions } from './options.ts';

// cni.md, "Numbers worth memorising"; a node proxy of the reference relies on every one of them.
export const OUTBOUND_PORT = 15001;
const INBOUND_PORT = 15006;
const HBONE_PORT = 15008;
export const DNS_PORT = 15053;
const MARK_MASK = '0xfff';
const PROXY_MARK = '0x539';
const CONNECTION_MARK = '0x111';
const ROUTE_TABLE = '100';
const RULE_PRIORITY = '32764';
/** What kubelet's probes come from, after the host's source NAT. */
export const PROBE_SOURCE = { v4: '169.254.7.127', v6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' } as const;

export const TABLES = ['istio-ambient-nat', 'istio-ambient-mangle', 'istio-ambient-raw'] as const;
export type TableName = (typeof TABLES)[number];
type Hook = 'prerouting' | 'output';

/** The rules of one table by hook; each hook's chain jumps to the one that holds them. */
type Table = { readonly name: TableName; readonly rules: Readonly<Record<Hook, readonly string[]>> };

/** A call of `ip`; `family` so that a pod without IPv6 can leave the half of it out. */
export type RoutingStep = { readonly family: 4 | 6; readonly args: readonly string[] };

export type RulePlan = {
  /** For `nft -f -`: one transaction that replaces whatever our tables held. */
  readonly nft: string;
  /** Rule count for each chain by table, to compare a namespace with. */
  readonly chains: ReadonlyMap<TableName, ReadonlyMap<string, number>>;
  readonly routing: readonly RoutingStep[];
};

const HOOKS: Readonly<Record<TableName, Readonly<Record<Hook, string>>>> = {
  'istio-ambient-nat': {
    prerouting: 'type nat hook prerouting priority -100; policy accept;',
    output: 'type nat hook output priority -100; policy accept;',
  },
  'istio-ambient-mangle': {
    prerouting: 'type filter hook prerouting priority -150; policy accept;',
    // type route: a packet whose mark changed looks its route up again
    output: 'type route hook output priority -150; policy accept;',
  },
  'istio-ambient-raw': {
    prerouting: 'type filter hook prerouting priority -300; policy accept;',
    output: 'type filter hook output priority -300; policy accept;',
  },
};

const isMarked = (mark: string) => `meta mark and ${MARK_MASK} == ${mark}`;
const notMarked = (mark: string) => `meta mark and ${MARK_MASK} != ${mark}`;
const TCP = 'meta l4proto tcp';

/** Everything a pod's namespace gets. */
export function planRules(options: RedirectOptions): RulePlan {
  const tables = [natTable(options), mangleTable(), ...(options.dnsCapture ? [rawTable()] : [])];
  return {
    nft: `${[...TABLES.flatMap(forget), ...tables.flatMap(declare)].join('\n')}\n`,
    chains: new Map(tables.map((table) => [table.name, chainCounts(table)])),
    routing: planRouting(options.ipv6, 'add'),
  };
}

/** Everything that takes it away again, both families in any case: options may have changed since. */
export function planRemoval(): Pick<RulePlan, 'nft' | 'routing'> {
  return { nft: `${TABLES.flatMap(forget).join('\n')}\n`, routing: planRouting(true, 'del') };
}

/** Adding first makes the deletion safe; in one transaction nobody sees the gap. Stale tables and chains go this way, too. */
function forget(name: TableName): string[] {
  return [`add table inet ${name}`, `delete table inet ${name}`];
}

function declare({ name, rules }: Table): string[] {
  const lines = [`add table inet ${name}`];
  for (const hook of ['prerouting', 'output'] as const) {
    if (rules[hook].length === 0) continue;
    lines.push(`add chain inet ${name} ${hook} { ${HOOKS[name][hook]} }`);
    lines.push(`add chain inet ${name} istio-${hook}`);
    lines.push(`add rule inet ${name} ${hook} jump istio-${hook}`);
    for (const rule of rules[hook]) lines.push(`add rule inet ${name} istio-${hook} ${rule}`);
  }
  return lines;
}

function chainCounts({ rules }: Table): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const hook of ['prerouting', 'output'] as const) {
    if (rules[hook].length === 0) continue;
    counts.set(hook, 1).set(`istio-${hook}`, rules[hook].length);
  }
  return counts;
}

/** One rule for each family, IPv6 right behind IPv4. */
function each(ipv6: boolean, rule: (ip: 'ip' | 'ip6', loopback: string, probe: string) => string): string[] {
  const v4 = rule('ip', '127.0.0.1', PROBE_SOURCE.v4);
  return ipv6 ? [v4, rule('ip6', '::1', PROBE_SOURCE.v6)] : [v4];
}

function natTable({ ipv6, dnsCapture, bypassInbound, virtualInterfaces }: RedirectOptions): Table {
  const prerouting = virtualInterfaces.flatMap((name) => [
    `iifname "${name}" ${TCP} counter redirect to :${OUTBOUND_PORT}`,
    `iifname "${name}" ${TCP} counter return`,
  ]);
  if (!bypassInbound) {
    prerouting.push(
      ...each(ipv6, (ip, _, probe) => `${ip} saddr ${probe} ${TCP} counter accept`),
      ...each(
        ipv6,
        (ip, loopback) =>
          `${ip} daddr != ${loopback} tcp dport != ${HBONE_PORT} ${notMarked(PROXY_MARK)} counter redirect to :${INBOUND_PORT}`,
      ),
    );
  }
  const dns = [
    `oifname != "lo" udp dport 53 ${notMarked(PROXY_MARK)} counter redirect to :${DNS_PORT}`,
    ...each(
      ipv6,
      (ip, loopback) =>
        `${ip} daddr != ${loopback} tcp dport 53 ${notMarked(PROXY_MARK)} counter redirect to :${DNS_PORT}`,
    ),
  ];
  const output = [
    ...each(ipv6, (ip, _, probe) => `${ip} daddr ${probe} ${TCP} counter accept`),
    ...(dnsCapture ? dns : []),
    `${TCP} ${isMarked(CONNECTION_MARK)} counter accept`,
    // the pod's own address: the kernel sends it over lo, and it never was on the network
    ...each(ipv6, (ip, loopback) => `oifname "lo" ${ip} daddr != ${loopback} counter accept`),
    ...each(
      ipv6,
      (ip, loopback) =>
        `${ip} daddr != ${loopback} ${TCP} ${notMarked(PROXY_MARK)} counter redirect to :${OUTBOUND_PORT}`,
    ),
  ];
  return { name: 'istio-ambient-nat', rules: { prerouting, output } };
}

/**
 * A packet whose mark changes is routed once more, which costs more than all of our rules together. So only those are marked
 * that need it: not the connections that were redirected, whose way is fixed already, and not the proxy's own packets.
 */
function mangleTable(): Table {
  return {
    name: 'istio-ambient-mangle',
    rules: {
      prerouting: [
        `${isMarked(PROXY_MARK)} ct status and dnat != dnat counter ct mark set ct mark and 0xfffff000 or ${CONNECTION_MARK}`,
      ],
      output: [`${notMarked(PROXY_MARK)} ct mark and ${MARK_MASK} == ${CONNECTION_MARK} counter meta mark set ct mark`],
    },
  };
}

/** The proxy's own queries in a conntrack zone of their own: else their ports collide with the redirected ones. */
function rawTable(): Table {
  return {
    name: 'istio-ambient-raw',
    rules: {
      prerouting: [`udp sport 53 ${notMarked(PROXY_MARK)} counter ct zone set 1`],
      output: [`udp dport 53 ${isMarked(PROXY_MARK)} counter ct zone set 1`],
    },
  };
}

/** Each step stands alone: that the rule of one family exists says nothing of the other. */
function planRouting(ipv6: boolean, change: 'add' | 'del'): RoutingStep[] {
  const steps: RoutingStep[] = [];
  for (const family of ipv6 ? ([4, 6] as const) : ([4] as const)) {
    const all = family === 4 ? '0.0.0.0/0' : '::/0';
    const route = ['route', change === 'add' ? 'replace' : 'del', 'local', all, 'dev', 'lo', 'table', ROUTE_TABLE];
    const mark = `${CONNECTION_MARK}/${MARK_MASK}`;
    const rule = ['rule', change, 'fwmark', mark, 'lookup', ROUTE_TABLE, 'pref', RULE_PRIORITY];
    steps.push({ family, args: [`-${family}`, ...route] }, { family, args: [`-${family}`, ...rule] });
  }
  return steps;
}

/** What of the policy routing stands, out of `ip rule` and `ip route show table 100` (or rather `all`). */
export const ROUTING_MARKS = { rule: `fwmark ${CONNECTION_MARK}/${MARK_MASK}`, table: ROUTE_TABLE } as const;
