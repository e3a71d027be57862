/**
 * The messages between the CNI agent and the node proxy (package `istio.workload.zds`): one protobuf message a packet,
 * written by hand because empty sub-messages must be on the wire (a packet of no bytes reads as the end).
 */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { MeshError } from '../../mesh/index.ts';

export type WorkloadInfo = { readonly name: string; readonly namespace: string; readonly serviceAccount: string };

/** Agent to proxy. `add` comes with exactly one descriptor: the pod's network namespace. */
export type ZdsRequest =
  | { readonly kind: 'add'; readonly uid: string; readonly info: WorkloadInfo }
  | { readonly kind: 'del'; readonly uid: string }
  | { readonly kind: 'keep'; readonly uid: string }
  | { readonly kind: 'snapshotSent' };

/** Proxy to agent; an empty error is an acknowledgement. */
export type ZdsResponse = { readonly error: string };

const VERSION_1 = 1;
/** Field numbers of the payload in a WorkloadRequest; 4 was never used. */
const PAYLOAD = { add: 1, del: 2, snapshotSent: 3, keep: 5 } as const;
/** The uid's field number: DelWorkload differs from the others. */
const UID = { add: 1, del: 2, keep: 1 } as const;

/** What the proxy says first: it speaks version 1. */
export function encodeHello(): Uint8Array {
  return new BinaryWriter().tag(1, WireType.Varint).int32(VERSION_1).finish();
}

/** Throws `ZDS_MALFORMED`, also for a version that is not 1. */
export function decodeHello(packet: Uint8Array): void {
  let version = 0;
  read(packet, 'ZdsHello', (reader, field, type) => {
    if (field !== 1) return false;
    expect(type, WireType.Varint, 'version');
    version = reader.int32();
    return true;
  });
  if (version !== VERSION_1) throw malformed(`ZdsHello.version: ${version} is not spoken here`);
}

export function encodeRequest(request: ZdsRequest): Uint8Array {
  const writer = new BinaryWriter().tag(PAYLOAD[request.kind], WireType.LengthDelimited).fork();
  if (request.kind !== 'snapshotSent') text(writer, UID[request.kind], request.uid);
  if (request.kind === 'add') {
    writer.tag(2, WireType.LengthDelimited).fork();
    text(writer, 1, request.info.name);
    text(writer, 2, request.info.namespace);
    text(writer, 3, request.info.serviceAccount);
    writer.join();
  }
  return writer.join().finish();
}

/** Throws `ZDS_MALFORMED` naming the field. */
export function decodeRequest(packet: Uint8Array): ZdsRequest {
  let request: ZdsRequest | undefined;
  read(packet, 'WorkloadRequest', (reader, field, type) => {
    const kind = (Object.keys(PAYLOAD) as ZdsRequest['kind'][]).find((name) => PAYLOAD[name] === field);
    if (kind === undefined) return false;
    expect(type, WireType.LengthDelimited, kind);
    request = decodePayload(kind, reader.bytes());
    return true;
  });
  if (request === undefined) throw malformed('WorkloadRequest.payload: missing');
  return request;
}

export function encodeResponse(response: ZdsResponse): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).fork();
  text(writer, 1, response.error);
  return writer.join().finish();
}

/** Throws `ZDS_MALFORMED`. */
export function decodeResponse(packet: Uint8Array): ZdsResponse {
  let response: ZdsResponse | undefined;
  read(packet, 'WorkloadResponse', (reader, field, type) => {
    if (field !== 1) return false;
    expect(type, WireType.LengthDelimited, 'ack');
    response = { error: strings(reader.bytes(), 'Ack').get(1) ?? '' };
    return true;
  });
  if (response === undefined) throw malformed('WorkloadResponse.payload: missing');
  return response;
}

function decodePayload(kind: ZdsRequest['kind'], bytes: Uint8Array): ZdsRequest {
  if (kind === 'snapshotSent') {
    strings(bytes, 'SnapshotSent');
    return { kind };
  }
  let info: WorkloadInfo | undefined;
  let uid = '';
  read(bytes, kind, (reader, field, type) => {
    if (field === UID[kind]) {
      expect(type, WireType.LengthDelimited, `${kind}.uid`);
      uid = reader.string(true);
      return true;
    }
    if (kind !== 'add' || field !== 2) return false;
    expect(type, WireType.LengthDelimited, 'add.workload_info');
    const fields = strings(reader.bytes(), 'WorkloadInfo');
    info = { name: fields.get(1) ?? '', namespace: fields.get(2) ?? '', serviceAccount: fields.get(3) ?? '' };
    return true;
  });
  if (uid === '') throw malformed(`${kind}.uid: missing`);
  if (kind !== 'add') return { kind, uid };
  if (info === undefined) throw malformed('add.workload_info: missing');
  return { kind, uid, info };
}

/** A message of string fields only, by number. */
function strings(bytes: Uint8Array, name: string): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  read(bytes, name, (reader, field, type) => {
    if (type !== WireType.LengthDelimited || field > 3) return false;
    found.set(field, reader.string(true));
    return true;
  });
  return found;
}

/** Walks the fields of a message; those that `take` refuses are unknown and skipped. */
function read(
  bytes: Uint8Array,
  name: string,
  take: (reader: BinaryReader, field: number, type: WireType) => boolean,
): void {
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (!take(reader, field, type)) reader.skip(type, field);
    }
  } catch (cause) {
    if (cause instanceof MeshError) throw cause;
    throw malformed(`${name}: not readable`, cause);
  }
}

function text(writer: BinaryWriter, field: number, value: string): void {
  if (value !== '') writer.tag(field, WireType.LengthDelimited).string(value);
}

function expect(type: WireType, wanted: WireType, field: string): void {
  if (type !== wanted) throw malformed(`${field}: wire type ${type}`);
}

function malformed(reason: string, cause?: unknown): MeshError {
  return new MeshError('ZDS_MALFORMED', reason, { cause });
}
