/** The configuration as `/config_dump` and the start-up line show it: the reference's keys, and never a token. */

import type { ControlPlaneConfig, RootSource } from '../../core/xds/index.ts';
import { ILLEGAL_PORTS } from '../../mesh/index.ts';
import type { ZtunnelConfig } from '../config.ts';
import type { DnsConfig } from '../dns/index.ts';
import type { Json } from './mesh-dump.ts';

export function configView(config: ZtunnelConfig): { readonly [key: string]: Json } {
  const { data, dns, pod, workload, xds, ca } = config;
  const wildcard = (port: number) => `${data.ipv6 ? '[::]' : '0.0.0.0'}:${port}`;
  return {
    proxy: true,
    dnsProxy: dns !== undefined,
    windowSize: data.streamWindowBytes,
    connectionWindowSize: data.connectionWindowBytes,
    frameSize: data.frameBytes,
    poolMaxStreamsPerConn: data.poolMaxStreams,
    poolUnusedReleaseTimeout: seconds(data.poolUnusedReleaseMs),
    socks5Addr: null,
    adminAddr: `localhost:${config.adminPort}`,
    statsAddr: wildcard(config.statsPort),
    readinessAddr: wildcard(config.readinessPort),
    inboundAddr: wildcard(data.inboundHbonePort),
    inboundPlaintextAddr: wildcard(data.inboundPlaintextPort),
    outboundAddr: wildcard(data.outboundPort),
    dnsProxyAddr: dns === undefined ? null : dnsAddress(dns),
    illegalPorts: [...ILLEGAL_PORTS],
    network: config.network,
    localNode: config.localNode === '' ? null : config.localNode,
    proxyMode: config.mode === 'shared' ? 'Shared' : 'Dedicated',
    proxyWorkloadInformation: workload === undefined ? null : { ...workload },
    clusterId: config.clusterId,
    clusterDomain: config.clusterDomain,
    caAddress: ca.address,
    caRootCert: roots(ca.roots),
    altCaHostname: ca.altHostname ?? null,
    caHeaders: headers(ca),
    xdsAddress: xds?.address ?? null,
    xdsRootCert: xds === undefined ? null : roots(xds.roots),
    altXdsHostname: xds?.altHostname ?? null,
    xdsHeaders: xds === undefined ? {} : headers(xds),
    preferedServiceNamespace: dns?.preferredNamespace ?? null,
    secretTtl: seconds(config.secretTtlMs),
    xdsOnDemand: false,
    fakeCa: false,
    selfTerminationDeadline: seconds(config.drainDeadlineMs),
    proxyMetadata: { ...config.proxyMetadata },
    numWorkerThreads: config.workerThreads,
    requireOriginalSource: data.originalSource === 'auto' ? null : data.originalSource === 'required',
    inpodUds: config.inpodUds,
    inpodPortReuse: data.reusePort,
    packetMark: data.mark ?? null,
    socketConfig: {
      keepaliveEnabled: data.keepAlive !== undefined,
      ...(data.keepAlive && {
        keepaliveTime: seconds(data.keepAlive.idleS * 1_000),
        keepaliveInterval: seconds(data.keepAlive.intervalS * 1_000),
        keepaliveRetries: data.keepAlive.probes,
      }),
      userTimeoutEnabled: false,
    },
    localhostAppTunnel: data.localhostAppTunnel,
    ztunnelWorkload: pod.name === '' ? null : { ...pod },
    ipv6Enabled: data.ipv6,
    crlPath: config.crlPath ?? null,
    enableEnhancedBaggage: data.responseBaggage,
  };
}

function seconds(ms: number): Json {
  return { secs: Math.floor(ms / 1_000), nanos: Math.round((ms % 1_000) * 1e6) };
}

/** As it is written in DNS_PROXY_ADDR. */
function dnsAddress({ listen, port }: DnsConfig): string {
  const [ip = '', ...more] = listen;
  if (more.length > 0 || ip === '127.0.0.1') return `localhost:${port}`;
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** Names only: who needs a header towards the control plane may well have put a credential into it. */
function headers({ headers: given }: ControlPlaneConfig): Json {
  return Object.fromEntries(Object.keys(given).map((name) => [name, '<redacted>']));
}

function roots(source: RootSource): Json {
  switch (source.kind) {
    case 'system':
      return 'SYSTEM';
    case 'file':
      return { File: source.path };
    case 'inline':
      return { Static: source.pem };
    default:
      return source satisfies never;
  }
}
