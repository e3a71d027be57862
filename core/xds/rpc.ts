/** What the control plane's two gRPC services have in common: addresses, channels, credentials, definitions. */
import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext, type PeerCertificate, rootCertificates } from 'node:tls';
import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type ChannelOptions, Client, credentials, Metadata, type MethodDefinition, type status } from '@grpc/grpc-js';
import { MeshError } from '../../mesh/index.ts';

/** Where a control plane is and how to speak to it. */
export type ControlPlane = {
  /** `https://host:port`, or `host:port`. */
  readonly address: string;
  /** PEM of the roots to trust, read anew for each channel; `system` trusts what the runtime ships. */
  readonly rootCertificate: () => Promise<Uint8Array | 'system'>;
  /** The bearer token, read anew for each call; undefined sends none. */
  readonly token: () => Promise<string | undefined>;
  /** Sent as header `clusterid`. */
  readonly clusterId: string;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Another name that the server's certificate may carry instead of the host of `address`. */
  readonly altHostname?: string;
};

/** The least a service answers with when it refuses: a gRPC status and a text for people. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: status;
  readonly details: string;

  constructor(code: status, details: string, options?: ErrorOptions) {
    super(details, options);
    this.code = code;
    this.details = details;
  }
}

/** What gRPC puts on an error: a numeric status. */
export function rpcStatus(error: unknown): { readonly code: status; readonly details: string } | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') return undefined;
  return { code: error.code, details: 'details' in error ? String(error.details) : error.message };
}

/** Host and gRPC target of an address. Throws `CONTROL_PLANE_ADDRESS_INVALID`; plaintext is refused, since a token would show. */
export function dialTarget(address: string): { readonly host: string; readonly target: string } {
  const text = address.includes('://') ? address : `https://${address}`;
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new MeshError('CONTROL_PLANE_ADDRESS_INVALID', `not an address: "${address}"`, { cause });
  }
  if (url.protocol !== 'https:') {
    throw new MeshError('CONTROL_PLANE_ADDRESS_INVALID', `"${address}" is not https`);
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { host, target: `${url.hostname}:${url.port === '' ? 443 : url.port}` };
}

/** 200 MiB: the largest push that is taken. */
const MAX_MESSAGE_BYTES = 200 << 20;

/** Every channel stands alone: a new one is a new connection with freshly read roots. */
const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_retries': 0,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
};

/** A channel over TLS 1.3 with server authentication only: we identify ourselves by token. Connects at the first call. */
export function openChannel(
  plane: Pick<ControlPlane, 'address' | 'altHostname'>,
  roots: Uint8Array | 'system',
): Client {
  const { target, host } = dialTarget(plane.address);
  const { altHostname } = plane;
  const context = createSecureContext({
    ca: roots === 'system' ? [...rootCertificates] : Buffer.from(roots),
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256',
  });
  const verify = (_name: string, certificate: PeerCertificate): Error | undefined => {
    const problem = checkServerIdentity(host, certificate);
    return problem === undefined || altHostname === undefined ? problem : checkServerIdentity(altHostname, certificate);
  };
  const security = credentials.createFromSecureContext(context, { checkServerIdentity: verify });
  // An address cannot be a server name (RFC 6066 §3), and gRPC would offer it; what is verified is `host` in any case.
  const name = isIP(host) === 0 ? {} : { 'grpc.ssl_target_name_override': altHostname ?? 'control-plane' };
  return new Client(target, security, { ...CHANNEL_OPTIONS, ...name });
}

/** The headers of one call. Throws `TOKEN_EMPTY` when there should be a token and it is empty. */
export async function callMetadata(plane: ControlPlane): Promise<Metadata> {
  const metadata = new Metadata();
  const token = (await plane.token())?.trim();
  if (token === '') throw new MeshError('TOKEN_EMPTY', 'the token towards the control plane is empty');
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  metadata.set('clusterid', plane.clusterId);
  for (const [name, value] of Object.entries(plane.headers ?? {})) metadata.set(name, value);
  return metadata;
}

/** A method of a service whose messages are ours. */
export function method<I extends DescMessage, O extends DescMessage>(
  path: string,
  streams: boolean,
  input: I,
  output: O,
): MethodDefinition<MessageShape<I>, MessageShape<O>> {
  return {
    path,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: (message) => Buffer.from(toBinary(input, message)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}
