/** What expressions of Telemetry objects ask about what is over, taken out of its entry (`mesh/telemetry/attributes.ts` says what each means). */
import type { HeaderFields } from '../../core/http/index.ts';
import {
  type AttributeName,
  type Attributes,
  type CelValue,
  Duration,
  formatSocketAddress,
  Timestamp,
} from '../../mesh/index.ts';
import type { Source } from '../source.ts';
import { type Entry, endpointOf } from './entry.ts';
import { grpcCode } from './labels.ts';

/** Undefined: there is no such thing. */
type Reader = (entry: Entry) => CelValue | undefined;

const READERS: Readonly<Record<AttributeName, Reader>> = {
  'request.path': ({ path }) => path,
  'request.url_path': ({ path }) => path?.split('?', 1)[0],
  'request.query': ({ path }) => path?.split('?').slice(1).join('?'),
  'request.host': ({ authority }) => authority,
  'request.scheme': ({ scheme }) => scheme,
  'request.method': ({ method }) => method,
  'request.protocol': ({ protocol }) => protocol,
  'request.headers': (entry) => entry.headers && requestFields(entry, entry.headers),
  'request.referer': ({ header }) => header('referer'),
  'request.useragent': ({ header }) => header('user-agent'),
  'request.id': ({ header }) => header('x-request-id'),
  'request.time': ({ at }) => new Timestamp(at),
  'request.duration': ({ durationMs }) => new Duration(durationMs / 1000),
  'request.size': ({ bytesReceived }) => bytesReceived,
  'request.total_size': ({ bytesReceived, headers }) => bytesReceived + bytesOf(headers),
  'response.code': ({ status }) => (status === 0 ? undefined : status),
  'response.code_details': ({ details }) => details,
  'response.flags': ({ flags }) => flagBits(flags),
  'response.grpc_status': ({ grpcStatus }) => grpcCode(grpcStatus),
  'response.headers': ({ answer }) => answer && mapOf(answer.headers),
  'response.trailers': ({ answer }) => answer?.trailers && mapOf(answer.trailers),
  'response.size': ({ bytesSent }) => bytesSent,
  'response.total_size': ({ bytesSent, answer }) => bytesSent + bytesOf(answer?.headers) + bytesOf(answer?.trailers),
  'connection.requested_server_name': () => '', // tunnels have none
  'connection.mtls': () => true,
  'connection.tls_version': () => 'TLSv1.3',
  'connection.uri_san_peer_certificate': ({ source }) => source.identity,
  'connection.termination_details': ({ terminated }) => terminated ?? '',
  'connection.id': ({ source }) => numberOf(source),
  'source.address': ({ source }) => formatSocketAddress({ ip: source.ip, port: source.port }),
  'source.port': ({ source }) => source.port,
  'destination.address': ({ dialled }) => dialled,
  'destination.port': ({ dialled, port }) =>
    dialled === undefined ? port : Number(dialled.slice(dialled.lastIndexOf(':') + 1)),
  'upstream.address': endpointOf,
  'upstream.port': ({ endpoint }) => endpoint?.port,
  'upstream.transport_failure_reason': ({ unreached }) => unreached ?? '',
};

export function attributesOf(entry: Entry): Attributes {
  return (name) => READERS[name](entry);
}

/** With what the head has beside its fields, under the names of HTTP/2. */
function requestFields({ method = '', path = '', authority = '' }: Entry, headers: HeaderFields): CelValue {
  return { ...mapOf(headers), ':method': method, ':path': path, ':authority': authority };
}

function mapOf(headers: HeaderFields): Record<string, string> {
  const map: Record<string, string> = Object.create(null);
  for (const [name, value] of headers) map[name] = Object.hasOwn(map, name) ? `${map[name]},${value}` : value;
  return map;
}

function bytesOf(headers: HeaderFields | undefined): number {
  return headers === undefined ? 0 : headers.list.reduce((sum, text) => sum + text.length, 0);
}

/** In the order of Envoy's enumeration of response flags: the n-th is the bit 2^n. */
const FLAGS: readonly string[] =
  'LH UH UT LR UR UF UC UO NR DI FI RL UAEX RLSE DC URX SI IH DPE UMSDR RFCF NFCF DT UPE NC OM DF DO DR'.split(' ');

function flagBits(flags: string): number {
  return flags.split(',').reduce((bits, flag) => bits + (FLAGS.includes(flag) ? 2 ** FLAGS.indexOf(flag) : 0), 0);
}

const numberOf = numbers();

/** Counts streams as they are asked about. */
function numbers(): (source: Source) => number {
  const known = new WeakMap<Source, number>();
  let last = 0;
  return (source) => {
    const number = known.get(source) ?? ++last;
    known.set(source, number);
    return number;
  };
}
