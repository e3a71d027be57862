/** Settings of the DNS proxy. */
import { type IpAddress, isLoopback, parseIp } from '../../mesh/index.ts';

export type DnsConfig = {
  /** Where it listens inside each pod: on loopback, so that nobody else is served. Families that a pod lacks are left out. */
  readonly listen: readonly IpAddress[];
  /** 15053. */
  readonly port: number;
  readonly clusterDomain: string;
  readonly preferredNamespace: string | undefined;
  /** False: nobody is told IPv6 addresses. */
  readonly ipv6: boolean;
  /** Lists the name servers that are asked what the mesh does not know. */
  readonly resolvConf: string;
  /** Whether pods search the domains of that file (dedicated mode), not those of Kubernetes. */
  readonly searchesFile: boolean;
  /** Where name servers listen: 53, except for tests. */
  readonly upstreamPort: number;
  /** How long a name server has before another is asked as well. */
  readonly retryMs: number;
  /** When a question that nobody answers fails. Shorter than the 5 s after which resolvers ask again. */
  readonly deadlineMs: number;
  /** An idle TCP connection is closed after so long (RFC 7766 section 6.2.3). */
  readonly idleTimeoutMs: number;
  /** Questions under way: of one pod, and of all that one thread carries. */
  readonly maxPodQueries: number;
  readonly maxQueries: number;
  /** TCP connections of one pod. */
  readonly maxConnections: number;
};

/** The values of ztunnel.md section 7 and our own bounds. */
export function defaultDnsConfig(): DnsConfig {
  return {
    listen: ['127.0.0.1' as IpAddress, '::1' as IpAddress],
    port: 15_053,
    clusterDomain: 'cluster.local',
    preferredNamespace: undefined,
    ipv6: true,
    resolvConf: '/etc/resolv.conf',
    searchesFile: false,
    upstreamPort: 53,
    retryMs: 1_000,
    deadlineMs: 4_500,
    idleTimeoutMs: 10_000,
    maxPodQueries: 256,
    maxQueries: 4_096,
    maxConnections: 64,
  };
}

/** As the process was told: metadata first, then environment (ztunnel.md section 9). */
export type DnsSettings = {
  /** DNS_CAPTURE: absent means on. */
  readonly capture: string | undefined;
  /** DNS_PROXY_ADDR: `localhost:port`, or an address of loopback and a port. */
  readonly address: string | undefined;
  readonly clusterDomain: string;
  readonly preferredNamespace: string | undefined;
  readonly ipv6: boolean;
  readonly dedicated: boolean;
};

/** Undefined when it is switched off; what can't be read is added to the problems. */
export function dnsConfig(settings: DnsSettings, problems: string[]): DnsConfig | undefined {
  const { capture, address, clusterDomain, preferredNamespace, ipv6, dedicated } = settings;
  if (capture !== undefined && capture.toLowerCase() !== 'true') return undefined;
  const defaults = defaultDnsConfig();
  const at = address === undefined || address === '' ? defaults : parseAddress(address, defaults);
  if (at === undefined)
    problems.push(
      `DNS_PROXY_ADDR="${address}": must be localhost:PORT or IP:PORT, with an IP on loopback: only the pod itself is served`,
    );
  const { listen, port } = at ?? defaults;
  return {
    ...defaults,
    listen: ipv6 || listen.length === 1 ? listen : listen.filter((ip) => !ip.includes(':')),
    port,
    clusterDomain: clusterDomain.toLowerCase(),
    preferredNamespace,
    ipv6,
    searchesFile: dedicated,
  };
}

function parseAddress(text: string, { listen }: DnsConfig): Pick<DnsConfig, 'listen' | 'port'> | undefined {
  const [, host = '', digits = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (port < 1 || port > 65_535) return undefined;
  if (host === 'localhost') return { listen, port };
  const ip = parseIp(host.replace(/^\[(.+)\]$/, '$1'));
  return ip === undefined || !isLoopback(ip) ? undefined : { listen: [ip], port };
}
