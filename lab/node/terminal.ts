import { closeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { openTerminal, resizeTerminal } from '../../core/net/index.ts';

/** Our end of a terminal: a stream both ways. The program's end is given to the program and then closed. */
export class Terminal {
  readonly stream: ReadStream;
  readonly slave: number;
  readonly #master: number;

  constructor() {
    const { master, slave } = openTerminal();
    this.#master = master;
    this.slave = slave;
    this.stream = new ReadStream(master);
    // EIO is how a terminal says that nobody is at the other end any more: its usual end.
    this.stream.on('error', () => this.stream.destroy());
  }

  /** Once the program has it, ours would only keep the terminal open after the program's end. */
  handOver(): void {
    closeSync(this.slave);
  }

  resize(columns: number, rows: number): void {
    if (!this.stream.destroyed) resizeTerminal(this.#master, { columns, rows });
  }
}
