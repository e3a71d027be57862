/** A watch as a sequence of events: one JSON object per line of an endless answer. */
import { StringDecoder } from 'node:string_decoder';
import { errors } from 'undici';
import type { KubeObject } from '../../mesh/index.ts';
import { errorFromStatus, KubeError } from './kube-error.ts';
import type { HttpRequest, Transport } from './transport.ts';

export type WatchEvent<T extends KubeObject> = {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
};

/** Servers send bookmarks about once a minute; twice that without a byte and the connection is taken for dead. */
const SILENCE_MS = 130_000;
/** No object is larger than etcd takes (1.5 MiB); a line without end is not kept. */
const MAX_LINE_CHARS = 16 * 1024 * 1024;

export async function* watchEvents<T extends KubeObject>(
  transport: Transport,
  options: {
    readonly path: string;
    readonly query: NonNullable<HttpRequest['query']>;
    readonly signal: AbortSignal;
    readonly silenceMs?: number;
  },
): AsyncGenerator<WatchEvent<T>> {
  const { path, query, signal, silenceMs } = options;
  const { body } = await transport.send({ method: 'GET', path, query, signal, bodyTimeoutMs: silenceMs ?? SILENCE_MS });
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of untilSilent(body)) {
    rest += decoder.write(chunk);
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE_CHARS) throw new KubeError(0, 'Unreadable', `watch ${path}: a line without end`);
    for (const line of lines) if (line.trim() !== '') yield readEvent<T>(line, path);
  }
}

/** Too long a silence ends the watch like a close by the server: the reader goes on with a new one. */
async function* untilSilent(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (error) {
    if (!(error instanceof errors.BodyTimeoutError)) throw error;
  }
}

const TYPES: ReadonlySet<unknown> = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']);

function readEvent<T extends KubeObject>(line: string, path: string): WatchEvent<T> {
  let event: { readonly type?: unknown; readonly object?: unknown };
  try {
    event = JSON.parse(line);
  } catch (cause) {
    throw new KubeError(0, 'Unreadable', `watch ${path}: a line that is not JSON`, {}, { cause });
  }
  if (event.type === 'ERROR') throw errorFromStatus(event.object, `watch ${path}`);
  const object = event.object as Partial<T> | undefined;
  if (!TYPES.has(event.type) || typeof object?.metadata !== 'object') {
    throw new KubeError(0, 'Unreadable', `watch ${path}: an event of unknown form`);
  }
  return event as WatchEvent<T>;
}
