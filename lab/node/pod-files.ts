/** /etc/hosts and /etc/resolv.conf of a pod: pure. */
import { CLUSTER_DOMAIN } from '../addresses.ts';
import type { Pod } from './pod.ts';

/** The pod's own name for itself. */
export function podHostname(pod: Pod, nodeName: string): string {
  if (pod.spec.hostNetwork === true) return nodeName;
  return (pod.spec.hostname ?? pod.metadata.name).slice(0, 63).replace(/[-.]+$/, ''); // the longest name the kernel takes
}

export function hostsFile(pod: Pod, hostname: string, ips: readonly string[]): string {
  const { subdomain } = pod.spec;
  const names = subdomain
    ? `${hostname}.${subdomain}.${pod.metadata.namespace}.svc.${CLUSTER_DOMAIN}\t${hostname}`
    : hostname;
  return [
    '# Written by the kubelet of the lab.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    ...ips.map((ip) => `${ip}\t${names}`),
    ...(pod.spec.hostAliases ?? []).map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join('\t')}`),
    '',
  ].join('\n');
}

/** `node` is what the node's own file says. */
export function resolvConf(pod: Pod, dns: string, node: string): string {
  const { dnsPolicy = 'ClusterFirst', dnsConfig, hostNetwork } = pod.spec;
  const cluster = dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && hostNetwork !== true);
  const base = cluster
    ? {
        nameservers: [dns],
        searches: [`${pod.metadata.namespace}.svc.${CLUSTER_DOMAIN}`, `svc.${CLUSTER_DOMAIN}`, CLUSTER_DOMAIN],
        options: ['ndots:5'],
      }
    : { nameservers: [], searches: [], options: [] };
  const servers = [...base.nameservers, ...(dnsConfig?.nameservers ?? [])].map((server) => `nameserver ${server}`);
  const searches = [...base.searches, ...(dnsConfig?.searches ?? [])];
  const own = (dnsConfig?.options ?? []).map(({ name, value }) => (value === undefined ? name : `${name}:${value}`));
  const options = [...base.options.filter((o) => !own.some((p) => p.split(':')[0] === o.split(':')[0])), ...own];
  return [
    ...(cluster || dnsPolicy === 'None' ? [] : [node.trimEnd()]),
    ...servers,
    ...(searches.length > 0 ? [`search ${searches.join(' ')}`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
    '',
  ].join('\n');
}
