/**
 * Policies of the service that a route turned the request to, where that one belongs to this waypoint, too: what its policies
 * refuse is not to be had by the way of another service. (The reference judges by the service that was called, alone.)
 */
import { customChecks, type HttpScope } from '../../mesh/index.ts';
import type { Layer } from '../exchange.ts';
import { factsAtTarget } from '../policy/facts.ts';
import { type AuthorizeParts, authorize, denied } from './authorize.ts';

/** Of each service that routes may send to, and that has policies; `unreadable`: nobody knows what they say. */
export type BackendScopes = ReadonlyMap<string, HttpScope | 'unreadable'>;

export function judgeBackend(own: string, scopes: BackendScopes, parts: AuthorizeParts): Layer {
  return (next) => {
    const judged = new Map<string, ReturnType<Layer>>();
    for (const [service, scope] of scopes) if (scope !== 'unreadable') judged.set(service, judge(scope, parts)(next));
    return (x) => {
      const { target } = x;
      if (target.kind !== 'service' || target.service === own) return next(x);
      if (scopes.get(target.service) === 'unreadable') {
        x.because = `the policies of ${target.service}, which a route leads to, can not be read`;
        x.receipt = parts.watch.denied(x, x.because);
        return denied(x, parts, 'rbac_access_denied_matched_policy[none]');
      }
      return (judged.get(target.service) ?? next)(x);
    };
  };
}

function judge(scope: HttpScope, parts: AuthorizeParts): Layer {
  return (next) => {
    const authorized = authorize(scope, parts, factsAtTarget)(next);
    return (x) => {
      // Its own authorizers are asked where it is called itself; here nobody asks them, and the answer is no.
      const [custom] = customChecks(scope, factsAtTarget(x));
      if (custom === undefined) return authorized(x);
      const { policy, rule } = custom.rule;
      x.because = `policy ${policy}, rule ${rule}: ${custom.provider} is not asked about requests that a route sends on`;
      x.receipt = parts.watch.denied(x, x.because);
      return denied(x, parts, 'ext_authz_denied');
    };
  };
}
