/** What happens at the pod that is reached: is there a proxy, does it take the connection, and what do its policies say? */
import { formatSocketAddress, type IpAddress, ipFamily, mustParseIp, type SocketAddress } from '../address.ts';
import type { OutboundDecision } from '../decide/decision.ts';
import { expectedIdentities } from '../decide/identities.ts';
import { decideInboundHbone, decideInboundPlaintext, type InboundDecision } from '../decide/inbound.ts';
import { isWaypointOf } from '../decide/original-caller.ts';
import { formatReason } from '../decide/reason.ts';
import type { Workload } from '../model.ts';
import type { SpiffeId } from '../spiffe.ts';
import { adviceFor } from './advice.ts';
import type { PredictedCaller } from './callers.ts';
import { ended, endpointOf, hop, leaves, nameOf } from './ends.ts';
import { lookupOf } from './lookup.ts';
import type { MeshModel } from './model.ts';
import { dependsOnAddress, policiesIn, policyName, policyVerdict } from './policy.ts';
import type { Hop, PredictedCase } from './prediction.ts';
import { becauseOf, policyHop } from './words.ts';

/** Who calls, and from which address if that is known; a waypoint calls for somebody. */
export type Sender = {
  readonly caller: PredictedCaller;
  readonly from: SocketAddress | undefined;
  readonly behalf?: Behalf;
};

/** The caller that a waypoint names (`ambit-source`), as far as it is known. */
export type Behalf = { readonly identity: SpiffeId; readonly ip: IpAddress | undefined };

export type Tunnel = Extract<OutboundDecision, { kind: 'hbone' }>;
type Plain = Extract<OutboundDecision, { kind: 'tcp' }>;

export function inPlaintext(model: MeshModel, sender: Sender, { destination, dial }: Plain): PredictedCase {
  const { caller } = sender;
  if (destination === undefined) return leaves(caller, formatSocketAddress(dial));
  const membership = lookupOf(model).membership(destination);
  const who = nameOf(destination);
  const isOutside = destination.tunnelProtocol === 'NONE';
  const outsider = isOutside ? who : 'the caller';
  const hops = [
    hop('endpoint', endpointOf(destination, dial)),
    hop('enrolment', `${who} is ${isOutside ? 'not in' : 'in'} the mesh: ${membership.because}`),
    hop('identity', `none: ${outsider} is not in the mesh`),
    hop('encryption', `none: plaintext, because ${outsider} is not in the mesh`),
  ];
  const known = { endpoints: [endpointOf(destination, dial)], encryption: 'plaintext' } as const;
  if (membership.state === 'cut-off') {
    const because = `${who} can not be reached: ${membership.because}`;
    return { ...ended(caller, 'denied', 'not-served', because, [...hops, hop('policy', because, 'stops')]), ...known };
  }
  if (isOutside) return { ...unjudged(model, caller, destination, hops), ...known };
  const inbound = decideInboundPlaintext(model.view, { local: destination, originalDst: dial });
  return { ...admitted(model, sender, { destination, inbound, hops, identity: undefined }), ...known };
}

export function throughTunnel(model: MeshModel, sender: Sender, decision: Tunnel): PredictedCase {
  const { caller } = sender;
  const { destination, dial, authority } = decision;
  const [identity] = expectedIdentities(caller.workload, undefined);
  if (identity === undefined) {
    const because = `${caller.name} has no identity that could be shown`;
    return ended(caller, 'denied', 'identity-unknown', because, [hop('identity', because, 'stops')]);
  }
  const who = nameOf(destination);
  const membership = lookupOf(model).membership(destination);
  const hops = [
    hop('endpoint', `${who} at ${authority}`),
    hop('enrolment', `${who} is in the mesh: ${membership.because}`),
    hop('waypoint', 'none'),
    ...tunnelHops(
      decision,
      identity,
      sender.behalf && { ...sender.behalf, isHeard: isHeard(model, destination, identity) },
    ),
  ];
  const known = { endpoints: [`${who} at ${authority}`], encryption: 'mutual-tls', callerIdentity: identity } as const;
  if (destination.nativeTunnel) {
    const because = `${who} ends tunnels itself: what it lets in is not decided by a ztunnel`;
    return {
      ...ended(caller, 'unknown', 'own-tunnel', because, [...hops, hop('policy', because, 'unclear')]),
      ...known,
    };
  }
  const inbound = decideInboundHbone(model.view, { local: destination, connectionDst: dial, authority });
  return { ...admitted(model, sender, { destination, inbound, hops, identity }), ...known };
}

/** Who shows what to whom, and where the tunnel goes. */
export function tunnelHops(
  { dial, expectedIdentities }: Tunnel,
  identity: SpiffeId,
  behalf?: Behalf & { readonly isHeard: boolean },
): readonly Hop[] {
  const judged =
    behalf &&
    (behalf.isHeard ? 'it is judged as' : 'it is no waypoint of the other side, and not believed to call for');
  return [
    {
      ...hop('identity', `${behalf === undefined ? 'the caller' : 'the waypoint'} shows ${identity}`),
      details: [
        ...(behalf === undefined ? [] : [`${judged} ${behalf.identity}`]),
        `the other side must show ${expectedIdentities.join(' or ')}`,
      ],
    },
    hop('encryption', `mutual TLS, in a tunnel (HBONE) to ${formatSocketAddress(dial)}`),
  ];
}

/** Policies may select a pod that nobody enforces them for: the surprise to tell of. */
function unjudged(
  model: MeshModel,
  caller: PredictedCaller,
  destination: Workload,
  hops: readonly Hop[],
): PredictedCase {
  const who = nameOf(destination);
  const idle = policiesIn(model.view.policyScope(destination)).map(({ namespace, name }) =>
    policyName(model, `${namespace}/${name}`, destination),
  );
  const would = idle.length === 0 ? '' : `; ${idle.join(', ')} would apply if it were in the mesh`;
  return ended(caller, 'allowed', 'not-enforced', `${who} is not in the mesh, so nobody evaluates policy for it`, [
    ...hops,
    hop('policy', `nobody evaluates any${would}`),
  ]);
}

type Arrival = {
  readonly destination: Workload;
  readonly inbound: InboundDecision;
  readonly hops: readonly Hop[];
  readonly identity: SpiffeId | undefined;
};

/** A waypoint of somebody else is not listened to, and judged by itself. */
function isHeard({ view }: MeshModel, destination: Workload, waypoint: SpiffeId): boolean {
  return isWaypointOf(view, destination, waypoint);
}

/** The ztunnel of the destination settles the port, then asks its policies. */
function admitted(model: MeshModel, sender: Sender, arrival: Arrival): PredictedCase {
  const { caller, from } = sender;
  const { destination, inbound, hops, identity } = arrival;
  if (inbound.kind === 'reject') {
    const because = `the ztunnel of ${nameOf(destination)} refuses it: ${formatReason(inbound.because)}`;
    return ended(caller, 'denied', 'tunnel-refused', because, [...hops, hop('policy', because, 'stops')]);
  }
  const { target } = inbound;
  const nowhere = UNSPECIFIED[ipFamily(target.ip)];
  const behalf = identity !== undefined && isHeard(model, destination, identity) ? sender.behalf : undefined;
  const facts = {
    ...(identity && { source: identity }),
    ...(behalf && { original: { identity: behalf.identity, ip: behalf.ip ?? nowhere } }),
    from: from ?? { ip: nowhere, port: 0 },
    to: target,
  };
  const policy = policyVerdict(model, destination, facts);
  const unsure = {
    caller: (behalf === undefined ? from : behalf.ip) === undefined,
    destination: !lookupOf(model).hasTrueAddress(destination),
  };
  if (dependsOnAddress(model, destination, policy, unsure)) {
    const because = `policies of ${nameOf(destination)} look at addresses, and these are not known before the pods run`;
    const end = ended(caller, 'unknown', 'address-matters', because, [...hops, hop('policy', because, 'unclear')]);
    return { ...end, policy };
  }
  const because = becauseOf(model, policy, destination);
  const isAllowed = policy.verdict === 'allow';
  const reason = typeof policy.because === 'string' ? policy.because : isAllowed ? 'allow-rule' : 'deny-rule';
  const judged = {
    ...ended(caller, isAllowed ? 'allowed' : 'denied', reason, because, [
      ...hops,
      policyHop(model, policy, because, destination),
    ]),
    ...(identity && { callerIdentity: identity }),
    policy,
  };
  return { ...judged, next: adviceFor({ end: judged, caller, destination }) };
}

/** Stands for an address that is not known; what is decided with it counts only where no policy looks at it. */
const UNSPECIFIED: Readonly<Record<4 | 6, IpAddress>> = { 4: mustParseIp('0.0.0.0'), 6: mustParseIp('::') };
