/** The outermost layer: sees every request begin and end, and tells whoever counts, logs and traces. */
import type { HttpError } from '../../core/http/index.ts';
import type { Exchange, Layer } from '../exchange.ts';
import { messagesIn, watched } from '../observe/grpc-messages.ts';
import { isGrpc } from '../reply.ts';
import type { TrackedBody } from '../tracked-body.ts';

/** How a request ended. */
export type Outcome = {
  /** 0: there was no answer. */
  readonly status: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly durationMs: number;
  /** Since its start, until the head of the answer came. */
  readonly headMs: number;
  /** Whether it said that it is gRPC; then messages of both bodies are counted. */
  readonly isGrpc: boolean;
  readonly requestMessages: number;
  readonly responseMessages: number;
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
    const grpc = isGrpc(x.request);
    const received = watched(x.body, grpc, () => {});
    if (x.body.length !== 0) x.body = received;
    const response = await next(x); // answerErrors is further in: this does not reject
    const { status } = response;
    const headMs = now() - x.startedAt;
    const inHead = response.headers.first('grpc-status');
    const sent: TrackedBody = watched(response.body, grpc, ({ error, trailers }) =>
      observer.finished(x, {
        status,
        bytesReceived: received.bytes,
        bytesSent: sent.bytes,
        durationMs: now() - x.startedAt,
        headMs,
        error,
        grpcStatus: trailers?.first('grpc-status') ?? inHead,
        isGrpc: grpc,
        requestMessages: messagesIn(received),
        responseMessages: messagesIn(sent),
      }),
    );
    response.body = sent;
    return response;
  };
}
