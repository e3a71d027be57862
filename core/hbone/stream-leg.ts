/** A CONNECT stream of `node:http2` as a leg. */
import { constants, type Http2Stream } from 'node:http2';
import type { Leg, ResetCode } from './leg.ts';
import { NodeLeg } from './node-leg.ts';

/** RFC 9113 section 7 */
const H2_CODE: Readonly<Record<ResetCode, number>> = {
  cancel: constants.NGHTTP2_CANCEL,
  'connect-error': constants.NGHTTP2_CONNECT_ERROR,
  refused: constants.NGHTTP2_REFUSED_STREAM,
};

/**
 * How resets cross, beside `node:http2`:
 * - Sent: `close(code)` calls the stream's `end()` before it submits RST_STREAM, so the peer would see END_STREAM first and
 *   take the connection for complete. With an `end()` that does nothing RST_STREAM goes out alone. What had been written and
 *   not yet sent may still go before it.
 * - Received: CANCEL or any other code before END_STREAM is a reset, NO_ERROR is an end. After END_STREAM any code is an end;
 *   but if the stream is paused with bytes in Node's buffer at that moment, Node drops these bytes, and it is a reset.
 */
class StreamLeg extends NodeLeg<Http2Stream> {
  protected override cut(code: ResetCode): void {
    const { stream } = this;
    stream.end = () => stream;
    stream.close(H2_CODE[code]);
    // Bytes that wait for the peer's window would keep a stream that nobody wants any more.
    setImmediate(() => stream.destroy());
  }

  protected override reason(): ResetCode {
    if (this.stream.rstCode === constants.NGHTTP2_CANCEL) return 'cancel';
    return this.stream.rstCode === constants.NGHTTP2_REFUSED_STREAM ? 'refused' : 'connect-error';
  }

  protected override peerMayLeave(): boolean {
    return true;
  }
}

/** The leg of a stream whose HEADERS have been exchanged or are about to be; it owns the stream. */
export function streamLeg(stream: Http2Stream): Leg {
  return new StreamLeg(stream);
}
