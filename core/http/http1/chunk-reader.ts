/** The chunked coding, strictly (RFC 9112 section 7.1): sizes in plain hex, CRLF everywhere, extensions and trailers bounded. */
import { HeaderFields } from '../header-fields.ts';
import { CR, LF, VALUE } from './characters.ts';
import { isFraming } from './control-fields.ts';
import { malformed } from './faults.ts';
import { parseFields } from './fields.ts';
import { HeadGatherer } from './head-gatherer.ts';

/** 2^48: no body is larger, and no count of bytes becomes inexact. */
const SIZE_DIGITS = 12;
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/** Without the blanks that RFC 9112 section 7.1.1 tolerates around `;` and `=`, and without escapes: readers differ there. */
const EXTENSIONS = new RegExp(`^(?:;${TOKEN}(?:=(?:${TOKEN}|"[\\t !#-\\[\\]-~]*"))?)+$`);
/** Of one body together. Nobody uses extensions, but they may not be a way to send without end. */
const EXTENSION_BYTES = 4 * 1024;

const SEMICOLON = 59;

/**
 * RFC 9110 section 6.5.1: what frames, routes, authorizes or describes the message comes before its body or not at all. Whoever
 * merges trailers into the headers must not be fooled.
 */
const NOT_IN_TRAILERS = new Set(
  (
    'authorization cache-control content-encoding content-range content-type cookie expect max-forwards ' +
    'pragma proxy-authenticate proxy-authorization range set-cookie trailer www-authenticate ambit-source forwarded'
  ).split(' '),
);

type Place = 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailers' | 'over';

/**
 *     size -> [extension] -> size-lf -> data -> data-cr -> data-lf -> size …
 *                              \-- 0 --> trailers -> over
 */
export class ChunkReader {
  /** A part of the body, when the last `read` came to one. */
  piece: Uint8Array | undefined;
  trailers: HeaderFields | undefined;
  #place: Place = 'size';
  #left = 0;
  #digits = 0;
  #extension = '';
  #extensionBytes = 0;
  #gatherer: HeadGatherer | undefined;
  readonly #limits: { readonly headBytes: number; readonly headFields: number };

  constructor(limits: { readonly headBytes: number; readonly headFields: number }) {
    this.#limits = limits;
  }

  get isOver(): boolean {
    return this.#place === 'over';
  }

  /** Reads on to the next piece, to the end of the body or of the view; says where it stopped. @throws HttpError */
  read(view: Uint8Array, from: number): number {
    this.piece = undefined;
    let at = from;
    while (at < view.length) {
      const c = view[at] as number;
      switch (this.#place) {
        case 'size':
          this.#size(c);
          break;
        case 'extension':
          this.#extend(c);
          break;
        case 'size-lf':
          expect(c, LF);
          this.#place = this.#left === 0 ? 'trailers' : 'data';
          break;
        case 'data': {
          const end = Math.min(view.length, at + this.#left);
          this.piece = view.subarray(at, end);
          this.#left -= end - at;
          if (this.#left === 0) this.#place = 'data-cr';
          return end;
        }
        case 'data-cr':
          expect(c, CR);
          this.#place = 'data-lf';
          break;
        case 'data-lf':
          expect(c, LF);
          this.#place = 'size';
          this.#digits = 0;
          break;
        case 'trailers':
          return this.#trailer(view, at);
        case 'over':
          return at;
      }
      at += 1;
    }
    return at;
  }

  #size(c: number): void {
    const digit = hexOf(c);
    if (digit >= 0) {
      if (this.#digits >= SIZE_DIGITS) throw malformed('chunk_size', 'a chunk size of too many digits');
      this.#left = this.#left * 16 + digit;
      this.#digits += 1;
      return;
    }
    if (this.#digits === 0 || (c !== CR && c !== SEMICOLON))
      throw malformed('chunk_size', 'a chunk size that is no number');
    if (c === CR) {
      this.#place = 'size-lf';
      return;
    }
    this.#place = 'extension';
    this.#extension = ';';
  }

  #extend(c: number): void {
    this.#extensionBytes += 1;
    if (this.#extensionBytes > EXTENSION_BYTES)
      throw malformed('chunk_extensions', 'too many bytes of chunk extensions');
    if (c !== CR) {
      if (VALUE[c] !== 1) throw malformed('chunk_extensions', 'a control byte in a chunk extension');
      this.#extension += String.fromCharCode(c);
      return;
    }
    if (!EXTENSIONS.test(this.#extension)) throw malformed('chunk_extensions', 'a chunk extension that is none');
    this.#place = 'size-lf';
  }

  #trailer(view: Uint8Array, at: number): number {
    this.#gatherer ??= new HeadGatherer();
    const end = this.#gatherer.take(view, at, this.#limits.headBytes);
    if (!this.#gatherer.isWhole) return end;
    this.#place = 'over';
    const { text } = this.#gatherer;
    if (text.length === 2) return end;
    const list: string[] = [];
    parseFields(text, 0, this.#limits.headFields, list);
    this.trailers = permitted(list);
    return end;
  }
}

function permitted(list: string[]): HeaderFields | undefined {
  const kept: string[] = [];
  for (let at = 0; at < list.length; at += 2) {
    const name = list[at] as string;
    // Some readers heed these even here.
    if (isFraming(name)) throw malformed('framing_in_trailers', `${name} in the trailers`);
    if (!NOT_IN_TRAILERS.has(name)) kept.push(name, list[at + 1] as string);
  }
  return kept.length === 0 ? undefined : new HeaderFields(kept);
}

/** -1: no hexadecimal digit. */
function hexOf(c: number): number {
  if (c >= 48 && c <= 57) return c - 48;
  const small = c | 32;
  return small >= 97 && small <= 102 ? small - 87 : -1;
}

function expect(c: number, wanted: number): void {
  if (c !== wanted) throw malformed('chunk_end', 'a chunk whose size or end is not where it should be');
}
