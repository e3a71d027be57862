import { type FileHandle, open, watch } from 'node:fs/promises';
import { parseEntry } from './cri-log.ts';
import type { LogQuery } from './log-query.ts';

const READ_BYTES = 65_536;

/**
 * The log as text, piece by piece, as the query wants it. With `follow` it goes on until `ended` settles (and then to the
 * end of the file) or the signal aborts.
 */
export async function* readLog(
  path: string,
  query: LogQuery,
  ended: Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<string> {
  await using file = await open(path, 'r');
  const lines = new LineReader(file);
  let budget = query.limitBytes ?? Number.POSITIVE_INFINITY;
  const present = tail(select(await lines.available(), query), query.tailLines);
  let batch = present;
  let isOver = !query.follow;
  const over = ended.then(() => {
    isOver = true;
  });
  for (;;) {
    for (const text of batch) {
      const piece = text.length > budget ? text.slice(0, budget) : text;
      budget -= piece.length;
      if (piece.length > 0) yield piece;
      if (budget <= 0) return;
    }
    if (signal.aborted) return;
    const last = isOver; // what is written before the end is known must still be read
    const more = select(await lines.available(), query);
    if (more.length === 0) {
      if (last) return;
      await Promise.race([changed(path, signal), over]);
    }
    batch = more;
  }
}

/** Settles when the file may have grown. The watch misses what happens before it is set: a short deadline covers that. */
async function changed(path: string, outer: AbortSignal): Promise<void> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), 250);
  const onAbort = () => deadline.abort();
  outer.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const _ of watch(path, { signal: deadline.signal })) return;
  } catch (error) {
    if (!deadline.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', onAbort);
  }
}

class LineReader {
  readonly #file: FileHandle;
  readonly #buffer = Buffer.alloc(READ_BYTES);
  #rest = '';
  #decoder = new TextDecoder();

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** The whole lines that have come since the last call. */
  async available(): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const { bytesRead } = await this.#file.read(this.#buffer, 0, READ_BYTES);
      if (bytesRead === 0) return lines;
      const text = this.#rest + this.#decoder.decode(this.#buffer.subarray(0, bytesRead), { stream: true });
      const pieces = text.split('\n');
      this.#rest = pieces.pop() ?? '';
      lines.push(...pieces);
    }
  }
}

function select(lines: readonly string[], query: LogQuery): string[] {
  const out: string[] = [];
  for (const line of lines) {
    const entry = parseEntry(line);
    if (entry === undefined) continue;
    if (query.since !== undefined && Date.parse(entry.time) < query.since.getTime()) continue;
    out.push(`${query.timestamps ? `${entry.time} ` : ''}${entry.text}${entry.partial ? '' : '\n'}`);
  }
  return out;
}

function tail(lines: string[], count: number | undefined): string[] {
  if (count === undefined) return lines;
  return count === 0 ? [] : lines.slice(-count);
}
