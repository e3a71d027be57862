/** The access line: one serializer for every proxy, fields in the order that log readers know. */
import { formatSocketAddress, type SocketAddress } from '../../mesh/index.ts';
import { bare, type Fields } from './log-format.ts';

/** One end of a connection as the line shows it; absent values are left out. */
export type AccessParty = {
  readonly addr: SocketAddress;
  /** The pod's name, or its canonical service. */
  readonly workload?: string | undefined;
  readonly namespace?: string | undefined;
  /** Only where mutual TLS was used. */
  readonly identity?: string | undefined;
  readonly cluster?: string | undefined;
};

export type AccessRecord = {
  readonly src: AccessParty;
  readonly dst: AccessParty;
  readonly hboneAddr?: string | undefined;
  readonly service?: string | undefined;
  /** Identity of the caller behind the waypoint that `src` is. */
  readonly original?: string | undefined;
  readonly direction: 'inbound' | 'outbound';
  /** Absent when the line is about the opening. Bytes are the local workload's: sent is what it sent. */
  readonly end?: {
    readonly bytesSent: number;
    readonly bytesReceived: number;
    readonly durationMs: number;
    readonly error?: string | undefined;
    /** What policies that are tried out would have changed. */
    readonly dryRun?: string | undefined;
  };
};

/** The fields of a line, in order. */
export function accessLine(record: AccessRecord): Fields {
  const { src, dst, end } = record;
  return {
    'src.addr': bare(formatSocketAddress(src.addr)),
    'src.workload': src.workload,
    'src.namespace': src.namespace,
    'src.identity': src.identity,
    'src.cluster': src.cluster,
    'dst.addr': bare(formatSocketAddress(dst.addr)),
    'dst.hbone_addr': record.hboneAddr === undefined ? undefined : bare(record.hboneAddr),
    'dst.service': record.service,
    'dst.workload': dst.workload,
    'dst.namespace': dst.namespace,
    'dst.identity': dst.identity,
    'dst.cluster': dst.cluster,
    direction: record.direction,
    bytes_sent: end?.bytesSent,
    bytes_recv: end?.bytesReceived,
    duration: end === undefined ? undefined : `${Math.round(end.durationMs)}ms`,
    error: end?.error,
    // Ours, behind the fields that readers know.
    dry_run: end?.dryRun,
    'src.original': record.original,
  };
}
