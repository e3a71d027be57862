/** What came for a reader that does not read. */

const MIN_CHUNK_BYTES = 1_024;
const MAX_CHUNK_BYTES = 64 * 1024;

/**
 * Bytes in order, in chunks that grow with what is held: a peer that sends its window byte by byte would otherwise cost us an
 * object for each. It takes at most twice what it holds, and {@link MIN_CHUNK_BYTES}.
 */
export class HeldBytes {
  /** The last one is filled up to `#tailBytes`. */
  readonly #chunks: Buffer[] = [];
  #tailBytes = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Copies. */
  push(piece: Uint8Array): void {
    let at = 0;
    const tail = this.#chunks.at(-1);
    if (tail !== undefined && this.#tailBytes < tail.length) at = this.#fill(tail, piece);
    if (at < piece.length) {
      const rest = piece.length - at;
      const size = Math.max(rest, Math.min(MAX_CHUNK_BYTES, Math.max(MIN_CHUNK_BYTES, this.#bytes)));
      const chunk = Buffer.allocUnsafeSlow(size); // not from Node's pool, which a few bytes would keep alive
      this.#chunks.push(chunk);
      this.#tailBytes = 0;
      this.#fill(chunk, piece.subarray(at));
    }
    this.#bytes += piece.length;
  }

  /** The oldest bytes; the caller's now. */
  shift(): Buffer | undefined {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return undefined;
    const piece = this.#chunks.length > 0 ? chunk : chunk.subarray(0, this.#tailBytes);
    this.#bytes -= piece.length;
    return piece;
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#bytes = 0;
  }

  #fill(chunk: Buffer, piece: Uint8Array): number {
    const n = Math.min(chunk.length - this.#tailBytes, piece.length);
    chunk.set(n === piece.length ? piece : piece.subarray(0, n), this.#tailBytes);
    this.#tailBytes += n;
    return n;
  }
}
