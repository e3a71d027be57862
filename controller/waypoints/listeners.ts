/** What a waypoint makes of each of its listeners: HBONE on 15008 is what it listens for, and nothing else. */
import { GATEWAY_GROUP, HBONE, HBONE_PORT } from './names.ts';
import type { Listener } from './wish.ts';

/** Routes are attached to services; those that a waypoint carries out are named all the same. */
const ROUTE_KINDS = ['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute'] as const;

export type ListenerVerdict = {
  readonly name: string;
  readonly port: number;
  /** Why it is refused. */
  readonly problem: string | undefined;
  readonly supportedKinds: readonly { readonly group: string; readonly kind: string }[];
  /** Kinds of routes that it names and no waypoint knows. */
  readonly unknownKinds: readonly string[];
};

export function judgeListener({ name, port, protocol, allowedRoutes }: Listener): ListenerVerdict {
  const known = ROUTE_KINDS.map((kind) => ({ group: GATEWAY_GROUP, kind }));
  const wanted = allowedRoutes.kinds.map(({ group = GATEWAY_GROUP, kind }) => ({ group, kind }));
  const isKnown = (one: { group: string; kind: string }) =>
    known.some(({ group, kind }) => group === one.group && kind === one.kind);
  return {
    name,
    port,
    problem:
      protocol === HBONE && port === HBONE_PORT
        ? undefined
        : `a waypoint listens on port ${HBONE_PORT} with protocol ${HBONE} only, not on ${port} with ${protocol}`,
    supportedKinds: wanted.length === 0 ? known : wanted.filter(isKnown),
    unknownKinds: wanted
      .filter((one) => !isKnown(one))
      .map(({ group, kind }) => `${kind} of ${group || 'the core group'}`),
  };
}
