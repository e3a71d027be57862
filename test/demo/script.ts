/** A demonstration: numbered steps, each with its evidence and its expectations; the first that fails ends it. */
export class Script {
  readonly #write: (text: string) => void;
  readonly #startedMs = performance.now();
  readonly #colour: boolean;
  #step = 0;
  #checks = 0;

  constructor(write: (text: string) => void, colour: boolean) {
    this.#write = write;
    this.#colour = colour;
  }

  async step<T>(title: string, work: () => Promise<T>): Promise<T> {
    this.#step += 1;
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(1).padStart(5);
    this.#write(`\n${this.#paint('1', `${this.#step}. ${title}`)}${this.#paint('2', `  (${seconds} s)`)}\n`);
    return work();
  }

  /** A command as a person would type it. */
  command(text: string): void {
    this.#write(`   ${this.#paint('36', `$ ${text}`)}\n`);
  }

  /** What came back. */
  evidence(text: string): void {
    for (const line of text.trimEnd().split('\n')) for (const part of wrap(line)) this.#write(`     ${part}\n`);
  }

  /** An expectation: said when it holds, thrown when it does not. */
  expect(claim: string, holds: boolean, seen: string): void {
    if (!holds) throw new Error(`expected: ${claim}\nseen: ${seen}`);
    this.#checks += 1;
    this.#write(`   ${this.#paint('32', '✔')} ${claim}\n`);
  }

  summary(): string {
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(1);
    return `${this.#step} steps, ${this.#checks} expectations held, ${seconds} s`;
  }

  #paint(code: string, text: string): string {
    return this.#colour ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

const WIDTH = 140;

/** Long log lines, cut between words; what fits is left as it is. */
function wrap(line: string): readonly string[] {
  if (line.length <= WIDTH) return [line];
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(' ')) {
    if (current.length + word.length > WIDTH) {
      lines.push(current);
      current = `  ${word}`;
    } else {
      current += current === '' ? word : ` ${word}`;
    }
  }
  return [...lines, current];
}
