/** Header fields in the order they came, names in lower case: one flat list, since most messages have fewer than twenty. */

export class HeaderFields {
  /** name, value, name, value… Engines read and fill it; everybody else uses the methods. */
  readonly list: string[];

  constructor(list: string[] = []) {
    this.list = list;
  }

  /** From pairs or an object; names are lowered. */
  static of(fields: Readonly<Record<string, string>> | Iterable<readonly [string, string]>): HeaderFields {
    const list: string[] = [];
    const pairs = Symbol.iterator in fields ? fields : Object.entries(fields);
    for (const [name, value] of pairs as Iterable<readonly [string, string]>) list.push(name.toLowerCase(), value);
    return new HeaderFields(list);
  }

  get count(): number {
    return this.list.length / 2;
  }

  has(name: string): boolean {
    return this.#find(name, 0) >= 0;
  }

  /** The value; several of one name joined by a comma (RFC 9110 section 5.3). `name` in lower case, here and everywhere. */
  get(name: string): string | undefined {
    const { list } = this;
    let at = this.#find(name, 0);
    if (at < 0) return undefined;
    let value = list[at + 1] as string;
    for (;;) {
      at = this.#find(name, at + 2);
      if (at < 0) return value;
      value = `${value}, ${list[at + 1]}`;
    }
  }

  /** The first value. */
  first(name: string): string | undefined {
    const at = this.#find(name, 0);
    return at < 0 ? undefined : this.list[at + 1];
  }

  all(name: string): readonly string[] {
    const values: string[] = [];
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + 2)) values.push(this.list[at + 1] as string);
    return values;
  }

  /** Replaces all of that name by one, in the place of the first. */
  set(name: string, value: string): void {
    const at = this.#find(name, 0);
    if (at < 0) {
      this.list.push(name, value);
      return;
    }
    this.list[at + 1] = value;
    this.#removeFrom(name, at + 2);
  }

  append(name: string, value: string): void {
    this.list.push(name, value);
  }

  remove(name: string): void {
    this.#removeFrom(name, 0);
  }

  clone(): HeaderFields {
    return new HeaderFields(this.list.slice());
  }

  *[Symbol.iterator](): Generator<readonly [string, string]> {
    const { list } = this;
    for (let at = 0; at < list.length; at += 2) yield [list[at] as string, list[at + 1] as string];
  }

  #find(name: string, from: number): number {
    const { list } = this;
    for (let at = from; at < list.length; at += 2) if (list[at] === name) return at;
    return -1;
  }

  #removeFrom(name: string, from: number): void {
    const { list } = this;
    for (let at = this.#find(name, from); at >= 0; at = this.#find(name, at)) list.splice(at, 2);
  }
}
