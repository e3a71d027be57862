/** ServiceEntries that get in one another's way, or in a service's; and those that nobody can be told apart by. */
import { type Cidr, parseCidr } from '../cidr.ts';
import { fields, labelsOf, list, text, texts } from '../derive/read.ts';
import { getOrAdd } from '../derive/selector.ts';
import type { KubeObject } from '../kube-object.ts';
import { rangesApart } from './covers.ts';
import { type Finding, finding, formatRef, type ObjectRef, refOf } from './finding.ts';
import type { World } from './world.ts';

const KIND = 'networking.istio.io/ServiceEntry';
const AUTO_ALLOCATE = 'networking.istio.io/enable-autoallocate-ip';
/** Protocols whose connections name their host themselves. */
const SELF_NAMING = new Set(['HTTP', 'HTTP2', 'HTTPS', 'GRPC', 'GRPC-WEB', 'TLS']);

type Port = { readonly number: number; readonly protocol: string };
type Entry = {
  readonly ref: ObjectRef;
  readonly namespace: string;
  readonly hosts: readonly string[];
  readonly addresses: readonly { readonly written: string; readonly range: Cidr }[];
  readonly ports: readonly Port[];
  readonly exportTo: readonly string[];
};

export function* serviceEntryProblems(world: World): Generator<Finding> {
  const objects = world.objects(KIND);
  const entries = objects.map(readEntry).sort((a, b) => (formatRef(a.ref) < formatRef(b.ref) ? -1 : 1));
  for (const object of objects) yield* withoutAddress(object);
  const byHost = new Map<string, Entry[]>();
  for (const entry of entries) {
    for (const host of new Set(entry.hosts)) {
      const others = getOrAdd(byHost, host, () => []);
      yield* sameHost(host, entry, others);
      others.push(entry);
    }
    yield* serviceOfThatName(entry, world);
  }
  yield* sameAddress(entries);
}

function readEntry(object: KubeObject): Entry {
  const spec = fields(object['spec']);
  return {
    ref: refOf(object),
    namespace: object.metadata.namespace ?? '',
    hosts: texts(spec['hosts']),
    addresses: texts(spec['addresses']).flatMap((written) => {
      const range = parseCidr(written);
      return range === undefined ? [] : [{ written, range }];
    }),
    ports: list(spec['ports']).flatMap((port) => {
      const { number, protocol } = fields(port);
      return typeof number === 'number' ? [{ number, protocol: text(protocol).toUpperCase() || 'TCP' }] : [];
    }),
    exportTo: texts(spec['exportTo']),
  };
}

/** Whether some client sees both. */
function meet(a: Entry, b: Entry): boolean {
  if (a.exportTo.includes('~') || b.exportTo.includes('~')) return false;
  const spaces = (entry: Entry) => entry.exportTo.map((to) => (to === '.' ? entry.namespace : to));
  const [ofA, ofB] = [spaces(a), spaces(b)];
  const isPublic = (list: readonly string[]) => list.length === 0 || list.includes('*');
  return isPublic(ofA) || isPublic(ofB) || ofA.some((space) => ofB.includes(space));
}

function* sameHost(host: string, entry: Entry, others: readonly Entry[]): Generator<Finding> {
  const other = others.find((one) => meet(one, entry));
  if (other === undefined) return;
  const clash = entry.ports.find(({ number, protocol }) =>
    other.ports.some((port) => port.number === number && port.protocol !== protocol),
  );
  if (clash !== undefined) {
    const theirs = other.ports.find(({ number }) => number === clash.number)?.protocol;
    yield finding('IST0177', entry.ref, {
      field: 'spec.ports',
      message: `port ${clash.number} of ${host} is ${clash.protocol} here and ${theirs} in ${formatRef(other.ref)}`,
      fix: 'give the port one protocol',
      related: [other.ref],
    });
  }
  yield finding('AMB0503', entry.ref, {
    field: 'spec.hosts',
    message: `${host} is claimed by ${formatRef(other.ref)}, too: which one a caller gets depends on its namespace`,
    fix: 'keep one of the two, or let each be seen in its own namespace only: exportTo: ["."]',
    related: [other.ref],
  });
}

function* serviceOfThatName(entry: Entry, world: World): Generator<Finding> {
  const suffix = `.svc.${world.config.clusterDomain}`;
  for (const host of entry.hosts) {
    if (!host.endsWith(suffix)) continue;
    const [name = '', namespace = ''] = host.slice(0, -suffix.length).split('.');
    const service = world.find('/Service', namespace, name);
    if (service === undefined) continue;
    yield finding('AMB0503', entry.ref, {
      field: 'spec.hosts',
      message: `${host} is the name of ${formatRef(refOf(service))}: two answers to one name`,
      fix: 'take the ServiceEntry away, or give it a host of its own',
      related: [refOf(service)],
    });
  }
}

/** Addresses are few and sorted by nothing: entries are compared pairwise, up to a bound. */
const MAX_ADDRESSES = 4_000;

function* sameAddress(entries: readonly Entry[]): Generator<Finding> {
  const claims = entries.flatMap((entry) => entry.addresses.map((address) => ({ entry, ...address })));
  const told = new Set<string>();
  for (const [index, claim] of claims.slice(0, MAX_ADDRESSES).entries()) {
    for (const other of claims.slice(0, index)) {
      if (other.entry === claim.entry || !meet(other.entry, claim.entry)) continue;
      if (other.entry.hosts.some((host) => claim.entry.hosts.includes(host))) continue; // told by the host already
      if (rangesApart(other.range, claim.range) || !sharePort(other.entry, claim.entry)) continue;
      const pair = `${formatRef(other.entry.ref)} ${formatRef(claim.entry.ref)}`;
      if (told.has(pair)) continue;
      told.add(pair);
      yield finding('AMB0503', claim.entry.ref, {
        field: 'spec.addresses',
        message: `${claim.written} overlaps ${other.written} of ${formatRef(other.entry.ref)}, on the same port`,
        fix: 'give each its own addresses, or its own ports',
        related: [other.entry.ref],
      });
    }
  }
}

function sharePort(a: Entry, b: Entry): boolean {
  return a.ports.some(({ number }) => b.ports.some((port) => port.number === number));
}

/** Plain TCP does not say whom it is for: without an address of its own an entry can not be told from others. */
function* withoutAddress(object: KubeObject): Generator<Finding> {
  const entry = readEntry(object);
  if (entry.addresses.length > 0) return;
  const spec = fields(object['spec']);
  const { resolution = 'NONE' } = spec;
  const isAllocated =
    labelsOf(object.metadata.labels)[AUTO_ALLOCATE] !== 'false' &&
    resolution !== 'NONE' &&
    !entry.hosts.some((host) => host.startsWith('*'));
  const plain = entry.ports.find(({ protocol }) => !SELF_NAMING.has(protocol));
  if (isAllocated || plain === undefined) return;
  yield finding('IST0134', entry.ref, {
    field: 'spec.addresses',
    message: `port ${plain.number} is plain TCP and there is no address: connections to it can not be told from others`,
    fix: 'list the addresses in spec.addresses, or let one be allocated (resolution STATIC or DNS, no wildcard)',
  });
}
