/** The time that a request has, from its own end to the end of its response, retries included (waypoint.md section 1.12). */
import {
  type Body,
  type BodyEvents,
  Deadline,
  type Deadlines,
  HttpError,
  type HttpResponse,
} from '../../core/http/index.ts';
import type { Exchange, Layer, Next } from '../exchange.ts';
import { isGrpc } from '../reply.ts';
import { TrackedBody } from '../tracked-body.ts';

export function timeout(deadlines: Deadlines): Layer {
  return (next) => (x) => {
    const ms = timeOf(x);
    return ms === 0 || x.request.upgrade !== undefined ? next(x) : limited(deadlines, ms, next, x);
  };
}

/** What the route gives, and a gRPC caller's own limit within it. 0: none. */
function timeOf({ route, request }: Exchange): number {
  const ofRoute = typeof route === 'object' ? route.action.requestTimeoutMs : 0;
  const written = isGrpc(request) ? request.headers.first('grpc-timeout') : undefined;
  const ofCaller = written === undefined ? 0 : grpcTimeoutMs(written);
  if (ofCaller === 0) return ofRoute;
  return ofRoute === 0 ? ofCaller : Math.min(ofRoute, ofCaller);
}

const GRPC_TIMEOUT = /^(\d{1,8})([HMSmun])$/;
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000_001 };

/** At least one millisecond; 0 for what can not be read. */
export function grpcTimeoutMs(written: string): number {
  const [, count, unit = ''] = GRPC_TIMEOUT.exec(written) ?? [];
  return count === undefined ? 0 : Math.max(1, Math.ceil(Number(count) * (UNIT_MS[unit] ?? 0)));
}

async function limited(deadlines: Deadlines, ms: number, next: Next, x: Exchange): Promise<HttpResponse> {
  const { promise, reject } = Promise.withResolvers<never>();
  let cut: LimitedBody | undefined;
  let isOver = false;
  const deadline = new Deadline(deadlines, () => {
    if (isOver) return;
    over();
    const error = new HttpError('timeout', 'the request took too long', {
      detail: 'upstream_response_timeout',
      status: 504,
    });
    x.over = error;
    if (cut === undefined) {
      reject(error);
      x.withdraw(error);
    } else cut.fail(error);
  });
  const over = () => {
    isOver = true;
    deadline.close();
  };
  // A response may be over before the request is.
  const begin = () => {
    if (!isOver) deadline.set(ms);
  };
  if (x.body.length === 0) begin();
  else x.body = new TrackedBody(x.body, begin);
  try {
    const response = await Promise.race([next(x), promise]);
    cut = new LimitedBody(response.body, over);
    response.body = cut;
    return response;
  } catch (error) {
    over();
    throw error;
  }
}

/** A response's body that can be made to fail on its way. */
class LimitedBody implements Body, BodyEvents {
  readonly #body: Body;
  readonly #over: () => void;
  #to: BodyEvents | undefined;
  #failure: HttpError | undefined;

  constructor(body: Body, over: () => void) {
    this.#body = body;
    this.#over = over;
  }

  get length(): number | undefined {
    return this.#body.length;
  }

  deliver(to: BodyEvents): void {
    if (this.#failure !== undefined) to.failed(this.#failure);
    else {
      this.#to = to;
      this.#body.deliver(this);
    }
  }

  pause(): void {
    this.#body.pause();
  }

  resume(): void {
    this.#body.resume();
  }

  cancel(): void {
    this.#over();
    this.#body.cancel();
  }

  fail(error: HttpError): void {
    this.#failure = error;
    this.#body.cancel();
    const to = this.#to;
    this.#to = undefined;
    to?.failed(error);
  }

  data(view: Uint8Array): void {
    this.#to?.data(view);
  }

  end(...[trailers]: Parameters<BodyEvents['end']>): void {
    this.#over();
    this.#to?.end(trailers);
  }

  failed(error: HttpError): void {
    this.#over();
    this.#to?.failed(error);
  }
}
