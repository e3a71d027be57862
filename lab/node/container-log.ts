/** A container's output on disk, in the line format of the container runtime interface, and reading it back. */
import { closeSync, createReadStream, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** Longer lines are written in parts (tag `P`), as container runtimes do. */
const MAX_LINE_BYTES = 16 * 1024;
/** A log that grows beyond it is set aside, and the one set aside before is dropped. Upstream's default. */
const MAX_FILE_BYTES = 10 * 1024 * 1024;
const NEWLINE = 10;

export class ContainerLog implements Disposable {
  readonly path: string;
  #fd: number;
  #size = 0;
  #closed = false;
  readonly #waiting = new Set<() => void>();

  constructor(path: string) {
    this.path = path;
    mkdirSync(dirname(path), { recursive: true });
    this.#fd = openSync(path, 'a');
  }

  /** Takes a stream of output until its end. */
  async take(stream: Readable, name: 'stdout' | 'stderr'): Promise<void> {
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of stream) {
      let bytes = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
      for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE)) {
        this.#line(name, bytes.subarray(0, at), true);
        bytes = bytes.subarray(at + 1);
      }
      while (bytes.length >= MAX_LINE_BYTES) {
        this.#line(name, bytes.subarray(0, MAX_LINE_BYTES), false);
        bytes = bytes.subarray(MAX_LINE_BYTES);
      }
      rest = bytes;
      this.#wake();
    }
    if (rest.length > 0) this.#line(name, rest, false);
    this.#wake();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Resolves when something was written or the log has ended. */
  changed(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#closed || signal.aborted) resolve();
    const wake = () => {
      this.#waiting.delete(wake);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    this.#waiting.add(wake);
    signal.addEventListener('abort', wake, { once: true });
    return promise;
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
    this.#wake();
  }

  #line(stream: string, bytes: Buffer, whole: boolean): void {
    if (this.#closed) return; // a process that outlived its container by a moment
    const line = Buffer.concat([Buffer.from(`${now()} ${stream} ${whole ? 'F' : 'P'} `), bytes, Buffer.of(NEWLINE)]);
    if (this.#size + line.length > MAX_FILE_BYTES) {
      closeSync(this.#fd);
      renameSync(this.path, `${this.path}.1`);
      this.#fd = openSync(this.path, 'a');
      this.#size = 0;
    }
    writeSync(this.#fd, line);
    this.#size += line.length;
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

const NANOS_BELOW_MILLIS = 6;
/** RFC 3339 with nanoseconds, as readers expect; ours end in microseconds. */
function now(): string {
  const ms = performance.timeOrigin + performance.now();
  const below = String(Math.floor((ms % 1) * 1e6)).padStart(NANOS_BELOW_MILLIS, '0');
  return new Date(ms).toISOString().replace('Z', `${below}Z`);
}

export type LogQuery = {
  readonly tailLines?: number;
  readonly limitBytes?: number;
  readonly sinceMs?: number;
  readonly timestamps?: boolean;
  /** The log while it is being written. */
  readonly follow?: ContainerLog;
};

type Entry = { readonly time: string; readonly whole: boolean; readonly text: string };

/** The lines asked for, as people read them; with `follow`, on and on until the log ends or `signal` aborts. */
export async function* readLog(path: string, query: LogQuery, signal: AbortSignal): AsyncGenerator<string> {
  let left = query.limitBytes ?? Number.POSITIVE_INFINITY;
  const bounded = function* (text: string) {
    if (left <= 0) return;
    const bytes = Buffer.from(text);
    yield bytes.length <= left ? text : bytes.subarray(0, left).toString();
    left -= bytes.length;
  };
  let entries: Entry[] = [];
  const size = statSync(path).size;
  const tail = query.tailLines ?? Number.POSITIVE_INFINITY;
  const input = createReadStream(path, { end: Math.max(0, size - 1) });
  if (size > 0) {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      const entry = parse(line);
      if (entry === undefined || !after(entry, query.sinceMs)) continue;
      entries.push(entry);
      if (entries.length > tail * 2 + 100) entries = entries.slice(-tail); // memory stays bounded by the tail
    }
  } else input.destroy();
  for (const entry of tail === 0 ? [] : entries.slice(Number.isFinite(tail) ? -tail : 0))
    yield* bounded(show(entry, query));
  if (query.follow) {
    for await (const entry of follow(path, size, query.follow, signal)) {
      if (left <= 0) return;
      if (after(entry, query.sinceMs)) yield* bounded(show(entry, query));
    }
  }
}

async function* follow(path: string, from: number, log: ContainerLog, signal: AbortSignal): AsyncGenerator<Entry> {
  let offset = from;
  let rest = '';
  while (!signal.aborted) {
    const ended = log.isClosed; // asked before reading: what was written last is still read
    const { size } = statSync(path, { throwIfNoEntry: false }) ?? { size: 0 };
    if (size < offset) offset = 0; // set aside, and begun anew
    if (size > offset) {
      await using file = await open(path, 'r');
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size - offset, 1 << 20)), {
        position: offset,
      });
      offset += bytesRead;
      const lines = (rest + buffer.toString('utf8', 0, bytesRead)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const entry = parse(line);
        if (entry) yield entry;
      }
      continue;
    }
    if (ended) return;
    await log.changed(signal);
  }
}

function parse(line: string): Entry | undefined {
  const match = /^(\S+) (?:stdout|stderr) ([FP]) (.*)$/s.exec(line);
  return match ? { time: match[1] ?? '', whole: match[2] === 'F', text: match[3] ?? '' } : undefined;
}

const after = (entry: Entry, sinceMs: number | undefined) => sinceMs === undefined || Date.parse(entry.time) >= sinceMs;
const show = (entry: Entry, { timestamps }: LogQuery) =>
  `${timestamps === true ? `${entry.time} ` : ''}${entry.text}${entry.whole ? '\n' : ''}`;
