/**
 * Copies of requests, to see what a new version makes of them: what it answers is not wanted. A copy waits for the whole request
 * and is given up when that is large; nothing of it can slow down or fail the request itself.
 */
import {
  type Body,
  type BodyEvents,
  bodyOf,
  Deadline,
  type Deadlines,
  type HeaderFields,
  HttpError,
  type HttpRequest,
  NO_BODY,
} from '../../core/http/index.ts';
import { isMirrored, type Mirror } from '../../mesh/index.ts';
import { Exchange, type Layer, type Next } from '../exchange.ts';

export type MirrorParts = {
  /** What sends a request to its target, once. */
  readonly send: Next;
  /** In [0, 1). */
  readonly random: () => number;
  /** Bodies up to this size are copied. */
  readonly bodyBytes: number;
  readonly deadlines: Deadlines;
};

/** Copies of one chain under way at once; more are left out. */
const MAX_UNDER_WAY = 256;
const COPY_MS = 15_000;

export function mirror(parts: MirrorParts): Layer {
  const copies = new Copies(parts);
  return (next) => (x) => {
    const { route, request } = x;
    if (typeof route !== 'object' || request.upgrade !== undefined) return next(x);
    for (const one of route.action.mirrors) if (isMirrored(one, parts.random())) copies.begin(x, one);
    return next(x);
  };
}

class Copies {
  readonly #parts: MirrorParts;
  #underWay = 0;

  constructor(parts: MirrorParts) {
    this.#parts = parts;
  }

  begin(x: Exchange, to: Mirror): void {
    if (this.#underWay >= MAX_UNDER_WAY) return;
    const copy = copyOf(x, to);
    if (x.body.length === 0) this.#send(copy, NO_BODY);
    else x.body = new CopiedBody(x.body, this.#parts.bodyBytes, (body) => this.#send(copy, body));
  }

  #send(copy: Exchange, body: Body): void {
    copy.body = body;
    this.#underWay += 1;
    const deadline = new Deadline(this.#parts.deadlines, () =>
      copy.withdraw(new HttpError('timeout', 'a copy took too long')),
    );
    deadline.set(COPY_MS);
    const over = () => {
      deadline.close();
      this.#underWay -= 1;
    };
    void this.#answered(copy).then(over, over); // what became of a copy is nobody's concern
  }

  async #answered(copy: Exchange): Promise<void> {
    const { body } = await this.#parts.send(copy);
    body.cancel();
  }
}

/** As it will be sent, at this moment; to `host-shadow`. */
function copyOf({ request, source, called, startedAt, path }: Exchange, { service, port }: Mirror): Exchange {
  const { version, method, target, scheme, headers } = request;
  const copied: HttpRequest = {
    version,
    method,
    target,
    authority: shadow(request.authority),
    scheme,
    headers: headers.clone(),
    body: NO_BODY,
    upgrade: undefined,
    aborted: undefined,
    onAbort: () => {}, // it lives longer than its original
    inform: () => {},
  };
  const copy = new Exchange(copied, source, called, { kind: 'service', service, port }, startedAt);
  copy.path = path;
  return copy;
}

/** `host-shadow:port`, as in the reference. */
export function shadow(authority: string): string {
  const port = /:\d+$/.exec(authority)?.[0] ?? '';
  return `${authority.slice(0, authority.length - port.length)}-shadow${port}`;
}

/** Passes a body on and keeps a copy, for whoever wants it whole. */
class CopiedBody implements Body, BodyEvents {
  readonly #body: Body;
  readonly #limitBytes: number;
  readonly #whole: (body: Body) => void;
  #kept: Buffer[] | undefined = [];
  #keptBytes = 0;
  #to: BodyEvents | undefined;

  constructor(body: Body, limitBytes: number, whole: (body: Body) => void) {
    this.#body = body;
    this.#limitBytes = limitBytes;
    this.#whole = whole;
  }

  get length(): number | undefined {
    return this.#body.length;
  }

  deliver(to: BodyEvents): void {
    this.#to = to;
    this.#body.deliver(this);
  }

  pause(): void {
    this.#body.pause();
  }

  resume(): void {
    this.#body.resume();
  }

  cancel(): void {
    this.#kept = undefined;
    this.#body.cancel();
  }

  data(view: Uint8Array): void {
    this.#keptBytes += view.length;
    if (this.#keptBytes > this.#limitBytes) this.#kept = undefined;
    else this.#kept?.push(Buffer.from(view));
    this.#to?.data(view);
  }

  end(trailers: HeaderFields | undefined): void {
    if (this.#kept !== undefined) this.#whole(bodyOf(Buffer.concat(this.#kept)));
    this.#to?.end(trailers);
  }

  failed(error: HttpError): void {
    this.#to?.failed(error);
  }
}
