/** The DNS proxy of pods: the rest of the ztunnel imports from here. */
export { type DnsConfig, defaultDnsConfig, dnsConfig } from './config.ts';
export type { Asking, DnsObserver, DropReason, Protocol } from './observer.ts';
export { DnsService, type ServedDns } from './service.ts';
