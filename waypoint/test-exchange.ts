/** A request in the hands of a layer, for tests: what matters is named, the rest is ordinary. */
import { type Body, HeaderFields, type HttpRequest, type HttpResponse, NO_BODY } from '../core/http/index.ts';
import { mustParseIp, spiffeId } from '../mesh/index.ts';
import { type Called, Exchange, type Layer, type Next } from './exchange.ts';
import type { Source } from './source.ts';

export type TestExchange = {
  readonly method?: string;
  readonly target?: string;
  readonly authority?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body;
  /** `namespace/account`. */
  readonly caller?: string;
  readonly ip?: string;
  readonly port?: number;
};

/** From account web/client to port 80 of a workload. */
export function exchange(o: TestExchange = {}): Exchange {
  const [namespace = '', serviceAccount = ''] = (o.caller ?? 'web/client').split('/');
  const identity = spiffeId('cluster.local', namespace, serviceAccount);
  const ip = mustParseIp(o.ip ?? '10.0.0.1');
  const source: Source = {
    identity,
    parts: { trustDomain: 'cluster.local', namespace, serviceAccount },
    ip,
    port: 40_000,
    baggage: undefined,
    traceId: '',
    header: `${identity};${ip}`,
  };
  const { port = 80 } = o;
  const called: Called = {
    kind: 'workload',
    service: undefined,
    workload: undefined,
    port,
    ip: mustParseIp('10.9.0.1'),
  };
  const request: HttpRequest = {
    version: 'HTTP/1.1',
    method: o.method ?? 'GET',
    target: o.target ?? '/',
    authority: o.authority ?? 'cart.shop',
    scheme: 'http',
    headers: HeaderFields.of(o.headers ?? {}),
    body: o.body ?? NO_BODY,
    upgrade: undefined,
    aborted: undefined,
    onAbort: () => {},
    inform: () => {},
  };
  return new Exchange(request, source, called, { kind: 'workload', uid: 'w', port }, 0);
}

export type Passed = { readonly response: HttpResponse; readonly body: string; readonly wasSent: boolean };

/** What a layer makes of a request; further in, everything is answered with 200 and `ok`. */
export async function pass(layer: Layer, x: Exchange, leaf: Next = answerOk): Promise<Passed> {
  let wasSent = false;
  const next: Next = (sent) => {
    wasSent = true;
    return leaf(sent);
  };
  const response = await layer(next)(x);
  return { response, body: await textOf(response.body), wasSent };
}

const answerOk: Next = () => ({ status: 200, headers: new HeaderFields(), body: NO_BODY });

export function textOf(body: Body): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const pieces: Buffer[] = [];
  body.deliver({
    data: (view) => void pieces.push(Buffer.from(view)),
    end: () => resolve(Buffer.concat(pieces).toString()),
    failed: reject,
  });
  return promise;
}
