/** The gRPC interface of the samples: `ambit.samples.Echo/Say`, a message with one string (field 1) both ways. */
import { Client, credentials, Metadata, type ServiceDefinition, type ServiceError } from '@grpc/grpc-js';

/** Field 1, wire type 2 (length-delimited): the only field of both messages. */
const TEXT_TAG = 0x0a;

function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length > 127) throw new Error('the sample message is limited to 127 bytes');
  return Buffer.concat([Buffer.from([TEXT_TAG, bytes.length]), bytes]);
}

function decodeText(message: Buffer): string {
  if (message.length === 0) return '';
  if (message[0] !== TEXT_TAG) throw new Error('not an Echo message');
  return message.subarray(2, 2 + (message[1] ?? 0)).toString('utf8');
}

const SAY = {
  path: '/ambit.samples.Echo/Say',
  requestStream: false,
  responseStream: false,
  requestSerialize: encodeText,
  requestDeserialize: decodeText,
  responseSerialize: encodeText,
  responseDeserialize: decodeText,
} as const;

export const ECHO_SERVICE: ServiceDefinition = { Say: SAY };

export type SayOptions = { readonly headers: Readonly<Record<string, string>>; readonly timeoutMs: number };

/** One call, with its own channel. Rejects with the gRPC error. */
export function say(address: string, text: string, { headers, timeoutMs }: SayOptions): Promise<string> {
  const client = new Client(address, credentials.createInsecure());
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  client.makeUnaryRequest(
    SAY.path,
    encodeText,
    decodeText,
    text,
    metadata,
    { deadline: Date.now() + timeoutMs },
    (error: ServiceError | null, answer?: string) => {
      if (error) reject(error);
      else resolve(answer ?? '');
    },
  );
  return promise.finally(() => client.close());
}
