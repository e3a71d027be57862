/** The Huffman code of header strings (RFC 7541 section 5.2 and appendix B), read half a byte at a time. */

/**
 * The length of each symbol's code in base 36, EOS last. The code is canonical (shorter codes first, those of one length in the
 * order of their symbols), so that the lengths say all.
 */
const LENGTHS =
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca' +
  'd67777777777777777777777878djde6f56565666577666567655677777fbeds' +
  'kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn' +
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu';
const EOS = 256;

/** An inner node of the tree of codes: what 0 and 1 lead to. Symbols are told from nodes by being negative: -1 - symbol. */
type Node = [zero: number | undefined, one: number | undefined];

function tree(): readonly Node[] {
  const nodes: Node[] = [[undefined, undefined]];
  const symbols = [...LENGTHS].map((digit, symbol) => ({ symbol, bits: Number.parseInt(digit, 36) }));
  symbols.sort((a, b) => a.bits - b.bits || a.symbol - b.symbol);
  let code = 0;
  let before = 0;
  for (const { symbol, bits } of symbols) {
    code *= 2 ** (bits - before);
    before = bits;
    let at = 0;
    for (let bit = bits - 1; bit >= 0; bit--) {
      const node = nodes[at] as Node;
      const side = Math.floor(code / 2 ** bit) % 2;
      if (bit === 0) node[side] = -1 - symbol;
      else at = node[side] ??= nodes.push([undefined, undefined]) - 1;
    }
    code += 1;
  }
  return nodes;
}

const NO_SYMBOL = 0xffff;
/** For each node and each half byte: the next node, or {@link FAILED}; and the symbol that was completed on the way, if one was. */
const NEXT = new Uint16Array(256 * 16);
const SYMBOL = new Uint16Array(256 * 16).fill(NO_SYMBOL);
const FAILED = 0xffff;
/** Nodes at which a string may end: less than a byte of ones, which begin EOS, since the last symbol (section 5.2). */
const MAY_END = new Uint8Array(256);

/** By the first string that is coded: few are, among proxies, and the work leaves megabytes behind. */
let areFilled = false;

function fillTables(): void {
  areFilled = true;
  const nodes = tree();
  for (let from = 0; from < nodes.length; from++) {
    for (let half = 0; half < 16; half++) {
      const cell = from * 16 + half;
      let at = from;
      for (let bit = 3; bit >= 0 && at !== FAILED; bit--) {
        const to = nodes[at]?.[((half >> bit) & 1) as 0 | 1] ?? -1 - EOS;
        if (to >= 0) at = to;
        else if (to === -1 - EOS) at = FAILED;
        else {
          SYMBOL[cell] = -1 - to;
          at = 0;
        }
      }
      NEXT[cell] = at;
    }
  }
  for (let at: number | undefined = 0, ones = 0; at !== undefined && ones < 8; ones++) {
    MAY_END[at] = 1;
    at = nodes[at]?.[1];
  }
}

/** The shortest code has 5 bits. */
const MAX_SYMBOLS_A_BYTE = 8 / 5;
let scratch = Buffer.alloc(4 * 1024);

/** The string, in latin1, that `block` holds from `start` to `end`; undefined when that is not well coded. */
export function decodeHuffman(block: Buffer, start: number, end: number): string | undefined {
  if (!areFilled) fillTables();
  const most = Math.ceil((end - start) * MAX_SYMBOLS_A_BYTE);
  if (most > scratch.length) scratch = Buffer.alloc(most);
  const out = scratch;
  let length = 0;
  let node = 0;
  for (let at = start; at < end; at++) {
    const byte = block[at] as number;
    let cell = node * 16 + (byte >> 4);
    let symbol = SYMBOL[cell] as number;
    if (symbol !== NO_SYMBOL) out[length++] = symbol;
    node = NEXT[cell] as number;
    if (node === FAILED) return undefined;
    cell = node * 16 + (byte & 15);
    symbol = SYMBOL[cell] as number;
    if (symbol !== NO_SYMBOL) out[length++] = symbol;
    node = NEXT[cell] as number;
    if (node === FAILED) return undefined;
  }
  return MAY_END[node] === 1 ? out.toString('latin1', 0, length) : undefined;
}
