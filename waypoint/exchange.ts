/** One request on its way through the layers: what is known of it, and what they find out. */
import type { Body, HttpError, HttpRequest, HttpResponse } from '../core/http/index.ts';
import type { IpAddress, JwtRule, Service, TokenFacts, Workload } from '../mesh/index.ts';
import type { JudgedFacts } from './policy/facts.ts';
import type { Choice } from './routing.ts';
import type { Source } from './source.ts';
import type { Trace } from './trace/span.ts';
import type { TrackedBody } from './tracked-body.ts';
import type { NewCookie } from './upstream/hash-key.ts';

/** What was called: fixed for a stream of the tunnel, and made once for all its requests. */
export type Called = {
  readonly kind: 'service' | 'workload';
  /** Undefined for a workload that was called by its own address. */
  readonly service: Service | undefined;
  readonly workload: Workload | undefined;
  /** Of the service, or of the workload. */
  readonly port: number;
  /** What the client dialled; for policies that name destination addresses. */
  readonly ip: IpAddress | undefined;
};

/** An endpoint that a request was sent to. */
export type SentTo = { readonly workload: Workload; readonly port: number };

const NOBODY: readonly string[] = [];

export class Exchange {
  readonly request: HttpRequest;
  readonly source: Source;
  readonly called: Called;
  /** Milliseconds, monotonic. */
  readonly startedAt: number;
  /** What the caller asked for, whatever layers make of the request. */
  readonly askedTarget: string;
  readonly askedAuthority: string;
  /** The path that policies and routes match: normalised, without query. The request's own until a layer has normalised it. */
  path: string;
  /** Of the rule that was chosen, for the log: `default` where there are no routes. */
  routeName = 'default';
  /** What the routes of the port say of it. */
  route: Choice = 'default';
  /** Where this request is to be sent: what was called, until a route says otherwise. */
  target: Target;
  /** One of the letters of waypoint.md section 1.13, for the log; '' when all went well. */
  flags = '';
  details = '';
  /** Why there was no connection to an endpoint, for the log. */
  failure = '';
  /** Endpoints that this request was sent to, in order; the last one answered. */
  readonly sent: SentTo[] = [];
  /** By which requests of this caller go to the same endpoint from now on: goes along with the answer. */
  newCookie: NewCookie | undefined;
  /** Of the endpoint that its session is with. */
  mark: string | undefined;
  /** When the request went to the last of them. */
  sentAt = 0;
  /** What a valid token says of the caller. */
  token: TokenFacts | undefined;
  /** The rule that found that token good. */
  tokenRule: JwtRule | undefined;
  /** Authorizers that were asked and let it pass, by name. */
  asked: readonly string[] = NOBODY;
  /** What policies were asked about, where routes have made another request of it since; else it is what it is now. */
  judged: JudgedFacts | undefined;
  /** `judging`: policies have not been asked yet. `outdated`: nor have those of now, which came in between. `passed`: they let it pass. */
  standing: 'judging' | 'outdated' | 'passed' = 'judging';
  /** Whether it has been counted among what was asked. */
  isInLedger = false;
  /** Policies that have changed do not let it go on. */
  denial: HttpError | undefined;
  /** The body of its answer, as it goes to the caller. */
  answer: TrackedBody | undefined;
  /** Neighbours among the requests under way. */
  older: Exchange | undefined;
  newer: Exchange | undefined;
  /** Why policy let it through or not, in words; for log, tap and receipts. */
  because = '';
  receipt: string | undefined;
  /** Undefined: nobody traces here. */
  trace: Trace | undefined;
  /** The request's body as it is to be sent: a layer may have put itself between. */
  body: Body;
  #onAbort: ((error: HttpError) => void) | undefined;
  /** The attempt under way, from 1; one more than that once it was withdrawn. */
  #attempt = 0;
  /** What other layers leave for later ones and for the log. Keys are those layers' own symbols. */
  readonly notes = new Map<symbol, unknown>();

  constructor(request: HttpRequest, source: Source, called: Called, target: Target, now: number) {
    this.request = request;
    this.source = source;
    this.called = called;
    this.target = target;
    this.startedAt = now;
    this.body = request.body;
    this.askedTarget = request.target;
    this.askedAuthority = request.authority;
    const query = request.target.indexOf('?');
    this.path = query < 0 ? request.target : request.target.slice(0, query);
  }

  /** Its time is over, whoever still works on it. */
  over: HttpError | undefined;

  get aborted(): HttpError | undefined {
    return this.request.aborted;
  }

  /** An attempt to have it answered begins; its number. */
  begin(): number {
    this.#attempt += 1;
    return this.#attempt;
  }

  /** Whether that attempt is the one under way: nobody waits for the answer of another. */
  isCurrent(attempt: number): boolean {
    return attempt === this.#attempt;
  }

  /** Ends the attempt under way, if there is one: nobody wants its answer any more. */
  withdraw(error: HttpError): void {
    this.#attempt += 1;
    this.#onAbort?.(error);
  }

  /** Calls back when the caller goes away; the latest listener counts, since one attempt follows the other. */
  onAbort(listener: (error: HttpError) => void): void {
    const isFirst = this.#onAbort === undefined;
    this.#onAbort = listener;
    if (isFirst) this.request.onAbort((error) => this.#onAbort?.(error));
  }
}

/** Where a request shall go: a service of the mesh, or one workload. */
export type Target =
  | {
      readonly kind: 'service';
      /** `namespace/hostname`. */
      readonly service: string;
      readonly port: number;
    }
  | { readonly kind: 'workload'; readonly uid: string; readonly port: number };

/** Answers a request. Rejects with HttpError for what went wrong with the upstream; the outermost layers make an answer of it. */
export type Next = (x: Exchange) => HttpResponse | Promise<HttpResponse>;

/** A feature: sees the request before the layers inside it, and the response after them. Composed at configuration change. */
export type Layer = (next: Next) => Next;

/** The first layer is outermost. */
export function stack(layers: readonly Layer[], leaf: Next): Next {
  return layers.reduceRight((next, layer) => layer(next), leaf);
}
