/** The operators of access logs that people know (`%RESPONSE_CODE%`, `%REQ(NAME?OTHER):LENGTH%`), each a function of an entry. */
import { formatSocketAddress, MeshError } from '../../mesh/index.ts';
import { clusterOf, type Entry, endpointOf } from './entry.ts';
import { namesOf } from './service-names.ts';
import { timestamps } from './timestamp.ts';

const timestamp = timestamps();

/** Undefined is printed as `-`. */
export type Operator = (entry: Entry) => string | number | undefined;

const fromText = (pick: (entry: Entry) => string | undefined): Operator => {
  return (entry) => pick(entry) || undefined;
};

const PLAIN: Readonly<Record<string, Operator>> = {
  // Always RFC 3339; one with a format of its own is refused.
  START_TIME: ({ at }) => timestamp(at),
  PROTOCOL: ({ protocol }) => protocol,
  RESPONSE_CODE: ({ status }) => status,
  RESPONSE_FLAGS: fromText(({ flags }) => flags),
  RESPONSE_CODE_DETAILS: fromText(({ details }) => details),
  CONNECTION_TERMINATION_DETAILS: fromText(({ terminated }) => terminated),
  UPSTREAM_TRANSPORT_FAILURE_REASON: ({ unreached }) => unreached,
  BYTES_RECEIVED: ({ bytesReceived }) => bytesReceived,
  BYTES_SENT: ({ bytesSent }) => bytesSent,
  DURATION: ({ durationMs }) => Math.round(durationMs),
  UPSTREAM_HOST: endpointOf,
  UPSTREAM_CLUSTER: clusterOf,
  UPSTREAM_LOCAL_ADDRESS: () => undefined, // of a tunnel that many share
  DOWNSTREAM_LOCAL_ADDRESS: ({ dialled }) => dialled,
  DOWNSTREAM_REMOTE_ADDRESS: ({ source }) => formatSocketAddress({ ip: source.ip, port: source.port }),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: ({ source }) => source.ip,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: ({ source }) => formatSocketAddress({ ip: source.ip, port: source.port }),
  DOWNSTREAM_PEER_URI_SAN: ({ source }) => source.identity,
  REQUESTED_SERVER_NAME: () => undefined,
  ROUTE_NAME: fromText(({ route }) => route),
  GRPC_STATUS_NUMBER: ({ grpcStatus }) => grpcStatus,
  TRACE_ID: ({ traceId }) => traceId,
};

/** Ours: `%AMBIT(NAME)%`. */
const OURS: Readonly<Record<string, Operator>> = {
  RECEIPT: ({ receipt }) => receipt,
  SOURCE_PRINCIPAL: ({ source }) => source.identity,
  POLICY_REASON: ({ because }) => because,
  SOURCE_WORKLOAD: ({ source }) => source.baggage?.workloadName,
  SERVICE_NAME: ({ service }) => namesOf(service).hostname,
};

/** Of the fields that a request has as parts of its own. */
const PSEUDO: Readonly<Record<string, Operator>> = {
  ':method': ({ method }) => method,
  ':path': ({ path }) => path,
  ':authority': ({ authority }) => authority,
  'x-envoy-original-path': () => undefined, // `:path` is what was received
};

/** A command between percent signs. @throws MeshError ACCESS_LOG_FORMAT for what is none. */
export function operatorOf(command: string): Operator {
  const [, name = '', argument, limit] = /^([A-Z_]+)(?:\(([^()]*)\))?(?::(\d{1,5}))?$/.exec(command) ?? [];
  const operator = bare(name, argument);
  if (operator === undefined)
    throw new MeshError('ACCESS_LOG_FORMAT', `%${command}% is no operator that waypoints know`);
  if (limit === undefined) return operator;
  const most = Number(limit);
  return (entry) => {
    const value = operator(entry);
    return typeof value === 'string' ? value.slice(0, most) : value;
  };
}

function bare(name: string, argument: string | undefined): Operator | undefined {
  if (name === 'REQ' && argument) return requestField(argument);
  if (name === 'RESP' && argument?.toLowerCase() === 'x-envoy-upstream-service-time') return upstreamTime;
  if (name === 'AMBIT' && argument) return Object.hasOwn(OURS, argument) ? OURS[argument] : undefined;
  return argument === undefined && Object.hasOwn(PLAIN, name) ? PLAIN[name] : undefined;
}

const upstreamTime: Operator = ({ upstreamMs }) => (upstreamMs === undefined ? undefined : Math.round(upstreamMs));

/** `NAME?OTHER`: the other where there is no such field. */
function requestField(argument: string): Operator | undefined {
  const names = argument.toLowerCase().split('?');
  if (names.length > 2 || names.includes('')) return undefined;
  const operators = names.map((name): Operator => {
    const pseudo = Object.hasOwn(PSEUDO, name) ? PSEUDO[name] : undefined;
    return pseudo ?? ((entry) => entry.header(name));
  });
  return (entry) => {
    for (const operator of operators) {
      const value = operator(entry);
      if (value !== undefined) return value;
    }
    return undefined;
  };
}
