import { LogFilter, type LogLevel } from './log-filter.ts';
import { type Fields, formatRecord, type LogFormat, type Span } from './log-format.ts';

/** Writes lines of one scope. A constant sentence plus fields; never keys, tokens or payloads. */
export interface Logger {
  error(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
  trace(message: string, fields?: Fields): void;
  log(level: LogLevel, message: string, fields?: Fields): void;
  /** Whether a line of this level would be written: ask before computing costly fields. */
  enabled(level: LogLevel): boolean;
  /** The same log under another scope of this program, for example `xds` (full target `ztunnel::xds`). */
  scope(name: string): Logger;
  /** The same log under a target that stands by itself, for example `access`. */
  target(name: string): Logger;
  /** Everything written through the result carries this span. */
  span(name: string, fields: Fields): Logger;
  /** Shared by all scopes; the admin endpoint `/logging` changes it. */
  readonly filter: LogFilter;
}

export type LoggerOptions = {
  readonly format: LogFormat;
  /** `RUST_LOG`-like directives, for example `info,xds=debug`. */
  readonly level: string;
  /** The program's name: the first part of every full target. Default `ambit`. */
  readonly root?: string;
  /** Gets whole lines with their newline. Default: standard output, gathered within one turn of the loop. */
  readonly write?: (line: string) => void;
  readonly now?: () => number;
};

/** Throws `LOG_FILTER_INVALID` when the level is malformed. */
export function createLogger(options: LoggerOptions): Logger {
  const root = options.root ?? 'ambit';
  const shared: Shared = {
    root,
    format: options.format,
    filter: new LogFilter(options.level),
    write: options.write ?? standardOutput(),
    now: options.now ?? Date.now,
  };
  return new ScopedLogger(shared, root, []);
}

type Shared = {
  readonly root: string;
  readonly format: LogFormat;
  readonly filter: LogFilter;
  readonly write: (line: string) => void;
  readonly now: () => number;
};

class ScopedLogger implements Logger {
  readonly #shared: Shared;
  readonly #target: string;
  readonly #spans: readonly Span[];

  constructor(shared: Shared, target: string, spans: readonly Span[]) {
    this.#shared = shared;
    this.#target = target;
    this.#spans = spans;
  }

  get filter(): LogFilter {
    return this.#shared.filter;
  }

  error(message: string, fields?: Fields): void {
    this.log('error', message, fields);
  }

  warn(message: string, fields?: Fields): void {
    this.log('warn', message, fields);
  }

  info(message: string, fields?: Fields): void {
    this.log('info', message, fields);
  }

  debug(message: string, fields?: Fields): void {
    this.log('debug', message, fields);
  }

  trace(message: string, fields?: Fields): void {
    this.log('trace', message, fields);
  }

  enabled(level: LogLevel): boolean {
    // Directives may name a scope as the plain format prints it (`xds`) or in full (`ztunnel::xds`).
    const { filter, root } = this.#shared;
    const short = this.#target.startsWith(`${root}::`) ? this.#target.slice(root.length + 2) : this.#target;
    return filter.allows(this.#target, level, short);
  }

  log(level: LogLevel, message: string, fields: Fields = {}): void {
    if (!this.enabled(level)) return;
    const { format, root, now, write } = this.#shared;
    const record = { level, timeMs: now(), target: this.#target, message, fields, spans: this.#spans };
    write(`${formatRecord(format, record, root)}\n`);
  }

  scope(name: string): Logger {
    return new ScopedLogger(this.#shared, `${this.#shared.root}::${name}`, this.#spans);
  }

  target(name: string): Logger {
    return new ScopedLogger(this.#shared, name, []); // stands by itself: detached from spans, too
  }

  span(name: string, fields: Fields): Logger {
    return new ScopedLogger(this.#shared, this.#target, [...this.#spans, { name, fields }]);
  }
}

const LINES_PER_WRITE = 64;
/** How long a line may wait for others: a write for each costs more than the connection that it tells of. */
const GATHER_MS = 10;

/** Where lines go by default. Nothing is dropped, a slow reader makes us wait. */
export function standardOutput(): (line: string) => void {
  return gathered((text) => void process.stdout.write(text)); // synchronous for files, terminals and, on Linux, pipes
}

/** Passes lines on in few pieces: what comes within a moment, or as many as make a piece; at the end of the thread the rest. */
export function gathered(write: (text: string) => void): (line: string) => void {
  let waiting: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    if (waiting.length === 0) return;
    const text = waiting.join('');
    waiting = [];
    write(text);
  };
  let armed = false;
  return (line) => {
    if (!armed) process.on('exit', flush); // lines of the last moment, too
    armed = true;
    waiting.push(line);
    if (waiting.length === 1) timer = setTimeout(flush, GATHER_MS);
    else if (waiting.length >= LINES_PER_WRITE) flush();
  };
}
