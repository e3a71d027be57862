/** What can become of a connection of a captured pod. */
import type { IpAddress, SocketAddress } from '../address.ts';
import type { Service, Workload } from '../model.ts';
import type { SpiffeId } from '../spiffe.ts';
import type { PickFailure } from '../view/balancer.ts';
import type { RouteReason } from './reason.ts';

export type RefuseReason =
  | PickFailure
  | 'self-call'
  | 'other-network'
  | 'waypoint-not-resolved'
  | 'no-address'
  | 'hostname-not-resolved'
  | 'identity-unknown';

export type OutboundDecision =
  | {
      readonly kind: 'hbone';
      readonly dial: SocketAddress;
      /** What the CONNECT request names. */
      readonly authority: string;
      /** One of these must be in the peer's certificate; never empty. */
      readonly expectedIdentities: readonly SpiffeId[];
      /** The actual peer: endpoint or waypoint. */
      readonly destination: Workload;
      readonly service?: Service;
      readonly via: 'direct' | 'waypoint';
      readonly because: RouteReason;
    }
  | {
      readonly kind: 'tcp';
      readonly dial: SocketAddress;
      readonly destination?: Workload;
      readonly service?: Service;
      readonly because: RouteReason;
    }
  | { readonly kind: 'passthrough'; readonly dial: SocketAddress; readonly because: RouteReason }
  | {
      /** The next hop is known by name only: `resolved` completes the decision with what the name means. */
      readonly kind: 'resolve';
      readonly hostname: string;
      readonly way: Way;
      /** Of the addresses that the name has, those of this one's family are preferred. */
      readonly wish: IpAddress;
      readonly service?: Service;
      readonly because: RouteReason;
    }
  | {
      readonly kind: 'refuse';
      readonly reason: RefuseReason;
      readonly service?: Service;
      readonly because: RouteReason;
    };

/** A decision that lacks only the address of its next hop. */
export type Way = {
  /** The next hop: endpoint or waypoint. */
  readonly destination: Workload;
  /** Of the application, or where the waypoint takes tunnels. */
  readonly port: number;
  /** What the application meant. */
  readonly service: Service | undefined;
  /** The service of the next hop: its families, and the further identities that it allows. */
  readonly verifiedBy: Service | undefined;
  /** What the CONNECT request names; undefined: the hop's own address. */
  readonly authority: string | undefined;
  readonly via: 'direct' | 'waypoint' | 'plain';
  readonly because: RouteReason;
};
