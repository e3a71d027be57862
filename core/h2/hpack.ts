/**
 * HPACK encoding (RFC 7541) in its plainest form: nothing is indexed, nothing is compressed, so that there is no state to
 * keep in step. For tests, whose peers say what they like; what proxies say is `HpackEncoder`'s.
 */
import type { HeaderField } from './header-blocks.ts';

/** Section 6.3: we use no dynamic table, so the peer's decoder may drop it. Legal at the start of any block. */
const TABLE_SIZE_ZERO = 0x20;
/** Section 6.2.2. */
const LITERAL_NOT_INDEXED = 0x00;

/** Appendix A: indexes of names that we send, and of the one whole field. */
const STATIC_NAME: Readonly<Record<string, number>> = { ':authority': 1, ':method': 2, ':status': 8 };
const STATUS_200 = 0x88;

export function encodeHeaders(fields: readonly HeaderField[]): Buffer {
  const out: number[] = [TABLE_SIZE_ZERO];
  for (const [name, value] of fields) {
    if (name === ':status' && value === '200') {
      out.push(STATUS_200);
      continue;
    }
    const index = STATIC_NAME[name];
    if (index === undefined) {
      out.push(LITERAL_NOT_INDEXED);
      pushText(out, name);
    } else {
      out.push(LITERAL_NOT_INDEXED | index);
    }
    pushText(out, value);
  }
  return Buffer.from(out);
}

function pushText(out: number[], text: string): void {
  const bytes = Buffer.from(text, 'latin1');
  pushInteger(out, bytes.length, 7);
  for (const byte of bytes) out.push(byte);
}

/** Section 5.1; the bits above the prefix are 0. */
function pushInteger(out: number[], value: number, prefixBits: number): void {
  const most = 2 ** prefixBits - 1;
  if (value < most) {
    out.push(value);
    return;
  }
  out.push(most);
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  out.push(rest);
}
