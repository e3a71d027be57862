/** The layers of requests, in the order of waypoint.md section 1.5. */
import type { Deadlines } from '../core/http/index.ts';
import { decidingRules, type HttpScope, serviceKey } from '../mesh/index.ts';
import type { ChainConfig, HttpRules } from './chains.ts';
import { type Layer, stack } from './exchange.ts';
import { answerErrors } from './layers/answer.ts';
import { type AskParts, askOthers } from './layers/ask-others.ts';
import { type AuthenticateParts, authenticate } from './layers/authenticate.ts';
import { authorize } from './layers/authorize.ts';
import { chooseRoute } from './layers/choose-route.ts';
import { cors } from './layers/cors.ts';
import { headers } from './layers/headers.ts';
import { judgeBackend } from './layers/judge-backend.ts';
import { mirror } from './layers/mirror.ts';
import { normalise } from './layers/normalise.ts';
import { observe, type RequestObserver } from './layers/observe.ts';
import { type PassParts, pass, remember } from './layers/pass.ts';
import { retry } from './layers/retry.ts';
import { routeRequest } from './layers/route-request.ts';
import { timeout } from './layers/timeout.ts';
import { trace } from './layers/trace.ts';
import type { LiveRequests } from './live-requests.ts';
import { telemetryOf } from './observe/sight.ts';
import { backendScope, requestScope } from './policy/scope.ts';
import { standingOf } from './policy/standing.ts';
import { RetryBudget } from './retry/budget.ts';
import { Routing } from './routing.ts';
import { type ForwardParts, forward } from './upstream/forward.ts';

export type HttpParts = ForwardParts &
  AskParts &
  AuthenticateParts &
  PassParts & {
    /** Whom the requests of a chain are told to. */
    readonly observerOf: (config: ChainConfig) => RequestObserver;
    readonly onBug: (error: unknown) => void;
    readonly live: LiveRequests;
    /** Policies of now of a service that routes may have led to; undefined: there are none here. */
    readonly backendScope: (service: string) => HttpScope | 'unreadable' | undefined;
    readonly deadlines: Deadlines;
    /** In [0, 1). */
    readonly random: () => number;
    /** Resolves after so many milliseconds. */
    readonly pause: (ms: number) => Promise<void>;
    /** Bodies of requests up to this size are kept, to be sent again or mirrored. */
    readonly replayBytes: number;
  };

export function httpChain(parts: HttpParts, config: ChainConfig): HttpRules {
  const { gateway, service } = config;
  const { tracing } = telemetryOf(config);
  const tables = service?.ports.find(({ port }) => port === config.port)?.routes?.http ?? [];
  const ofClients = tables.filter(({ clientNamespace }) => clientNamespace !== '');
  const ofService = tables.filter(({ clientNamespace }) => clientNamespace === '');
  const hasMirrors = tables.some(({ actions }) => actions.some(({ mirrors }) => mirrors.length > 0));
  const send = forward(parts);
  const normalised = normalise(gateway?.pathNormalization ?? 'DECODE_AND_MERGE_SLASHES');
  const authentications = [...(gateway?.authentications ?? []), ...(service?.authentications ?? [])];
  const scope = requestScope(gateway, service);
  const authorizers = [...(gateway?.authorizers ?? []), ...(service?.authorizers ?? [])];
  const deny = { ...parts, receiptHeader: parts.receiptHeader || gateway?.receiptHeader === true };
  const handle = stack(
    [
      observe(parts.observerOf(config), parts.now, parts.live),
      answerErrors(deny),
      normalised,
      // What the client's own namespace makes of a request is as if the client had sent it so: the policies of the service judge that.
      ...(ofClients.length === 0 ? [] : [routeBy(new Routing(ofClients), parts), normalised]),
      headers,
      ...(tracing === undefined ? [] : [trace({ share: tracing.samplingPercentage / 100, random: parts.random })]),
      askOthers(scope, authorizers, deny),
      authenticate(authentications, parts),
      authorize(scope, deny),
      ...(ofService.length === 0 ? [] : [remember(ofService), routeBy(new Routing(ofService), parts)]),
      ...(tables.length === 0 ? [] : judgeBackends(config, deny)),
      pass(parts),
      ...(hasMirrors ? [mirror({ ...parts, send, bodyBytes: parts.replayBytes })] : []),
      timeout(parts.deadlines),
      retry({ ...parts, budget: new RetryBudget(), bodyBytes: parts.replayBytes }),
    ],
    send,
  );
  const standing = standingOf({
    scope,
    tokenRules: decidingRules(authentications),
    own: service && serviceKey(service),
    backendScope: parts.backendScope,
  });
  return { handle, standing };
}

/** Of those services that routes may send to, by their own policies. */
function judgeBackends({ service, others }: ChainConfig, parts: HttpParts): readonly Layer[] {
  const scopes = new Map<string, HttpScope | 'unreadable'>();
  for (const [key, other] of others) {
    if (other === 'unreadable') scopes.set(key, other);
    else {
      const scope = backendScope(other);
      if (scope !== undefined) scopes.set(key, scope);
    }
  }
  return scopes.size === 0 || service === undefined ? [] : [judgeBackend(serviceKey(service), scopes, parts)];
}

/** What routes ask for, of requests that no other routes have taken: those of a client's namespace replace those of the service. */
function routeBy(routing: Routing, parts: HttpParts): Layer {
  const layers = [chooseRoute(routing), ...(routing.hasCors ? [cors] : []), routeRequest(parts)];
  return (next) => {
    const routed = stack(layers, next);
    return (x) => (x.route === 'default' ? routed(x) : next(x));
  };
}
