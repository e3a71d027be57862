import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectionFault, H2 } from './faults.ts';
import { FLAG, FRAME, type FrameHeader, FrameReader, type FrameSink, frame, headerFrames } from './frames.ts';

/** Writes down what it hears. */
class Notes implements FrameSink {
  readonly lines: string[] = [];
  content = '';
  begin(): void {}
  data(_streamId: number, piece: Buffer): void {
    this.content += piece.toString('latin1');
  }
  finish(f: FrameHeader, payload: Buffer): void {
    this.lines.push(
      `${f.type}/${f.flags}/${f.streamId}:${f.type === FRAME.DATA ? this.content : payload.toString('latin1')}`,
    );
    this.content = '';
  }
}

const MAX = 1 << 20;
const padded = (text: string, padding: number) =>
  Buffer.concat([Buffer.from([padding]), Buffer.from(text), Buffer.alloc(padding)]);

describe('frames', () => {
  const bytes = Buffer.concat([
    frame(FRAME.SETTINGS, 0, 0),
    frame(FRAME.DATA, 0, 1, Buffer.from('hello')),
    frame(FRAME.DATA, FLAG.PADDED, 1, padded('padded', 7)),
    frame(FRAME.DATA, FLAG.PADDED, 1, padded('', 3)),
    frame(FRAME.DATA, FLAG.PADDED, 1, padded('', 0)),
    frame(FRAME.HEADERS, FLAG.PADDED | FLAG.END_HEADERS, 3, padded('block', 2)),
    frame(99, 1, 5, Buffer.from('unknown types are skipped')),
    frame(FRAME.PING, 0, 0, Buffer.from('12345678')),
  ]);
  const expected = [
    '4/0/0:',
    '0/0/1:hello',
    '0/8/1:padded',
    '0/8/1:',
    '0/8/1:',
    '1/12/3:block',
    '99/1/5:',
    '6/0/0:12345678',
  ];

  it('are the same however the bytes arrive', () => {
    for (let size = 1; size <= bytes.length; size++) {
      const notes = new Notes();
      const reader = new FrameReader(notes, MAX);
      for (let at = 0; at < bytes.length; at += size) reader.feed(bytes.subarray(at, at + size));
      assert.deepEqual(notes.lines, expected, `in pieces of ${size}`);
    }
  });

  const refused: readonly (readonly [string, Buffer, number])[] = [
    ['larger than we said', frame(FRAME.DATA, 0, 1, Buffer.alloc(16_385)), H2.FRAME_SIZE_ERROR],
    ['SETTINGS that are cut off', frame(FRAME.SETTINGS, 0, 0, Buffer.alloc(5)), H2.FRAME_SIZE_ERROR],
    ['SETTINGS without end', frame(FRAME.SETTINGS, 0, 0, Buffer.alloc(6 * 65)), H2.ENHANCE_YOUR_CALM],
    ['PING of 7 bytes', frame(FRAME.PING, 0, 0, Buffer.alloc(7)), H2.FRAME_SIZE_ERROR],
    ['RST_STREAM of 5 bytes', frame(FRAME.RST_STREAM, 0, 1, Buffer.alloc(5)), H2.FRAME_SIZE_ERROR],
    ['WINDOW_UPDATE of 3 bytes', frame(FRAME.WINDOW_UPDATE, 0, 1, Buffer.alloc(3)), H2.FRAME_SIZE_ERROR],
    ['GOAWAY of 7 bytes', frame(FRAME.GOAWAY, 0, 0, Buffer.alloc(7)), H2.FRAME_SIZE_ERROR],
    ['GOAWAY with a novel', frame(FRAME.GOAWAY, 0, 0, Buffer.alloc(2_000)), H2.ENHANCE_YOUR_CALM],
    ['more padding than room', frame(FRAME.DATA, FLAG.PADDED, 1, Buffer.from([9, 1, 2])), H2.PROTOCOL_ERROR],
    ['padding without a length', frame(FRAME.DATA, FLAG.PADDED, 1), H2.FRAME_SIZE_ERROR],
  ];
  for (const [what, bad, code] of refused) {
    it(`refused: ${what}`, () => {
      const reader = new FrameReader(new Notes(), 16_384);
      assert.throws(
        () => reader.feed(bad),
        (error) => error instanceof ConnectionFault && error.code === code,
      );
    });
  }

  it('carry a long header block in as many as the peer wants', () => {
    const notes = new Notes();
    new FrameReader(notes, MAX).feed(headerFrames(1, Buffer.from('abcdefg'), true, 3));
    assert.deepEqual(notes.lines, ['1/1/1:abc', '9/0/1:def', '9/4/1:g']);
  });
});
