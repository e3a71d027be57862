/** One question of the waypoint itself to a service of the mesh: sent as its own, answered whole, within a time and a size. */
import {
  type ClientRequest,
  Deadline,
  type Deadlines,
  type HeaderFields,
  HttpError,
  type HttpResponse,
  type HttpVersion,
} from '../../core/http/index.ts';
import type { Target } from '../exchange.ts';
import type { Source } from '../source.ts';
import type { Chosen, Endpoints } from './endpoints.ts';
import type { Pool } from './pool.ts';

export type CallParts = {
  readonly endpoints: Endpoints;
  readonly pool: Pool;
  readonly deadlines: Deadlines;
  /** Who the waypoint is: nobody else's connections are used. */
  readonly own: () => Source;
};

export type Answer = {
  readonly status: number;
  readonly headers: HeaderFields;
  readonly trailers: HeaderFields | undefined;
  readonly body: Buffer;
};

export type CallOptions = {
  readonly version: HttpVersion;
  readonly timeoutMs: number;
  /** Called with what withdraws the question, for when its asker goes away. */
  readonly onWithdraw?: (withdraw: (error: HttpError) => void) => void;
  /** Throws where that endpoint is not to be asked. */
  readonly examine?: (chosen: Chosen) => void;
  /** Default: 64 KiB, since most have little to say. */
  readonly answerBytes?: number;
};

const ANSWER_BYTES = 64 * 1024;

/** Rejects with HttpError. An endpoint that certainly did not look at it is not the last one that is tried. */
export async function call(parts: CallParts, target: Target, request: ClientRequest, o: CallOptions): Promise<Answer> {
  const { promise, reject } = Promise.withResolvers<never>();
  let cancel: (error: HttpError) => void = () => {};
  const over = (error: HttpError) => {
    cancel(error);
    reject(error);
  };
  const deadline = new Deadline(parts.deadlines, () => over(new HttpError('timeout', 'no answer in time')));
  o.onWithdraw?.(over);
  deadline.set(o.timeoutMs);
  const attempt = () =>
    once(parts, target, request, o, (found) => {
      cancel = found;
    });
  const answered = attempt().catch((error: unknown) => {
    if (error instanceof HttpError && !error.isProcessed && error.kind !== 'connect-failed') return attempt();
    throw error;
  });
  answered.catch(() => {}); // the deadline may have answered
  try {
    return await Promise.race([answered, promise]);
  } finally {
    deadline.close();
  }
}

async function once(
  { endpoints, pool, own }: CallParts,
  target: Target,
  request: ClientRequest,
  { version, examine, answerBytes = ANSWER_BYTES }: CallOptions,
  cancellable: (cancel: (error: HttpError) => void) => void,
): Promise<Answer> {
  const chosen = endpoints.choose(target, { source: own(), sent: [] });
  try {
    examine?.(chosen);
    const connection = await pool.take(chosen, own(), version);
    const sent = connection.send(request);
    cancellable((error) => sent.cancel(error));
    return await whole(await sent.response, answerBytes);
  } finally {
    endpoints.done(chosen);
  }
}

function whole({ status, headers, body }: HttpResponse, mostBytes: number): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const pieces: Buffer[] = [];
  let bytes = 0;
  body.deliver({
    data(view) {
      bytes += view.length;
      if (bytes <= mostBytes) {
        pieces.push(Buffer.from(view));
        return;
      }
      body.cancel();
      reject(new HttpError('too-large', `an answer of more than ${mostBytes} bytes`));
    },
    end: (trailers) => resolve({ status, headers, trailers, body: Buffer.concat(pieces) }),
    failed: reject,
  });
  return promise;
}
