/** The server name that a TLS client asks for, read from its first bytes and touched no further (RFC 8446 section 4.1.2, RFC 6066 section 3). */

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;
const RECORD_HEAD = 5;
/** Of a record; RFC 8446 section 5.1. */
const MAX_RECORD = 16_384;
/** Of a ClientHello that is read; nobody's is longer. */
const MAX_HELLO = 32_768;

export type ServerName = { readonly name: string | undefined };

const NO_NAME: ServerName = { name: undefined };

/** Undefined: more bytes are needed to tell. What is no ClientHello has no name. */
export function serverNameIn(bytes: Buffer): ServerName | undefined {
  const hello = helloIn(bytes);
  if (hello === 'unfinished') return undefined;
  if (hello === undefined) return NO_NAME;
  try {
    return { name: nameIn(new Reader(hello)) };
  } catch (error) {
    if (error instanceof RangeError) return NO_NAME; // its lengths do not add up
    throw error;
  }
}

/** The body of the ClientHello, put together from its records. */
function helloIn(bytes: Buffer): Buffer | 'unfinished' | undefined {
  let hello = Buffer.alloc(0);
  for (let at = 0; ; ) {
    if (bytes.length === at) return 'unfinished';
    if (bytes[at] !== HANDSHAKE) return undefined;
    if (bytes.length < at + RECORD_HEAD) return 'unfinished';
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > MAX_RECORD) return undefined;
    const piece = bytes.subarray(at + RECORD_HEAD, at + RECORD_HEAD + length);
    hello = Buffer.concat([hello, piece]);
    if (hello.length >= 4) {
      const wanted = hello.readUIntBE(1, 3);
      if (hello[0] !== CLIENT_HELLO || wanted > MAX_HELLO) return undefined;
      if (hello.length >= 4 + wanted) return hello.subarray(4, 4 + wanted);
    }
    if (piece.length < length) return 'unfinished';
    at += RECORD_HEAD + length;
  }
}

function nameIn(hello: Reader): string | undefined {
  hello.skip(2 + 32); // version, random
  hello.skip(hello.uint8()); // session
  hello.skip(hello.uint16()); // cipher suites
  hello.skip(hello.uint8()); // compression
  if (hello.left === 0) return undefined;
  const extensions = hello.part(hello.uint16());
  while (extensions.left > 0) {
    const type = extensions.uint16();
    const content = extensions.part(extensions.uint16());
    if (type !== SERVER_NAME) continue;
    const names = content.part(content.uint16());
    while (names.left > 0) {
      const kind = names.uint8();
      const name = names.text(names.uint16());
      if (kind === HOST_NAME) return name.toLowerCase().replace(/\.$/, '');
    }
  }
  return undefined;
}

/** @throws RangeError beyond the end. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  skip(length: number): void {
    this.#take(length);
  }

  part(length: number): Reader {
    const from = this.#take(length);
    return new Reader(this.#bytes.subarray(from, from + length));
  }

  text(length: number): string {
    const from = this.#take(length);
    return this.#bytes.toString('latin1', from, from + length);
  }

  #take(length: number): number {
    const from = this.#at;
    if (length > this.left) throw new RangeError('beyond the end');
    this.#at += length;
    return from;
  }
}
