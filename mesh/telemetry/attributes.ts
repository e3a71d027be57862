/**
 * What expressions of Telemetry objects can ask about a request, or a connection, that is over: the names of Envoy's attributes
 * that mean something at a waypoint. Others are refused.
 */
import type { CelAttributes } from '../cel/program.ts';

export const ATTRIBUTES = {
  /** As it was received, with its query. */
  'request.path': 'string',
  'request.url_path': 'string',
  'request.query': 'string',
  'request.host': 'string',
  'request.scheme': 'string',
  'request.method': 'string',
  'request.protocol': 'string',
  /** By name in lower case; several of one name are joined by commas. */
  'request.headers': 'map',
  'request.referer': 'string',
  'request.useragent': 'string',
  'request.id': 'string',
  'request.time': 'timestamp',
  'request.duration': 'duration',
  /** Bytes of the body. */
  'request.size': 'int',
  /** With the head. */
  'request.total_size': 'int',
  'response.code': 'int',
  'response.code_details': 'string',
  /** One bit for each flag, in Envoy's order. */
  'response.flags': 'int',
  'response.grpc_status': 'int',
  'response.headers': 'map',
  'response.trailers': 'map',
  'response.size': 'int',
  'response.total_size': 'int',
  'connection.requested_server_name': 'string',
  'connection.mtls': 'bool',
  'connection.tls_version': 'string',
  'connection.uri_san_peer_certificate': 'string',
  'connection.termination_details': 'string',
  /** Of the stream of the tunnel, within one thread. */
  'connection.id': 'int',
  'source.address': 'string',
  'source.port': 'int',
  /** What the caller dialled. */
  'destination.address': 'string',
  'destination.port': 'int',
  /** The endpoint that answered. */
  'upstream.address': 'string',
  'upstream.port': 'int',
  'upstream.transport_failure_reason': 'string',
} as const satisfies CelAttributes;

export type AttributeName = keyof typeof ATTRIBUTES;
