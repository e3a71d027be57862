/** The layers of requests, in the order of waypoint.md section 1.5. */
import type { Deadlines } from '../core/http/index.ts';
import { compileHttpPolicies } from '../mesh/index.ts';
import type { ChainConfig } from './chains.ts';
import { type Layer, type Next, stack } from './exchange.ts';
import { answerErrors } from './layers/answer.ts';
import { type AuthenticateParts, authenticate } from './layers/authenticate.ts';
import { type AuthorizeParts, authorize } from './layers/authorize.ts';
import { chooseRoute } from './layers/choose-route.ts';
import { cors } from './layers/cors.ts';
import { headers } from './layers/headers.ts';
import { mirror } from './layers/mirror.ts';
import { normalise } from './layers/normalise.ts';
import { observe, type RequestObserver } from './layers/observe.ts';
import { retry } from './layers/retry.ts';
import { routeRequest } from './layers/route-request.ts';
import { timeout } from './layers/timeout.ts';
import { trace } from './layers/trace.ts';
import { telemetryOf } from './observe/sight.ts';
import { RetryBudget } from './retry/budget.ts';
import { Routing } from './routing.ts';
import { type ForwardParts, forward } from './upstream/forward.ts';

export type HttpParts = ForwardParts &
  AuthorizeParts &
  AuthenticateParts & {
    /** Whom the requests of a chain are told to. */
    readonly observerOf: (config: ChainConfig) => RequestObserver;
    readonly onBug: (error: unknown) => void;
    readonly deadlines: Deadlines;
    /** In [0, 1). */
    readonly random: () => number;
    /** Resolves after so many milliseconds. */
    readonly pause: (ms: number) => Promise<void>;
    /** Bodies of requests up to this size are kept, to be sent again or mirrored. */
    readonly replayBytes: number;
  };

export function httpChain(parts: HttpParts, config: ChainConfig): Next {
  const { gateway, service } = config;
  const routes = service?.ports.find(({ port }) => port === config.port)?.routes;
  const routing = routes === undefined || routes.http.length === 0 ? undefined : new Routing(routes);
  const { tracing } = telemetryOf(config);
  const send = forward(parts);
  const authentications = [...(gateway?.authentications ?? []), ...(service?.authentications ?? [])];
  const policies = [...(gateway?.policies ?? []), ...(service?.policies ?? [])];
  return stack(
    [
      observe(parts.observerOf(config), parts.now),
      answerErrors(parts.onBug),
      normalise(gateway?.pathNormalization ?? 'DECODE_AND_MERGE_SLASHES'),
      headers,
      ...(tracing === undefined ? [] : [trace({ share: tracing.samplingPercentage / 100, random: parts.random })]),
      authenticate(authentications, parts),
      authorize(compileHttpPolicies(policies, 'http'), parts),
      ...(routing === undefined ? [] : [chooseRoute(routing)]),
      ...(routing === undefined ? [] : routed(parts, routing, send)),
      timeout(parts.deadlines),
      retry({ ...parts, budget: new RetryBudget(), bodyBytes: parts.replayBytes }),
    ],
    send,
  );
}

/** What only routes ask for. */
function routed(parts: HttpParts, routing: Routing, send: Next): readonly Layer[] {
  const layers: Layer[] = [];
  if (routing.hasCors) layers.push(cors);
  layers.push(routeRequest(parts.random));
  if (routing.hasMirrors) layers.push(mirror({ ...parts, send, bodyBytes: parts.replayBytes }));
  return layers;
}
