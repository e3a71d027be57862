/** Questions to external authorizers and their answers: `envoy.service.auth.v3`. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { MeshError } from '../../mesh/index.ts';
import {
  AttributeContext_PeerSchema,
  CheckRequestSchema,
  CheckResponseSchema,
  type HeaderValueOption,
} from './gen/envoy/service/auth/v3/external_auth_pb.ts';

/** The service and its method, as gRPC puts them into the path. */
export const CHECK_PATH = '/envoy.service.auth.v3.Authorization/Check';

export type CheckPeer = { readonly ip: string; readonly port: number; readonly principal: string };

export type CheckQuestion = {
  readonly source: CheckPeer;
  readonly destination: CheckPeer;
  readonly id: string;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly host: string;
  readonly scheme: string;
  readonly protocol: string;
  /** In lower case, each once. */
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined: not asked for. */
  readonly body: { readonly bytes: Uint8Array; readonly asBytes: boolean } | undefined;
};

export type CheckHeader = { readonly name: string; readonly value: string; readonly appends: boolean };

export type CheckAnswer =
  | {
      readonly kind: 'allowed';
      readonly headers: readonly CheckHeader[];
      readonly remove: readonly string[];
      readonly responseHeaders: readonly CheckHeader[];
    }
  | {
      readonly kind: 'denied';
      /** 0: not said. */
      readonly status: number;
      readonly headers: readonly CheckHeader[];
      readonly body: string;
    };

export function encodeCheck(question: CheckQuestion): Uint8Array {
  const { source, destination, id, method, path, host, scheme, protocol, headers, body } = question;
  const { bytes = new Uint8Array(), asBytes = false } = body ?? {};
  const http = {
    ...{ id, method, path, host, scheme, protocol, headers: { ...headers } },
    size: body === undefined ? -1n : BigInt(bytes.length),
    body: asBytes ? '' : Buffer.from(bytes).toString(),
    rawBody: asBytes ? bytes : new Uint8Array(),
  };
  const attributes = { source: peer(source), destination: peer(destination), request: { http } };
  return toBinary(CheckRequestSchema, create(CheckRequestSchema, { attributes }));
}

function peer({ ip, port, principal }: CheckPeer) {
  const address = { socketAddress: { address: ip, portValue: port } };
  return create(AttributeContext_PeerSchema, { address, principal });
}

/** @throws MeshError CHECK_MALFORMED. */
export function decodeCheck(bytes: Uint8Array): CheckAnswer {
  try {
    const { status, httpResponse } = fromBinary(CheckResponseSchema, bytes, { readUnknownFields: false });
    if ((status?.code ?? 0) === 0 && httpResponse.case !== 'deniedResponse') {
      const ok = httpResponse.case === 'okResponse' ? httpResponse.value : undefined;
      return {
        kind: 'allowed',
        headers: (ok?.headers ?? []).flatMap(header),
        remove: (ok?.headersToRemove ?? []).map((name) => name.toLowerCase()),
        responseHeaders: (ok?.responseHeadersToAdd ?? []).flatMap(header),
      };
    }
    const denied = httpResponse.case === 'deniedResponse' ? httpResponse.value : undefined;
    return {
      kind: 'denied',
      status: denied?.status?.code ?? 0,
      headers: (denied?.headers ?? []).flatMap(header),
      body: denied?.body ?? '',
    };
  } catch (cause) {
    throw new MeshError('CHECK_MALFORMED', `not a readable CheckResponse: ${String(cause)}`, { cause });
  }
}

function header({ header: written, append }: HeaderValueOption): readonly CheckHeader[] {
  if (written === undefined || written.key === '') return [];
  const value = written.value === '' ? Buffer.from(written.rawValue).toString('latin1') : written.value;
  return [{ name: written.key.toLowerCase(), value, appends: append === true }];
}
