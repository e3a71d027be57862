/** One connection as policies see it. */
import type { IpAddress, SocketAddress } from '../address.ts';
import { type NumericIp, numericIp } from '../cidr.ts';
import { type SpiffeId, spiffeParts } from '../spiffe.ts';

/** What is known of a connection when policy decides on it. */
export type ConnectionFacts = {
  /** The verified identity of the peer; absent for plaintext. */
  readonly source?: SpiffeId;
  /** The peer of the TCP connection: a waypoint's or gateway's address when one forwards. */
  readonly from: SocketAddress;
  /** The pod's address and the final port, after any mapping. */
  readonly to: SocketAddress;
  /** For whom the peer calls, when it is a waypoint of this pod and says so. */
  readonly original?: OriginalCaller;
};

/**
 * The caller behind a waypoint. Policies look at it as if no waypoint were in between; only where one names the waypoint's
 * identity itself, as a whole, the waypoint is meant. So a waypoint that is added changes no verdict.
 */
export type OriginalCaller = { readonly identity: SpiffeId; readonly ip: IpAddress };

const SCHEME = 'spiffe://';

/** An identity in the forms in which policies name it. */
type Named = {
  /** Without its scheme. */
  readonly principal: string;
  readonly namespace: string;
  /** `namespace/service account`. */
  readonly serviceAccount: string;
};

const NOBODY: Named = { principal: '', namespace: '', serviceAccount: '' };

/** Facts in the form in which they are compared; addresses become numbers only when a rule asks for them. */
export class Subject {
  readonly facts: ConnectionFacts;
  /** Of whoever the call is for: the original caller, else the peer. Identity without its scheme; '' when unauthenticated. */
  readonly principal: string;
  /** Namespace of that identity; '' when unauthenticated. */
  readonly namespace: string;
  /** `namespace/service account` of that identity; '' when unauthenticated. */
  readonly serviceAccount: string;
  readonly port: number;
  /** The waypoint that calls for somebody else; undefined when nobody is in between. */
  readonly waypoint: Pick<Named, 'principal' | 'serviceAccount'> | undefined;
  #from: NumericIp | undefined;
  #to: NumericIp | undefined;

  constructor(facts: ConnectionFacts) {
    this.facts = facts;
    this.port = facts.to.port;
    const { source, original } = facts;
    const peer = source === undefined ? NOBODY : named(source);
    const caller = original === undefined ? peer : named(original.identity);
    this.principal = caller.principal;
    this.namespace = caller.namespace;
    this.serviceAccount = caller.serviceAccount;
    this.waypoint = original && peer;
  }

  /** The peer's own, whomever it calls for. */
  get peerPrincipal(): string {
    return this.waypoint === undefined ? this.principal : this.waypoint.principal;
  }

  /** Of the original caller, else of the peer. */
  get ip(): IpAddress {
    return this.facts.original?.ip ?? this.facts.from.ip;
  }

  get from(): NumericIp {
    this.#from ??= numericIp(this.ip);
    return this.#from;
  }

  get to(): NumericIp {
    this.#to ??= numericIp(this.facts.to.ip);
    return this.#to;
  }
}

function named(identity: SpiffeId): Named {
  const { namespace, serviceAccount } = spiffeParts(identity);
  return { principal: identity.slice(SCHEME.length), namespace, serviceAccount: `${namespace}/${serviceAccount}` };
}
