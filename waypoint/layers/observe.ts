/** The outermost layer: sees every request begin and end, and tells whoever counts, logs and traces. */
import type { HttpError } from '../../core/http/index.ts';
import type { Exchange, Layer } from '../exchange.ts';
import { TrackedBody } from '../tracked-body.ts';

/** How a request ended. */
export type Outcome = {
  /** 0: there was no answer. */
  readonly status: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly durationMs: number;
  /** Of the answer, or of what went wrong while it was on its way. */
  readonly error: HttpError | undefined;
  /** `grpc-status` of trailers, or of the head where there are none. */
  readonly grpcStatus: string | undefined;
};

export interface RequestObserver {
  started(x: Exchange): void;
  /** Told once for each that started. Must not throw. */
  finished(x: Exchange, outcome: Outcome): void;
}

export function observe(observer: RequestObserver, now: () => number): Layer {
  return (next) => async (x) => {
    observer.started(x);
    const received = new TrackedBody(x.body, () => {});
    if (x.body.length !== 0) x.body = received;
    const finish = (status: number, sent: number, error?: HttpError, grpcStatus?: string) =>
      observer.finished(x, {
        status,
        bytesReceived: received.bytes,
        bytesSent: sent,
        durationMs: now() - x.startedAt,
        error,
        grpcStatus,
      });
    const response = await next(x); // answerErrors is further in: this does not reject
    const { status } = response;
    const inHead = response.headers.first('grpc-status');
    const tracked: TrackedBody = new TrackedBody(response.body, ({ error, trailers }) =>
      finish(status, tracked.bytes, error, trailers?.first('grpc-status') ?? inHead),
    );
    response.body = tracked;
    return response;
  };
}
