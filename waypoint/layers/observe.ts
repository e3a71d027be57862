/** The outermost layer: sees every request begin and end, and tells whoever counts, logs and traces. */
import type { HeaderFields, HttpError } from '../../core/http/index.ts';
import type { Exchange, Layer } from '../exchange.ts';
import type { LiveRequests } from '../live-requests.ts';
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
  /** Of the answer. */
  readonly headers: HeaderFields;
  readonly trailers: HeaderFields | undefined;
};

export interface RequestObserver {
  started(x: Exchange): void;
  /** Told once for each that started. Must not throw. */
  finished(x: Exchange, outcome: Outcome): void;
}

export function observe(observer: RequestObserver, now: () => number, live: LiveRequests): Layer {
  return (next) => async (x) => {
    observer.started(x);
    live.add(x);
    const grpc = isGrpc(x.request);
    let sent: TrackedBody | undefined;
    // Of a connection that was upgraded, either half may end first.
    const received = watched(
      x.body,
      grpc,
      x.request.upgrade === undefined ? ignore : () => sent?.isOver && live.remove(x),
    );
    if (x.body.length !== 0) x.body = received;
    const response = await next(x); // answerErrors is further in: this does not reject
    const { status } = response;
    const headMs = now() - x.startedAt;
    const inHead = response.headers.first('grpc-status');
    const body = watched(response.body, grpc, ({ error, trailers }) => {
      if (status !== 101 || received.isOver) live.remove(x);
      observer.finished(x, {
        status,
        bytesReceived: received.bytes,
        bytesSent: body.bytes,
        durationMs: now() - x.startedAt,
        headMs,
        error,
        grpcStatus: trailers?.first('grpc-status') ?? inHead,
        headers: response.headers,
        trailers,
        isGrpc: grpc,
        requestMessages: messagesIn(received),
        responseMessages: messagesIn(body),
      });
    });
    sent = body;
    x.answer = body;
    response.body = body;
    return response;
  };
}

const ignore = () => {};
