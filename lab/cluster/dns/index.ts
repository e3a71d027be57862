/** Cluster DNS: names of Services, endpoints and pods. */
export { DnsServer } from './server.ts';
export { ensureDnsService } from './service.ts';
export { Zone } from './zone.ts';
