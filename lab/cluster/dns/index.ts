/** Cluster DNS: names of Services, endpoints and pods. */
export { DnsServer, type DnsServerOptions } from './server.ts';
export { ensureDnsService } from './service.ts';
export { Zone, type ZoneAnswer } from './zone.ts';
