import type { Table } from '../output.ts';
import type { ConfigDump, DumpCertificate, NodeDump } from './dump.ts';

/** What a section can be narrowed to. */
export type SectionFilter = {
  readonly namespace?: string | undefined;
  readonly address?: string | undefined;
  readonly workloadNode?: string | undefined;
  readonly direction?: 'inbound' | 'outbound' | undefined;
  /** Only this pod, as `namespace/name`. */
  readonly pod?: string | undefined;
};

/** One section of `ztunnel-config`: which objects, and how a person sees them. Columns are the reference's. */
export type Section = {
  /** Sections that differ from node to node ask every ztunnel; the others are the same everywhere and ask one. */
  readonly perNode: boolean;
  readonly empty: string;
  data(dumps: readonly NodeDump[], filter: SectionFilter): readonly unknown[];
  table(dumps: readonly NodeDump[], filter: SectionFilter): Table;
};

type Row = readonly string[];

const byText = (a: Row, b: Row) => a.join('\0').localeCompare(b.join('\0'));

function section<T>(o: {
  readonly perNode: boolean;
  readonly empty: string;
  readonly header: Row;
  readonly select: (dump: ConfigDump, filter: SectionFilter) => readonly T[];
  readonly rows: (item: T) => readonly Row[];
}): Section {
  const withNode = (dumps: readonly NodeDump[], filter: SectionFilter) =>
    dumps.flatMap(({ node, dump }) => o.select(dump, filter).map((item) => ({ node, item })));
  return {
    perNode: o.perNode,
    empty: o.empty,
    data: (dumps, filter) =>
      withNode(dumps, filter).map(({ node, item }) => (o.perNode ? { node, ...(item as object) } : item)),
    table: (dumps, filter) => ({
      header: o.perNode ? [...o.header, 'NODE'] : o.header,
      rows: withNode(dumps, filter)
        .flatMap(({ node, item }) => o.rows(item).map((row) => (o.perNode ? [...row, node] : row)))
        .sort(byText),
    }),
  };
}

/** `None` where there is none, else the waypoint's own name: the first label of its host, or its address. */
function waypointName(waypoint: { readonly destination: string } | undefined): string {
  if (waypoint === undefined) return 'None';
  const [, place = waypoint.destination] = waypoint.destination.split('/');
  return /[a-z]/i.test(place) && !place.includes(':') ? (place.split('.')[0] ?? place) : place;
}

const address = (networkAndIp: string) => networkAndIp.slice(networkAndIp.indexOf('/') + 1);

export const workloads = section({
  perNode: false,
  empty: 'No workloads: does the controller see pods? Try `ambit status`.',
  header: ['NAMESPACE', 'POD NAME', 'ADDRESS', 'NODE', 'WAYPOINT', 'PROTOCOL'],
  select: (dump, filter) =>
    dump.workloads.filter(
      (w) =>
        (filter.namespace === undefined || w.namespace === filter.namespace) &&
        (filter.workloadNode === undefined || w.node === filter.workloadNode) &&
        (filter.address === undefined || w.workloadIps.includes(filter.address)) &&
        (filter.pod === undefined || `${w.namespace}/${w.name}` === filter.pod),
    ),
  rows: (w) => [[w.namespace, w.name, w.workloadIps.join(','), w.node, waypointName(w.waypoint), w.protocol]],
});

export const services = section({
  perNode: false,
  empty: 'No services.',
  header: ['NAMESPACE', 'SERVICE NAME', 'SERVICE VIP', 'WAYPOINT', 'ENDPOINTS'],
  select: (dump, filter) =>
    dump.services.filter((s) => filter.namespace === undefined || s.namespace === filter.namespace),
  rows: (s) => {
    const endpoints = Object.values(s.endpoints);
    const healthy = endpoints.filter((endpoint) => endpoint.status === 'Healthy').length;
    const vips = s.vips.map(address).join(',');
    return [[s.namespace, s.name, vips, waypointName(s.waypoint), `${healthy}/${endpoints.length}`]];
  },
});

export const policies = section({
  perNode: false,
  empty: 'No policies: every connection is allowed.',
  header: ['NAMESPACE', 'POLICY NAME', 'ACTION', 'SCOPE'],
  select: (dump, filter) =>
    dump.policies.filter((p) => filter.namespace === undefined || p.namespace === filter.namespace),
  rows: (p) => [[p.namespace, p.name, p.dryRun === true ? `${p.action} (dry run)` : p.action, p.scope]],
});

export const certificates = section({
  perNode: true,
  empty: 'No certificates: no pod of this node is enrolled.',
  header: ['CERTIFICATE NAME', 'TYPE', 'STATUS', 'VALID CERT', 'SERIAL NUMBER', 'NOT AFTER', 'NOT BEFORE'],
  select: (dump) => dump.certificates,
  rows: (c) => {
    const status = c.state.split(':')[0] ?? c.state;
    const line = (type: string, cert: DumpCertificate) => [
      c.identity,
      type,
      status,
      String(isValid(cert, Date.now())),
      toHex(cert.serialNumber),
      cert.expirationTime,
      cert.validFrom,
    ];
    if (c.certChain.length === 0) return [[c.identity, 'NA', status, 'false', 'NA', 'NA', 'NA']];
    return [
      ...c.certChain.map((cert, depth) => line(depth === 0 ? 'Leaf' : 'Intermediate', cert)),
      ...c.rootCerts.map((cert) => line('Root', cert)),
    ];
  },
});

type Connection = {
  readonly workload: string;
  readonly direction: 'inbound' | 'outbound';
  readonly src: string;
  readonly originalDst: string | null;
  readonly actualDst: string;
  readonly protocol: string;
};

export const connections = section<Connection>({
  perNode: true,
  empty: 'No open connections.',
  header: ['WORKLOAD', 'DIRECTION', 'LOCAL', 'REMOTE', 'REMOTE TARGET', 'PROTOCOL'],
  select: (dump, filter) =>
    Object.values(dump.workloadState).flatMap((state) => {
      const workload = state.info === undefined ? 'unknown' : `${state.info.namespace}/${state.info.name}`;
      if (filter.pod !== undefined && filter.pod !== workload) return [];
      if (filter.namespace !== undefined && state.info?.namespace !== filter.namespace) return [];
      return (['inbound', 'outbound'] as const)
        .filter((direction) => filter.direction === undefined || filter.direction === direction)
        .flatMap((direction) =>
          (state.connections?.[direction] ?? []).map((c) => ({
            workload,
            direction,
            src: c.src,
            originalDst: c.originalDst ?? null,
            actualDst: c.actualDst,
            protocol: c.protocol,
          })),
        );
    }),
  rows: (c) => {
    // Seen from the workload: inbound its own end is the destination, outbound the source.
    const [local, remote] = c.direction === 'inbound' ? [c.actualDst, c.src] : [c.src, c.actualDst];
    return [[c.workload, c.direction, local, remote, c.originalDst ?? '', c.protocol]];
  },
});

function isValid(cert: DumpCertificate, nowMs: number): boolean {
  return Date.parse(cert.validFrom) <= nowMs && nowMs < Date.parse(cert.expirationTime);
}

/** The dump carries serial numbers in decimal; people compare them with openssl's, which are hex. */
function toHex(decimal: string): string {
  return /^\d+$/.test(decimal) ? BigInt(decimal).toString(16) : decimal;
}
