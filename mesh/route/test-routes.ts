/** Builders of route tables for tests, and random ones. */
import type {
  HeaderModifier,
  HttpAction,
  HttpBackend,
  HttpMatch,
  HttpRouteTable,
  NamedMatch,
  PathMatch,
  PathRewrite,
  PortRoutes,
  StringMatch,
} from './model.ts';
import { type RequestFacts, splitTarget } from './request-facts.ts';

export const exactly = (value: string): StringMatch => ({ kind: 'EXACT', value, ignoreCase: false });
export const pattern = (value: string): StringMatch => ({ kind: 'REGEX', value, ignoreCase: false });
export const named = (name: string, match: StringMatch, invert = false): NamedMatch => ({ name, match, invert });
export const path = (kind: PathMatch['kind'], value: string, ignoreCase = false): PathMatch => ({
  kind,
  value,
  ignoreCase,
});
export const httpMatch = (match: Partial<HttpMatch> = {}): HttpMatch => ({
  headers: [],
  queryParams: [],
  sourceNamespace: '',
  ...match,
});
export const backend = (service: string, fields: Partial<HttpBackend> = {}): HttpBackend => ({
  service,
  port: 80,
  weight: 1,
  invalidStatus: 0,
  ...fields,
});
export const action = (name: string, fields: Partial<HttpAction> = {}): HttpAction => ({
  name,
  backends: [],
  mirrors: [],
  requestTimeoutMs: 0,
  backendTimeoutMs: 0,
  ...fields,
});

/** One action for each match, named by its place from 0. */
export function tableOf(...matches: readonly Partial<HttpMatch>[]): HttpRouteTable {
  return {
    clientNamespace: '',
    entries: matches.map((match, index) => ({ match: httpMatch(match), action: index })),
    actions: matches.map((_, index) => action(String(index))),
  };
}

export function request(
  target: string,
  fields: Partial<RequestFacts> & { readonly with?: Readonly<Record<string, string>> } = {},
): RequestFacts {
  const { with: headers = {}, ...rest } = fields;
  return {
    method: 'GET',
    ...splitTarget(target),
    authority: 'svc',
    scheme: 'http',
    headers: new Map(Object.entries(headers)),
    sourceNamespace: 'default',
    ...rest,
  };
}

/** Random choices out of few values, so that collisions are frequent. */
export class RandomRoutes {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  chance(of: number): boolean {
    return this.#random() < of;
  }

  upTo(limit: number): number {
    return Math.floor(this.#random() * (limit + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.upTo(items.length - 1)] as T;
  }

  many<T>(limit: number, make: () => T): readonly T[] {
    return Array.from({ length: this.upTo(limit) }, make);
  }

  pathText(): string {
    const text = `/${this.many(3, () => this.pick(['a', 'b', 'ab', 'B'])).join('/')}`;
    return this.chance(0.2) ? `${text}/` : text;
  }

  stringMatch(): StringMatch {
    const kind = this.pick(['EXACT', 'EXACT', 'PREFIX', 'SUFFIX', 'REGEX', 'PRESENT'] as const);
    return {
      kind,
      value: kind === 'REGEX' ? this.pick(['a.*', '[ab]', '.*b']) : this.word(),
      ignoreCase: this.chance(0.1),
    };
  }

  word(): string {
    return this.pick(['a', 'b', 'ab', 'ba', 'A']);
  }

  match(): HttpMatch {
    const kind = this.pick(['EXACT', 'SEGMENTS', 'PREFIX', 'REGEX'] as const);
    const value = kind === 'REGEX' ? this.pick(['/a.*', '/(a|b)/?', '/[^/]+/ab.*', '.*']) : this.pathText();
    const ofName = (): NamedMatch => named(this.pick(['x', 'y']), this.stringMatch(), this.chance(0.15));
    return httpMatch({
      ...(this.chance(0.8) && { path: path(kind, value, this.chance(0.1)) }),
      ...(this.chance(0.3) && { method: exactly(this.pick(['GET', 'POST'])) }),
      headers: this.many(2, ofName),
      queryParams: this.chance(0.3) ? this.many(2, ofName) : [],
      ...(this.chance(0.1) && { authority: this.stringMatch() }),
      ...(this.chance(0.1) && { scheme: exactly('https') }),
      sourceNamespace: this.chance(0.1) ? 'other' : '',
    });
  }

  table(entries: number): HttpRouteTable {
    return tableOf(...Array.from({ length: entries }, () => this.match()));
  }

  request(): RequestFacts {
    const query = this.many(3, () => `${this.pick(['x', 'y', 'xy'])}${this.pick(['', '=', `=${this.word()}`])}`).join(
      '&',
    );
    const headers: Record<string, string> = {};
    for (const name of ['x', 'y']) if (this.chance(0.6)) headers[name] = this.word();
    return request(`${this.pathText()}${query === '' ? '' : `?${query}`}`, {
      with: headers,
      method: this.pick(['GET', 'POST', 'PUT']),
      authority: this.word(),
      scheme: this.pick(['http', 'https']),
      sourceNamespace: this.pick(['default', 'other']),
    });
  }

  modifier(): HeaderModifier {
    const header = () => ({ name: this.word(), value: this.word() });
    return { set: this.many(2, header), add: this.many(2, header), remove: this.many(2, () => this.word()) };
  }

  rewritePath(): PathRewrite {
    return {
      kind: this.pick(['FULL', 'SEGMENTS', 'PREFIX'] as const),
      prefix: this.pathText(),
      value: this.pathText(),
    };
  }

  /** Everything that the model can say. */
  routes(): PortRoutes {
    const rewrite = () => ({ hostname: this.word(), ...(this.chance(0.5) && { path: this.rewritePath() }) });
    const redirect = () => ({
      scheme: this.word(),
      hostname: '',
      port: this.upTo(65_535),
      path: this.rewritePath(),
      status: 302,
    });
    const service = () => ({ service: `ns/${this.word()}`, port: this.upTo(65_535) });
    const oneBackend = (): HttpBackend => ({
      ...service(),
      weight: this.upTo(1_000_000),
      invalidStatus: this.pick([0, 500]),
      ...(this.chance(0.3) && { requestHeaders: this.modifier() }),
      ...(this.chance(0.3) && { responseHeaders: this.modifier() }),
      ...(this.chance(0.3) && { rewrite: rewrite() }),
      ...(this.chance(0.3) && { redirect: redirect() }),
    });
    const oneAction = (): HttpAction => ({
      name: this.word(),
      backends: this.many(3, oneBackend),
      mirrors: this.many(2, () => ({ ...service(), numerator: this.upTo(100), denominator: 100 })),
      requestTimeoutMs: this.pick([0, 1000, 4_294_967_295]),
      backendTimeoutMs: this.upTo(100),
      ...(this.chance(0.3) && {
        session: {
          kind: this.pick(['COOKIE', 'HEADER'] as const),
          name: this.word(),
          cookieAttributes: this.pick(['', '; Path=/']),
          isPermanent: this.chance(0.5),
          absoluteTimeoutMs: this.upTo(100),
          idleTimeoutMs: this.upTo(100),
        },
      }),
      ...(this.chance(0.3) && { redirect: redirect() }),
      ...(this.chance(0.3) && { directResponse: { status: 500, body: this.word() } }),
      ...(this.chance(0.3) && { rewrite: rewrite() }),
      ...(this.chance(0.3) && { requestHeaders: this.modifier() }),
      ...(this.chance(0.3) && { responseHeaders: this.modifier() }),
      ...(this.chance(0.3) && {
        cors: {
          allowOrigins: this.many(2, () => this.stringMatch()),
          allowMethods: this.many(2, () => this.word()),
          allowHeaders: this.many(2, () => this.word()),
          exposeHeaders: this.many(2, () => this.word()),
          allowCredentials: this.chance(0.5),
          maxAgeSeconds: this.upTo(100),
          forwardsUnmatched: this.chance(0.5),
        },
      }),
      ...(this.chance(0.3) && {
        retry: {
          attempts: this.upTo(3),
          on: this.many(3, () => this.pick(['CONNECT_FAILURE', 'RESET', 'GRPC_UNAVAILABLE'] as const)),
          codes: this.many(2, () => this.pick([429, 503])),
          backoffMs: this.upTo(50),
        },
      }),
    });
    const oneTable = (): HttpRouteTable => ({
      clientNamespace: this.pick(['', 'other']),
      entries: this.many(4, () => ({ match: this.match(), action: this.upTo(3) })),
      actions: this.many(4, oneAction),
    });
    const oneRule = () => ({
      name: this.word(),
      sni: this.many(2, () => this.word()),
      backends: this.many(2, () => ({ ...service(), weight: this.upTo(3), isInvalid: this.chance(0.2) })),
    });
    return {
      http: this.many(2, oneTable),
      tcp: this.many(2, () => ({ clientNamespace: this.pick(['', 'other']), rules: this.many(2, oneRule) })),
    };
  }
}
