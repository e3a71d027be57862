/** Which rule of the routes a request meets: known to all layers further in, and to the log, whatever becomes of the request. */
import type { Layer } from '../exchange.ts';
import type { Routing } from '../routing.ts';

export function chooseRoute(routing: Routing): Layer {
  return (next) => (x) => {
    const choice = routing.choose(x);
    x.route = choice;
    if (typeof choice === 'object') x.routeName = choice.action.name;
    return next(x);
  };
}
