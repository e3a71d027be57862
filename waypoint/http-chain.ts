/** The layers of requests, in the order of waypoint.md section 1.5. */
import type { ChainConfig } from './chains.ts';
import { type Next, stack } from './exchange.ts';
import { answerErrors } from './layers/answer.ts';
import { headers } from './layers/headers.ts';
import { observe, type RequestObserver } from './layers/observe.ts';
import { type ForwardParts, forward } from './upstream/forward.ts';

export type HttpParts = ForwardParts & {
  readonly observer: RequestObserver;
  readonly onBug: (error: unknown) => void;
};

export function httpChain(parts: HttpParts, _config: ChainConfig): Next {
  return stack([observe(parts.observer, parts.now), answerErrors(parts.onBug), headers], forward(parts));
}
