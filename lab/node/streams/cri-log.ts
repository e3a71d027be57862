/**
 * Container logs in the form of the Container Runtime Interface: `TIME STREAM F|P TEXT`, where P marks a piece of a line
 * whose rest follows.
 */
export type LogStream = 'stdout' | 'stderr';
export type LogEntry = {
  readonly time: string;
  readonly stream: LogStream;
  readonly partial: boolean;
  readonly text: string;
};

/** A line longer than this is cut into pieces, so that a program that never ends its line cannot fill memory. */
const MAX_PIECE_BYTES = 16_384;
const NEWLINE = 0x0a;

/** Cuts one stream's bytes into entries. `end` gives what was left without a line end. */
export class LogCutter {
  readonly #stream: LogStream;
  readonly #now: () => Date;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: LogStream, now: () => Date = () => new Date()) {
    this.#stream = stream;
    this.#now = now;
  }

  /** The text to append to the log file. */
  write(chunk: Buffer): string {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let out = '';
    let start = 0;
    for (let end = data.indexOf(NEWLINE); end !== -1; end = data.indexOf(NEWLINE, start)) {
      out += this.#entry('F', data.subarray(start, end));
      start = end + 1;
    }
    let rest = data.subarray(start);
    while (rest.length >= MAX_PIECE_BYTES) {
      out += this.#entry('P', rest.subarray(0, MAX_PIECE_BYTES));
      rest = rest.subarray(MAX_PIECE_BYTES);
    }
    this.#rest = Buffer.from(rest);
    return out;
  }

  end(): string {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    return rest.length === 0 ? '' : this.#entry('F', rest);
  }

  #entry(tag: 'F' | 'P', text: Buffer): string {
    return `${this.#now().toISOString()} ${this.#stream} ${tag} ${text.toString('utf8')}\n`;
  }
}

const ENTRY = /^(\S+) (stdout|stderr) ([FP]) (.*)$/s;

/** Undefined for a line that is not in this form (a log cut off in the middle of a write). */
export function parseEntry(line: string): LogEntry | undefined {
  const match = ENTRY.exec(line);
  if (match === null) return undefined;
  const [, time = '', stream = 'stdout', tag = 'F', text = ''] = match;
  return { time, stream: stream as LogStream, partial: tag === 'P', text };
}
