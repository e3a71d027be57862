/** Request bodies: read with a bound, and decoded by their Content-Type. A missing type is JSON (spec section 2). */
import type { IncomingMessage } from 'node:http';
import { parseDocument } from 'yaml';
import {
  ApiStatusError,
  badRequest,
  decodeProtobuf,
  isObject,
  type Json,
  type JsonObject,
  unsupportedMediaType,
} from '../pure/index.ts';
import { duplicateFields } from './duplicate-fields.ts';

/** Larger than the largest CRD there is by far; upstream's limit is 3 MiB (spec section 14). */
const MAX_BODY_BYTES = 6 * 1024 * 1024;

/** Reads the whole body. Throws 413 beyond the limit. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  // A refusal still has to reach the client, so leaving early must not cut the connection.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > MAX_BODY_BYTES) {
      throw new ApiStatusError(413, 'RequestEntityTooLarge', `the request body is larger than ${MAX_BODY_BYTES} bytes`);
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

export type Decoded = {
  readonly value: Json;
  /** Fields that appeared twice, as strict decoding reports them. */
  readonly duplicates: readonly string[];
};

/** The media type without parameters, in lower case; JSON when there is none. */
export function mediaType(header: string | undefined): string {
  const type = (header ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return type === '' ? 'application/json' : type;
}

function parseJson(text: string): Decoded {
  try {
    return { value: JSON.parse(text) as Json, duplicates: duplicateFields(text) };
  } catch (error) {
    throw badRequest(`the request body is not valid JSON: ${(error as Error).message}`, { cause: error });
  }
}

function parseYaml(text: string): Decoded {
  const document = parseDocument(text, { uniqueKeys: false, schema: 'core' });
  const problem = document.errors[0];
  if (problem !== undefined) throw badRequest(`the request body is not valid YAML: ${problem.message}`);
  return { value: document.toJS({ maxAliasCount: 100 }) as Json, duplicates: [] };
}

/** Decodes an object, JSON, YAML or protobuf. Throws 400 for a broken body and 415 for another type. */
export function decodeObject(body: Buffer, contentType: string): Decoded & { readonly value: JsonObject } {
  const decoded = decode(body, contentType);
  if (!isObject(decoded.value)) throw badRequest('the request body must be an object');
  return { value: decoded.value, duplicates: decoded.duplicates };
}

function decode(body: Buffer, contentType: string): Decoded {
  switch (contentType) {
    case 'application/json':
      return parseJson(body.toString('utf8'));
    case 'application/yaml':
      return parseYaml(body.toString('utf8'));
    case 'application/vnd.kubernetes.protobuf': {
      const { object } = decodeProtobuf(body);
      return { value: object, duplicates: [] };
    }
    default:
      throw unsupportedMediaType(
        `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf`,
      );
  }
}

/** A patch body: JSON, or for apply YAML (of which JSON is a part). */
export function decodePatch(body: Buffer, yaml: boolean): Decoded {
  const text = body.toString('utf8');
  const looksLikeJson = /^\s*[[{]/.test(text);
  return yaml && !looksLikeJson ? parseYaml(text) : parseJson(text);
}
