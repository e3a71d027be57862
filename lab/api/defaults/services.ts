/** Services: defaults, and their virtual addresses in both families (spec section 11). */
import ipaddr from 'ipaddr.js';
import { type ApiObject, at, childOf, defaultTo, listAt, mapAt, numberAt, sameJson, textAt } from '../object.ts';
import { type Cause, isObject, type Json, type JsonObject } from '../pure/index.ts';
import { type Store, storageKey } from '../store/store.ts';
import { invalidValue, required, type Strategy, unsupportedValue } from './strategy.ts';

type Family = 'IPv4' | 'IPv6';
const FAMILIES: readonly Family[] = ['IPv4', 'IPv6'];
const POLICIES = ['SingleStack', 'PreferDualStack', 'RequireDualStack'];
const TYPES = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'];
/** The lab's ranges; the runtime's address translation knows the same ones. */
const RANGES: Readonly<Record<Family, string>> = { IPv4: '10.96.0.0/16', IPv6: 'fd00:96::/112' };
/** The lowest addresses are for those that are asked for by name: `kubernetes` is .1, cluster DNS is .10. */
const FIRST_OFFSET = 256;
const LAST_OFFSET = 65_534;
const NODE_PORTS = { first: 30_000, last: 32_767 } as const;
const SERVICES = storageKey('', 'services');

const isFamily = (value: Json): value is Family => value === 'IPv4' || value === 'IPv6';
const familyOf = (ip: string): Family => (ip.includes(':') ? 'IPv6' : 'IPv4');

function addressAt(family: Family, offset: number): string {
  const bytes = ipaddr.parse(RANGES[family].split('/')[0] ?? '').toByteArray();
  bytes[bytes.length - 2] = offset >> 8;
  bytes[bytes.length - 1] = offset & 0xff;
  return ipaddr.fromByteArray(bytes).toString();
}

function usedAddresses(store: Store): Set<string> {
  return new Set(
    store.list(SERVICES).flatMap((s) => listAt(s, 'spec', 'clusterIPs').filter((ip) => typeof ip === 'string')),
  );
}

function allocate(family: Family, used: Set<string>, start: number): string {
  const size = LAST_OFFSET - FIRST_OFFSET + 1;
  for (let i = 0; i < size; i++) {
    const address = addressAt(family, FIRST_OFFSET + ((start + i) % size));
    if (used.has(address)) continue;
    used.add(address);
    return address;
  }
  throw new Error(`the service range ${RANGES[family]} is used up`);
}

/** A stable place to begin the search, so that a service made again tends to get another address than its neighbour. */
function startOf(service: ApiObject): number {
  let hash = 0;
  for (const c of `${service.metadata.namespace}/${service.metadata.name}`) hash = (hash * 31 + c.charCodeAt(0)) >>> 0;
  return hash;
}

function wantedFamilies(spec: JsonObject, old: ApiObject | undefined): readonly Family[] {
  const asked = listAt(spec, 'ipFamilies').filter(isFamily);
  const fromIps = listAt(spec, 'clusterIPs').filter((ip) => typeof ip === 'string' && ip !== 'None');
  const first = asked[0] ?? (fromIps[0] === undefined ? undefined : familyOf(String(fromIps[0])));
  const primary = first ?? (listAt(old, 'spec', 'ipFamilies').filter(isFamily)[0] as Family | undefined) ?? 'IPv4';
  const dual = spec['ipFamilyPolicy'] !== 'SingleStack';
  return dual ? [primary, ...FAMILIES.filter((f) => f !== primary)] : [primary];
}

function allocateAddresses(service: ApiObject, old: ApiObject | undefined, store: Store): void {
  const spec = childOf(service, 'spec');
  const headless = spec['clusterIP'] === 'None' || listAt(spec, 'clusterIPs')[0] === 'None';
  if (spec['ipFamilyPolicy'] === undefined || spec['ipFamilyPolicy'] === null) {
    const selectorless = Object.keys(mapAt(spec, 'selector')).length === 0;
    const both = listAt(spec, 'ipFamilies').length > 1 || listAt(spec, 'clusterIPs').length > 1;
    spec['ipFamilyPolicy'] = both || (headless && selectorless) ? 'RequireDualStack' : 'SingleStack';
  }
  const families = wantedFamilies(spec, old);
  spec['ipFamilies'] = [...families];
  if (headless) {
    spec['clusterIP'] = 'None';
    spec['clusterIPs'] = ['None'];
    return;
  }
  const given = listAt(spec, 'clusterIPs').filter((ip) => typeof ip === 'string');
  if (given.length === 0 && textAt(spec, 'clusterIP') !== '') given.push(textAt(spec, 'clusterIP'));
  const used = usedAddresses(store);
  const start = startOf(service);
  const addresses = families.map(
    (family) => given.find((ip) => familyOf(ip) === family) ?? allocate(family, used, start),
  );
  spec['clusterIPs'] = addresses;
  spec['clusterIP'] = addresses[0] ?? '';
}

function allocateNodePorts(service: ApiObject, store: Store): void {
  const ports = listAt(service, 'spec', 'ports').filter(isObject);
  const used = new Set(
    store
      .list(SERVICES)
      .filter((s) => s.metadata.uid !== service.metadata.uid)
      .flatMap((s) => listAt(s, 'spec', 'ports').map((p) => numberAt(p, 'nodePort'))),
  );
  let next = NODE_PORTS.first;
  for (const port of ports) {
    if (port['nodePort'] !== undefined && port['nodePort'] !== 0) continue;
    while (used.has(next)) next += 1;
    if (next > NODE_PORTS.last) throw new Error('the range of node ports is used up');
    used.add(next);
    port['nodePort'] = next;
  }
}

function prepare(service: ApiObject, old: ApiObject | undefined, store: Store): void {
  const spec = childOf(service, 'spec');
  defaultTo(spec, 'type', 'ClusterIP');
  defaultTo(spec, 'sessionAffinity', 'None');
  if (spec['sessionAffinity'] === 'ClientIP')
    defaultTo(spec, 'sessionAffinityConfig', { clientIP: { timeoutSeconds: 10_800 } });
  const ports = listAt(spec, 'ports').filter(isObject);
  for (const port of ports) {
    defaultTo(port, 'protocol', 'TCP');
    if (spec['type'] !== 'ExternalName') defaultTo(port, 'targetPort', port['port'] ?? 0);
  }
  if (old === undefined) service['status'] = { loadBalancer: {} };
  if (spec['type'] === 'ExternalName') {
    for (const key of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy']) delete spec[key];
    return;
  }
  defaultTo(spec, 'internalTrafficPolicy', 'Cluster');
  if (old !== undefined) keepAddresses(spec, old);
  allocateAddresses(service, old, store);
  if (spec['type'] === 'ClusterIP') {
    for (const port of ports) delete port['nodePort'];
    return;
  }
  defaultTo(spec, 'externalTrafficPolicy', 'Cluster');
  if (spec['type'] === 'LoadBalancer') defaultTo(spec, 'allocateLoadBalancerNodePorts', true);
  if (old !== undefined) keepNodePorts(spec, old);
  if (spec['allocateLoadBalancerNodePorts'] !== false) allocateNodePorts(service, store);
}

/** An update that leaves the addresses out means the ones the service has. */
function keepAddresses(spec: JsonObject, old: ApiObject): void {
  if (textAt(spec, 'clusterIP') === '' && listAt(spec, 'clusterIPs').length === 0) {
    if (at(old, 'spec', 'clusterIP') !== undefined) spec['clusterIP'] = textAt(old, 'spec', 'clusterIP');
    if (at(old, 'spec', 'clusterIPs') !== undefined) spec['clusterIPs'] = [...listAt(old, 'spec', 'clusterIPs')];
  }
  for (const key of ['ipFamilyPolicy', 'ipFamilies']) {
    const kept = at(old, 'spec', key);
    if (spec[key] === undefined && kept !== undefined) spec[key] = structuredClone(kept);
  }
}

function keepNodePorts(spec: JsonObject, old: ApiObject): void {
  for (const port of listAt(spec, 'ports').filter(isObject)) {
    const before = listAt(old, 'spec', 'ports').find(
      (p) => at(p, 'port') === port['port'] && at(p, 'protocol') === port['protocol'],
    );
    const kept = at(before, 'nodePort');
    if (kept !== undefined) defaultTo(port, 'nodePort', kept);
  }
}

function portProblems(service: ApiObject): readonly Cause[] {
  const ports = listAt(service, 'spec', 'ports');
  const type = textAt(service, 'spec', 'type');
  const causes: Cause[] = [];
  if (ports.length === 0 && type !== 'ExternalName' && at(service, 'spec', 'clusterIP') !== 'None') {
    causes.push(required('spec.ports'));
  }
  const names = new Set<string>();
  ports.forEach((port, i) => {
    const field = `spec.ports[${i}]`;
    const number = at(port, 'port');
    if (typeof number !== 'number' || number < 1 || number > 65_535) {
      causes.push(invalidValue(`${field}.port`, number ?? null, 'must be between 1 and 65535, inclusive'));
    }
    const name = textAt(port, 'name');
    if (name === '' && ports.length > 1) causes.push(required(`${field}.name`));
    if (name !== '' && names.has(name)) {
      causes.push({ reason: 'FieldValueDuplicate', field: `${field}.name`, message: `Duplicate value: "${name}"` });
    }
    names.add(name);
    if (!['TCP', 'UDP', 'SCTP'].includes(textAt(port, 'protocol'))) {
      causes.push(unsupportedValue(`${field}.protocol`, at(port, 'protocol'), ['SCTP', 'TCP', 'UDP']));
    }
  });
  return causes;
}

function addressProblems(service: ApiObject, old: ApiObject | undefined, store: Store): readonly Cause[] {
  const causes: Cause[] = [];
  const used = usedAddresses(store);
  for (const ip of listAt(old, 'spec', 'clusterIPs')) used.delete(String(ip));
  listAt(service, 'spec', 'clusterIPs').forEach((value, i) => {
    if (value === 'None') return;
    const ip = String(value);
    const field = `spec.clusterIPs[${i}]`;
    if (!ipaddr.isValid(ip)) causes.push(invalidValue(field, ip, 'must be a valid IP address'));
    else if (!ipaddr.parse(ip).match(ipaddr.parseCIDR(RANGES[familyOf(ip)]) as [ipaddr.IPv4, number])) {
      causes.push(invalidValue(field, ip, `the provided IP is not in the valid range ${RANGES[familyOf(ip)]}`));
    } else if (used.has(ip)) causes.push(invalidValue(field, ip, 'provided IP is already allocated'));
  });
  const before = textAt(old, 'spec', 'clusterIP');
  if (
    before !== '' &&
    textAt(service, 'spec', 'type') !== 'ExternalName' &&
    before !== at(service, 'spec', 'clusterIP')
  ) {
    causes.push(
      invalidValue('spec.clusterIPs[0]', at(service, 'spec', 'clusterIP') ?? null, 'may not change once set'),
    );
  }
  return causes;
}

export const services: Strategy = {
  prepare(service, old, { store }) {
    if (old !== undefined && sameJson(at(service, 'spec'), at(old, 'spec'))) return;
    prepare(service, old, store);
  },
  validate(service, old, { store }) {
    const causes = [...portProblems(service), ...addressProblems(service, old, store)];
    const type = textAt(service, 'spec', 'type');
    if (!TYPES.includes(type)) causes.push(unsupportedValue('spec.type', type, TYPES));
    const policy = at(service, 'spec', 'ipFamilyPolicy');
    if (policy !== undefined && !POLICIES.includes(String(policy))) {
      causes.push(unsupportedValue('spec.ipFamilyPolicy', policy, POLICIES));
    }
    if (type === 'ExternalName' && textAt(service, 'spec', 'externalName') === '') {
      causes.push(required('spec.externalName'));
    }
    return causes;
  },
};
