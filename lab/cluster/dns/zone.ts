/**
 * The names of the cluster (https://github.com/kubernetes/dns/blob/master/docs/specification.md, version 1.1.0). Pure:
 * built from Services, EndpointSlices and Pods, then asked.
 */
import { isIPv6 } from 'node:net';
import type { Endpoint, EndpointSlice, Pod, Service } from '../types.ts';
import { dashed, reverseName } from './names.ts';

export type DnsRecord =
  | { readonly type: 'A' | 'AAAA' | 'CNAME' | 'PTR' | 'TXT'; readonly data: string }
  | { readonly type: 'SRV'; readonly data: { readonly port: number; readonly target: string } };

/** What one name holds. An existing name without records of the asked type is an empty answer, not an absent name. */
export type ZoneAnswer =
  | { readonly kind: 'found'; readonly records: readonly DnsRecord[] }
  | { readonly kind: 'no-such-name' }
  /** Not a name of the cluster. */
  | { readonly kind: 'elsewhere' };

export type ZoneObjects = {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly pods: readonly Pod[];
  /** Without dots at its ends: `cluster.local`. */
  readonly domain: string;
};

const SERVICE_NAME = 'kubernetes.io/service-name';
const VERSION = '1.1.0';

export class Zone {
  readonly #domain: string;
  readonly #records = new Map<string, DnsRecord[]>();
  /** Names that only have names beneath them. */
  readonly #ancestors = new Set<string>();

  constructor({ services, slices, pods, domain }: ZoneObjects) {
    this.#domain = domain;
    this.#add(`dns-version.${domain}`, { type: 'TXT', data: VERSION });
    const byService = Map.groupBy(
      slices,
      (slice) => `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_NAME]}`,
    );
    for (const service of services) {
      this.#addService(service, byService.get(`${service.metadata.namespace}/${service.metadata.name}`) ?? []);
    }
    for (const pod of pods) this.#addPod(pod);
  }

  /** Records of a name, without its final dot. */
  ask(name: string): ZoneAnswer {
    const key = name.toLowerCase().replace(/\.$/, '');
    const records = this.#records.get(key);
    if (records !== undefined) return { kind: 'found', records };
    if (this.#ancestors.has(key)) return { kind: 'found', records: [] };
    return key === this.#domain || key.endsWith(`.${this.#domain}`) ? { kind: 'no-such-name' } : { kind: 'elsewhere' };
  }

  #addService(service: Service, slices: readonly EndpointSlice[]): void {
    const { spec, metadata } = service;
    const name = `${metadata.name}.${metadata.namespace}.svc.${this.#domain}`;
    if (spec.type === 'ExternalName') {
      this.#add(name, { type: 'CNAME', data: (spec.externalName ?? '').replace(/\.$/, '') });
      return;
    }
    if (spec.clusterIP === 'None') {
      this.#addHeadless(service, name, slices);
      return;
    }
    for (const ip of spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : [])) {
      this.#add(name, address(ip));
      this.#add(reverseName(ip), { type: 'PTR', data: name });
    }
    for (const { name: port = '', protocol = 'TCP', port: number } of spec.ports ?? []) {
      this.#addPort(name, port, protocol, { port: number, target: name });
    }
  }

  /** The endpoints themselves are the answer; not-ready ones only where the service publishes them. */
  #addHeadless(service: Service, name: string, slices: readonly EndpointSlice[]): void {
    this.#enter(name);
    for (const slice of slices) {
      for (const endpoint of slice.endpoints) {
        if (endpoint.conditions?.ready === false && service.spec.publishNotReadyAddresses !== true) continue;
        this.#addEndpoint(name, endpoint, slice);
      }
    }
  }

  #addEndpoint(name: string, endpoint: Endpoint, slice: EndpointSlice): void {
    for (const ip of endpoint.addresses) {
      const own = `${(endpoint.hostname ?? '') || dashed(ip)}.${name}`;
      this.#add(name, address(ip));
      this.#add(own, address(ip));
      if (endpoint.hostname) this.#add(reverseName(ip), { type: 'PTR', data: own });
      for (const { name: port = '', protocol = 'TCP', port: number } of slice.ports ?? []) {
        if (number !== undefined) this.#addPort(name, port, protocol, { port: number, target: own });
      }
    }
  }

  /** A named port has a name of its own; all ports are found under the service's. */
  #addPort(name: string, port: string, protocol: string, data: { port: number; target: string }): void {
    if (port !== '') this.#add(`_${port}._${protocol.toLowerCase()}.${name}`, { type: 'SRV', data });
    this.#add(name, { type: 'SRV', data });
  }

  #addPod(pod: Pod): void {
    if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return;
    const ips = pod.status?.podIPs?.map(({ ip }) => ip) ?? (pod.status?.podIP ? [pod.status.podIP] : []);
    for (const ip of ips) this.#add(`${dashed(ip)}.${pod.metadata.namespace}.pod.${this.#domain}`, address(ip));
  }

  #add(name: string, record: DnsRecord): void {
    this.#enter(name);
    const records = this.#records.get(name.toLowerCase()) ?? [];
    const isKnown = records.some((known) => known.type === record.type && sameData(known, record));
    if (!isKnown) this.#records.set(name.toLowerCase(), [...records, record]);
  }

  #enter(name: string): void {
    const key = name.toLowerCase();
    if (!this.#records.has(key)) this.#records.set(key, []);
    for (let dot = key.indexOf('.'); dot >= 0; dot = key.indexOf('.', dot + 1)) {
      const ancestor = key.slice(dot + 1);
      if (ancestor === this.#domain || ancestor.endsWith(`.${this.#domain}`)) this.#ancestors.add(ancestor);
    }
  }
}

const address = (ip: string): DnsRecord => ({ type: isIPv6(ip) ? 'AAAA' : 'A', data: ip });

const sameData = (a: DnsRecord, b: DnsRecord) => JSON.stringify(a.data) === JSON.stringify(b.data);
