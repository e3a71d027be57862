/** Header blocks: put together from HEADERS and CONTINUATION (RFC 9113 section 4.3), and decoded within bounds. */
import { ConnectionFault, H2 } from './faults.ts';
import { FLAG, type FrameHeader } from './frames.ts';
import type { H2Limits } from './limits.ts';

/** Name and value as bytes, in latin1. */
export type HeaderField = readonly [name: string, value: string];

export type DecodeLimits = {
  /** RFC 9113 section 6.5.2: names, values, and 32 for each field. */
  readonly maxListBytes: number;
  readonly maxFields: number;
};

/** One connection's decoder, with the table that all its header blocks share. */
export interface BlockDecoder<F> extends Disposable {
  /** Decodes a complete block. `too-large`: to its end, but not kept. `bomb`: beyond use. `malformed`: the table is unknown now. */
  decode(
    block: Buffer,
    limits: DecodeLimits,
  ): { readonly kind: 'fields'; readonly fields: readonly F[] } | { readonly kind: 'too-large' | 'bomb' | 'malformed' };
}

export type HeaderBlock<F> = {
  readonly streamId: number;
  readonly endStream: boolean;
  /** `too-large`: beyond what we said that we take. The table is in step all the same. */
  readonly fields: readonly F[] | 'too-large';
};

type Pending = {
  readonly streamId: number;
  readonly endStream: boolean;
  readonly parts: Buffer[];
  bytes: number;
  /** After the first. */
  continuations: number;
};

const PRIORITY_BYTES = 5;

/** One direction of a connection has at most one block under way: nothing may come between its frames. */
export class HeaderBlocks<F> implements Disposable {
  readonly #limits: H2Limits;
  readonly #maxListBytes: number;
  readonly #decoder: BlockDecoder<F>;
  #pending: Pending | undefined;

  constructor(decoder: BlockDecoder<F>, limits: H2Limits, maxListBytes: number) {
    this.#decoder = decoder;
    this.#limits = limits;
    this.#maxListBytes = maxListBytes;
  }

  /** The stream whose block is under way. */
  get openStream(): number | undefined {
    return this.#pending?.streamId;
  }

  /** HEADERS. The block, once it is complete. @throws ConnectionFault */
  begin(f: FrameHeader, payload: Buffer): HeaderBlock<F> | undefined {
    const skip = (f.flags & FLAG.PRIORITY) === 0 ? 0 : PRIORITY_BYTES;
    if (payload.length < skip) throw new ConnectionFault(H2.FRAME_SIZE_ERROR, 'HEADERS without room for its priority');
    const endStream = (f.flags & FLAG.END_STREAM) !== 0;
    this.#pending = { streamId: f.streamId, endStream, parts: [], bytes: 0, continuations: 0 };
    return this.#add(this.#pending, f, payload.subarray(skip));
  }

  /** CONTINUATION of the block under way. @throws ConnectionFault */
  continue(f: FrameHeader, part: Buffer): HeaderBlock<F> | undefined {
    const pending = this.#pending;
    if (pending === undefined) return undefined; // the connection has refused it
    pending.continuations += 1;
    if (pending.continuations > this.#limits.continuations) {
      throw new ConnectionFault(H2.ENHANCE_YOUR_CALM, 'too many CONTINUATION frames', 'continuation-flood');
    }
    return this.#add(pending, f, part);
  }

  [Symbol.dispose](): void {
    this.#pending = undefined;
    this.#decoder[Symbol.dispose]();
  }

  #add(pending: Pending, f: FrameHeader, part: Buffer): HeaderBlock<F> | undefined {
    pending.bytes += part.length;
    if (pending.bytes > this.#limits.headerBlockBytes) {
      throw new ConnectionFault(H2.ENHANCE_YOUR_CALM, 'the header block is too large', 'header-flood');
    }
    const { streamId, endStream, parts } = pending;
    if ((f.flags & FLAG.END_HEADERS) === 0) {
      parts.push(Buffer.from(part)); // the frame's memory is its reader's
      return undefined;
    }
    this.#pending = undefined;
    return { streamId, endStream, fields: this.#decode(parts.length === 0 ? part : Buffer.concat([...parts, part])) };
  }

  #decode(block: Buffer): HeaderBlock<F>['fields'] {
    const decoded = this.#decoder.decode(block, {
      maxListBytes: this.#maxListBytes,
      maxFields: this.#limits.headerFields,
    });
    switch (decoded.kind) {
      case 'fields':
        return decoded.fields;
      case 'too-large':
        return 'too-large';
      case 'bomb':
        throw new ConnectionFault(H2.ENHANCE_YOUR_CALM, 'a header list many times too large', 'hpack-bomb');
      case 'malformed':
        throw new ConnectionFault(H2.COMPRESSION_ERROR, 'the header block is malformed');
      default:
        return decoded satisfies never;
    }
  }
}
