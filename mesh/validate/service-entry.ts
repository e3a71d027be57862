/** ServiceEntry (crds.md section 7): services that Kubernetes does not know. */
import { parseIp } from '../address.ts';
import { parseCidr } from '../cidr.ts';
import { fields, isFields, labelsOf, list as listOf, text as textOf, texts } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import { type Findings, quote } from './findings.ts';
import { dnsLabel, fqdn, labelKey, labelValue } from './names.ts';
import { type Check, isSet, list, map, object, oneOf, text, wholeNumber } from './shape.ts';
import { type Surroundings, selectsAny } from './surroundings.ts';
import { endpointCheck, UNIX, warnOfEndpoint } from './workload-entry.ts';

type Fields = ReturnType<typeof fields>;

const MAX_LIST = 256;
const MAX_ENDPOINTS = 4096;
const MAX_ADDRESS = 64;
const MAX_PORT = 65_535;
const AUTO_ADDRESS = 'networking.istio.io/enable-autoallocate-ip';
const WAYPOINT = 'istio.io/use-waypoint';

const PROTOCOLS: ReadonlySet<string> = new Set(
  'HTTP HTTPS HTTP2 HTTP_PROXY GRPC GRPC-WEB TCP TLS UDP MONGO REDIS MYSQL'.split(' '),
);
/** What a waypoint with DYNAMIC_DNS can tell apart. */
const DYNAMIC_PROTOCOLS: ReadonlySet<string> = new Set(['HTTP', 'HTTP2', 'GRPC', 'TLS']);

const port = object(
  {
    number: wholeNumber(1, MAX_PORT),
    name: text({ min: 1, max: MAX_LIST, reason: dnsLabel }),
    protocol: text({
      reason: (written) =>
        written === '' || PROTOCOLS.has(written.toUpperCase())
          ? undefined
          : `${quote(written)} is none of ${[...PROTOCOLS].join(', ')}`,
    }),
    targetPort: wholeNumber(1, MAX_PORT),
  },
  { required: ['name', 'number'], tolerant: true },
);

const host = text({
  min: 1,
  reason: (written) => {
    if (written === '*') return '* alone would be every host there is';
    if (!written.includes('*')) return fqdn(written);
    if (written.lastIndexOf('*') > 0) return `${quote(written)} has a * elsewhere than at its start`;
    return fqdn(written.replace(/^\*\.?/, '')) && `${quote(written)} is no host name`;
  },
});

const spec: Check = object(
  {
    hosts: list(host, { min: 1, max: MAX_LIST }),
    addresses: list(
      text({
        max: MAX_ADDRESS,
        reason: (written) =>
          parseCidr(written) === undefined ? `${quote(written)} is neither an IP address nor a CIDR block` : undefined,
      }),
      { max: MAX_LIST },
    ),
    ports: list(port, { max: MAX_LIST }),
    location: oneOf('MESH_EXTERNAL', 'MESH_INTERNAL'),
    resolution: oneOf('NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'),
    endpoints: list(endpointCheck, { max: MAX_ENDPOINTS }),
    workloadSelector: object({ labels: map(text({ max: 63, reason: labelValue }), { max: MAX_LIST, key: labelKey }) }),
    exportTo: list(
      text({
        reason: (written) =>
          ['.', '*', '~'].includes(written) || dnsLabel(written) === undefined
            ? undefined
            : `${quote(written)} is neither a namespace nor one of . * ~`,
      }),
    ),
    subjectAltNames: list(text({ min: 1 })),
  },
  { required: ['hosts'], tolerant: true },
);

export function validateServiceEntry(entry: KubeObject, around: Surroundings, found: Findings): void {
  if (!isSet(entry['spec'])) {
    found.error('spec', 'is required');
    return;
  }
  spec(entry['spec'], 'spec', found);
  if (found.errors.length > 0) return; // the rules below speak of fields that can be read
  const written = fields(entry['spec']);
  const labels = entry.metadata.labels ?? {};
  checkPorts(written, found);
  checkExport(texts(written['exportTo']), found);
  checkResolution(written, labels, found);
  if (found.errors.length > 0) return;
  warnOfHosts(written, found);
  warnOfAddresses(written, labels, found);
  warnOfEndpoints(written, entry.metadata.namespace ?? '', around, found);
}

const portsOf = (spec: Fields): readonly Fields[] => listOf(spec['ports']).map(fields);
const protocolOf = (port: Fields): string => textOf(port['protocol']).toUpperCase();
const resolutionOf = (spec: Fields): string => textOf(spec['resolution']) || 'NONE';
const endpointsOf = (spec: Fields): readonly Fields[] => listOf(spec['endpoints']).map(fields);

function checkPorts(spec: Fields, found: Findings): void {
  const seen = { name: new Set<unknown>(), number: new Set<unknown>() };
  for (const [index, port] of portsOf(spec).entries()) {
    for (const key of ['name', 'number'] as const) {
      if (seen[key].has(port[key])) found.error(`spec.ports[${index}].${key}`, `${quote(port[key])} is there twice`);
      seen[key].add(port[key]);
    }
  }
  for (const [index, endpoint] of endpointsOf(spec).entries()) {
    for (const name of Object.keys(fields(endpoint['ports']))) {
      if (!seen.name.has(name)) found.error(`spec.endpoints[${index}].ports[${name}]`, 'is no port of this entry');
    }
  }
}

function checkExport(exportTo: readonly string[], found: Findings): void {
  if (new Set(exportTo).size < exportTo.length) found.error('spec.exportTo', 'names something twice');
  for (const alone of ['*', '~']) {
    if (exportTo.includes(alone) && exportTo.length > 1) found.error('spec.exportTo', `${alone} can only stand alone`);
  }
}

function checkResolution(spec: Fields, labels: Readonly<Record<string, string>>, found: Findings): void {
  const resolution = resolutionOf(spec);
  const [hosts, addresses, ports] = [texts(spec['hosts']), texts(spec['addresses']), portsOf(spec)];
  const endpoints = endpointsOf(spec);
  if (isFields(spec['workloadSelector']) && endpoints.length > 0) {
    found.error('spec', 'workloadSelector and endpoints together: only one can say where the service is');
  }
  for (const [index, address] of addresses.entries()) {
    if (!address.includes('/') || resolution === 'NONE' || resolution === 'STATIC') continue;
    found.error(
      `spec.addresses[${index}]`,
      `a CIDR block is possible only with resolution NONE or STATIC, not ${resolution}`,
    );
  }
  if (resolution === 'NONE' && endpoints.length > 0)
    found.error('spec.endpoints', 'is not possible with resolution NONE');
  if (resolution === 'STATIC') checkStatic(endpoints, ports, found);
  if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1) {
    found.error('spec.endpoints', 'at most one is possible with resolution DNS_ROUND_ROBIN');
  }
  const isDns = resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN';
  for (const [index, host] of hosts.entries()) {
    if (isDns && endpoints.length === 0 && host.includes('*')) {
      found.error(
        `spec.hosts[${index}]`,
        `${quote(host)} can not be resolved: give endpoints, or hosts without wildcards`,
      );
    }
  }
  if (isDns) {
    for (const [index, endpoint] of endpoints.entries()) {
      if (!textOf(endpoint['address']).startsWith(UNIX)) continue;
      found.error(
        `spec.endpoints[${index}].address`,
        `a socket of the file system is not possible with resolution ${resolution}`,
      );
    }
  }
  if (resolution === 'DYNAMIC_DNS') checkDynamic(spec, labels, found);
  if (resolution !== 'NONE' && hosts.length > 1 && ports.some((port) => protocolOf(port) === 'UDP')) {
    found.error('spec.hosts', 'several hosts can not be told apart on a port with protocol UDP');
  }
}

function checkStatic(endpoints: readonly Fields[], ports: readonly Fields[], found: Findings): void {
  for (const [index, endpoint] of endpoints.entries()) {
    const address = textOf(endpoint['address']);
    const at = `spec.endpoints[${index}].address`;
    if (address.startsWith(UNIX)) {
      if (ports.length !== 1) found.error(at, 'a socket of the file system needs exactly one port of the service');
    } else if (address !== '' && parseIp(address) === undefined) {
      found.error(at, `${quote(address)} is no IP address: with host names the resolution is DNS, not STATIC`);
    }
  }
}

function checkDynamic(spec: Fields, labels: Readonly<Record<string, string>>, found: Findings): void {
  for (const [index, host] of texts(spec['hosts']).entries()) {
    if (!host.startsWith('*.'))
      found.error(`spec.hosts[${index}]`, 'only wildcards (*.) are possible with resolution DYNAMIC_DNS');
  }
  for (const name of ['addresses', 'endpoints']) {
    if (listOf(spec[name]).length > 0) found.error(`spec.${name}`, 'is not possible with resolution DYNAMIC_DNS');
  }
  for (const [index, port] of portsOf(spec).entries()) {
    if (DYNAMIC_PROTOCOLS.has(protocolOf(port))) continue;
    found.error(
      `spec.ports[${index}].protocol`,
      `only ${[...DYNAMIC_PROTOCOLS].join(', ')} are possible with resolution DYNAMIC_DNS`,
    );
  }
  if (spec['location'] === 'MESH_INTERNAL' && labels[WAYPOINT] !== undefined) {
    found.error('spec.location', 'MESH_INTERNAL is not possible with resolution DYNAMIC_DNS and a waypoint');
  }
}

function warnOfHosts(spec: Fields, found: Findings): void {
  for (const [index, host] of texts(spec['hosts']).entries()) {
    if (!/^\*[^.]/.test(host) || resolutionOf(spec) === 'DYNAMIC_DNS') continue;
    found.warn(
      'unusual',
      `spec.hosts[${index}]`,
      `${quote(host)} stands for a part of a label; *. for whole ones is what is meant mostly`,
    );
  }
}

/** Ports that need an address of their own, since nothing in the bytes names the host. */
function warnOfAddresses(spec: Fields, labels: Readonly<Record<string, string>>, found: Findings): void {
  if (listOf(spec['addresses']).length > 0) return;
  const allocated = labels[AUTO_ADDRESS]?.toLowerCase() !== 'false' && resolutionOf(spec) !== 'NONE';
  if (allocated) return;
  for (const [index, port] of portsOf(spec).entries()) {
    if (!['', 'TCP'].includes(protocolOf(port))) continue;
    found.warn(
      'never-matches',
      `spec.ports[${index}]`,
      'a TCP port is reached by address, and this entry has none and gets none',
    );
  }
}

function warnOfEndpoints(spec: Fields, namespace: string, around: Surroundings, found: Findings): void {
  for (const [index, endpoint] of endpointsOf(spec).entries())
    warnOfEndpoint(endpoint, `spec.endpoints[${index}]`, found);
  const resolution = resolutionOf(spec);
  if (!isFields(spec['workloadSelector'])) {
    if (resolution === 'STATIC' && endpointsOf(spec).length === 0) {
      found.warn('matches-nothing', 'spec', 'has neither endpoints nor a workloadSelector: nothing is behind it');
    }
    return;
  }
  if (resolution === 'NONE') {
    found.warn(
      'ignored',
      'spec.workloadSelector',
      'has no effect with resolution NONE: connections go where they were sent to',
    );
    return;
  }
  const labels = labelsOf(spec['workloadSelector']['labels']);
  if (Object.keys(labels).length > 0 && selectsAny(around, namespace, labels) === false) {
    const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    found.warn(
      'matches-nothing',
      'spec.workloadSelector',
      `no workload of namespace ${namespace} has ${pairs.join(', ')}`,
    );
  }
}
