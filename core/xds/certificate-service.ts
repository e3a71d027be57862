/** The certificate authority's call, from both sides. */
import { create } from '@bufbuild/protobuf';
import { type Metadata, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import {
  type IstioCertificateRequest,
  IstioCertificateRequestSchema,
  type IstioCertificateResponse,
  IstioCertificateResponseSchema,
} from './gen/istio/v1/auth/ca_pb.ts';
import { method, RpcError, rpcStatus } from './rpc.ts';

/** For `grpc.Server.addService`. */
export const certificateServiceDefinition = {
  CreateCertificate: method(
    '/istio.v1.auth.IstioCertificateService/CreateCertificate',
    false,
    IstioCertificateRequestSchema,
    IstioCertificateResponseSchema,
  ),
} as const;

export type CertificateRequest = {
  readonly csrPem: string;
  /** 0: whatever the authority thinks right. */
  readonly ttlSeconds: number;
  /** Another identity than the caller's own, as node proxies ask for. */
  readonly impersonatedIdentity: string | undefined;
};

/** Signs; rejects with `RpcError` to say which status the client gets (anything else is INTERNAL, without a text). */
export type CertificateHandler = (
  request: CertificateRequest,
  caller: { readonly metadata: Metadata; readonly peer: string },
) => Promise<readonly string[]>;

/** Key in the request's metadata under which the reference's node proxy names the identity that it asks for. */
const IMPERSONATED = 'ImpersonatedIdentity';

export function certificateRequest(request: CertificateRequest): IstioCertificateRequest {
  return create(IstioCertificateRequestSchema, {
    csr: request.csrPem,
    validityDuration: BigInt(Math.round(request.ttlSeconds)),
    ...(request.impersonatedIdentity !== undefined && { metadata: { [IMPERSONATED]: request.impersonatedIdentity } }),
  });
}

/** Throws INVALID_ARGUMENT when the metadata is not what it should be. */
export function readCertificateRequest(message: IstioCertificateRequest): CertificateRequest {
  const impersonated = message.metadata?.[IMPERSONATED];
  if (impersonated !== undefined && typeof impersonated !== 'string') {
    throw new RpcError(status.INVALID_ARGUMENT, `metadata ${IMPERSONATED} is not text`);
  }
  return {
    csrPem: message.csr,
    ttlSeconds: Number(message.validityDuration),
    impersonatedIdentity: impersonated,
  };
}

/** The implementation for `server.addService(certificateServiceDefinition, …)`. */
export function createCertificateService(handle: CertificateHandler): {
  readonly CreateCertificate: (
    call: ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>,
    reply: sendUnaryData<IstioCertificateResponse>,
  ) => void;
} {
  return {
    CreateCertificate: (call, reply) => {
      const answer = async () =>
        handle(readCertificateRequest(call.request), { metadata: call.metadata, peer: call.getPeer() });
      answer().then(
        (certChain) => reply(null, create(IstioCertificateResponseSchema, { certChain: [...certChain] })),
        (error) => reply(rpcStatus(error) ?? { code: status.INTERNAL, details: 'internal error' }),
      );
    },
  };
}
