/** What crosses an interface of a node: `ambit lab capture`. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { type NetnsRef, PacketCapture, pcapHeader, pcapRecord } from '../../core/net/index.ts';
import { Describer } from './describe.ts';

export { readSegment, type Segment, startsTlsRecord } from './frame.ts';

export type CaptureRequest = {
  readonly netns: NetnsRef;
  readonly interface: string;
  /** Ends after so many TCP packets. */
  readonly count?: number | undefined;
  /** A pcap file with every frame, beside the lines. */
  readonly write?: string | undefined;
  readonly line: (text: string) => void;
  readonly signal: AbortSignal;
};

/**
 * Captures until the count is reached or the signal aborts; resolves with how many frames the kernel dropped.
 * Rejects when there is no such interface or the file cannot be written.
 */
export async function runCapture(request: CaptureRequest): Promise<{ readonly dropped: number }> {
  const file = request.write === undefined ? undefined : openSync(request.write, 'w', 0o600);
  try {
    using capture = PacketCapture.open({ netns: request.netns, interface: request.interface });
    const describer = new Describer();
    const { promise: done, resolve, reject } = Promise.withResolvers<void>();
    let left = request.count ?? Number.POSITIVE_INFINITY;
    capture.onPacket((frame, timestampUs) => {
      if (left <= 0) return;
      try {
        if (file !== undefined) writeSync(file, pcapRecord(frame, timestampUs));
      } catch (error) {
        reject(error);
        return;
      }
      const text = describer.line(frame, timestampUs);
      if (text === undefined) return;
      request.line(text);
      left -= 1;
      if (left <= 0) resolve();
    });
    // Written only now: whoever waits for the file to begin knows that from here on nothing is missed.
    if (file !== undefined) writeSync(file, pcapHeader());
    request.signal.addEventListener('abort', () => resolve(), { once: true });
    if (request.signal.aborted) resolve();
    await done;
    capture.flush();
    return { dropped: capture.dropped };
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
