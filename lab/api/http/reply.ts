/** What a handler answers, and how that becomes bytes. */
import type { ServerResponse } from 'node:http';
import { stringify } from 'yaml';
import { ApiStatusError, internalError, type Json } from '../pure/index.ts';

export type Reply =
  | {
      readonly kind: 'json';
      readonly code: number;
      readonly body: Json;
      readonly contentType?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly warnings?: readonly string[];
    }
  | {
      readonly kind: 'bytes';
      readonly code: number;
      readonly body: string | Uint8Array;
      readonly contentType: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** The handler writes head and body itself, for as long as it likes; a throw before the head becomes a Status. */
  | { readonly kind: 'stream'; readonly run: (response: ServerResponse) => Promise<void> };

export const json = (body: Json, code = 200, warnings: readonly string[] = []): Reply => ({
  kind: 'json',
  code,
  body,
  warnings,
});

/** A `Warning` header is latin text in quotes; whatever else is in it would end the header early. */
const warningHeader = (text: string): string =>
  `299 - "${text.replace(/[^\x20-\x7e]/g, '?').replace(/[\\"]/g, (c) => `\\${c}`)}"`;

export function send(response: ServerResponse, reply: Exclude<Reply, { kind: 'stream' }>, yaml: boolean): void {
  for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value);
  const asYaml = reply.kind === 'json' && yaml;
  const body = reply.kind === 'bytes' ? reply.body : asYaml ? stringify(reply.body) : `${JSON.stringify(reply.body)}\n`;
  if (reply.kind === 'json' && reply.warnings !== undefined && reply.warnings.length > 0) {
    response.setHeader('Warning', reply.warnings.map(warningHeader));
  }
  response.writeHead(reply.code, {
    'Content-Type': asYaml ? 'application/yaml' : (reply.contentType ?? 'application/json'),
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** A failure as the client sees it; what is not a refusal of ours is a 500 that says no more than its message. */
export function statusOf(error: unknown): ApiStatusError {
  if (error instanceof ApiStatusError) return error;
  return internalError(error instanceof Error ? error.message : String(error), { cause: error });
}

export function errorReply(error: ApiStatusError): Exclude<Reply, { kind: 'stream' }> {
  const retry = error.details?.retryAfterSeconds;
  return {
    kind: 'json',
    code: error.code,
    body: error.toStatus(),
    warnings: error.warnings,
    headers: {
      ...(retry === undefined ? {} : { 'Retry-After': String(retry) }),
      ...(error.code === 401 ? { 'WWW-Authenticate': 'Bearer realm="ambit-lab"' } : {}),
    },
  };
}
