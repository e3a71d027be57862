/** What can go wrong between two ends of a tunnel, as codes that tests, metrics and log lines tell apart. */
import { MeshError } from '../../mesh/index.ts';

export type HboneErrorCode =
  /** The peer presented no certificate. */
  | 'NO_CERTIFICATE'
  | 'UNTRUSTED_CA'
  | 'EXPIRED'
  | 'NOT_YET_VALID'
  /** The certificate may not be used for this role. */
  | 'WRONG_USAGE'
  /** The certificate, or an authority's above it, is on a revocation list. */
  | 'REVOKED'
  /** Any other fault of the chain. */
  | 'CERTIFICATE_INVALID'
  /** No URI of the leaf is a workload identity. */
  | 'NO_SPIFFE'
  /** More than one is, and which one speaks can't be known. */
  | 'SEVERAL_SPIFFE'
  | 'WRONG_TRUST_DOMAIN'
  /** A trusted peer, but not one of those expected here. */
  | 'IDENTITY_MISMATCH'
  | 'TLS_VERSION'
  /** The peer does not speak `h2`. */
  | 'NO_ALPN'
  | 'TLS_FAILED'
  | 'HANDSHAKE_TIMEOUT'
  /** The peer left before it said anything: a probe of the port, no attempt to come in. */
  | 'NOTHING_SAID'
  /** More handshakes at once than are allowed. */
  | 'HANDSHAKE_OVERLOAD'
  /** More tunnels of one peer than are allowed. */
  | 'TOO_MANY_TUNNELS'
  /** Our own certificate is not there. */
  | 'MATERIAL_UNAVAILABLE'
  | 'HTTP2_FAILED'
  | 'DIAL_FAILED'
  /** Answered, but not with 200; `status` and `headers` say how. */
  | 'CONNECT_REFUSED'
  | 'CONNECT_TIMEOUT'
  /** The tunnel went away before the answer. */
  | 'TUNNEL_CLOSED'
  | 'CLOSED';

export class HboneError extends MeshError {
  override readonly name: string = 'HboneError';
  declare readonly code: HboneErrorCode;
  /** Of a CONNECT_REFUSED. */
  readonly status: number | undefined;
  readonly headers: ReadonlyMap<string, string> | undefined;

  constructor(
    code: HboneErrorCode,
    message: string,
    options?: ErrorOptions & { readonly status?: number; readonly headers?: ReadonlyMap<string, string> },
  ) {
    super(code, message, options);
    this.status = options?.status;
    this.headers = options?.headers;
  }
}

/** OpenSSL's verdicts (X509_V_ERR_…), as Node names them. */
const CHAIN_FAULTS: Readonly<Record<string, HboneErrorCode>> = {
  CERT_HAS_EXPIRED: 'EXPIRED',
  CERT_NOT_YET_VALID: 'NOT_YET_VALID',
  INVALID_PURPOSE: 'WRONG_USAGE',
  CERT_REJECTED: 'WRONG_USAGE',
  CERT_UNTRUSTED: 'UNTRUSTED_CA',
  UNABLE_TO_GET_ISSUER_CERT: 'UNTRUSTED_CA',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'UNTRUSTED_CA',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'UNTRUSTED_CA',
  SELF_SIGNED_CERT_IN_CHAIN: 'UNTRUSTED_CA',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'UNTRUSTED_CA',
  CERT_SIGNATURE_FAILURE: 'UNTRUSTED_CA',
};

export function chainFault(verdict: string): HboneError {
  return new HboneError(
    CHAIN_FAULTS[verdict] ?? 'CERTIFICATE_INVALID',
    `the peer's certificate is refused: ${verdict}`,
  );
}

const TLS_FAULTS: readonly (readonly [RegExp, HboneErrorCode])[] = [
  [/PEER_DID_NOT_RETURN_A_CERTIFICATE|CERTIFICATE_REQUIRED/, 'NO_CERTIFICATE'],
  [/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|WRONG_VERSION_NUMBER|WRONG_SSL_VERSION/, 'TLS_VERSION'],
  [/NO_APPLICATION_PROTOCOL/, 'NO_ALPN'],
];

/** Names what OpenSSL or the socket complained of in a handshake. */
export function tlsFault(cause: unknown): HboneError {
  if (cause instanceof HboneError) return cause;
  const text = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(cause);
  const code = TLS_FAULTS.find(([pattern]) => pattern.test(text))?.[1] ?? 'TLS_FAILED';
  return new HboneError(code, `TLS handshake failed: ${text}`, { cause });
}
