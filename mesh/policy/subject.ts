/** One connection as policies see it. */
import type { SocketAddress } from '../address.ts';
import { type NumericIp, numericIp } from '../cidr.ts';
import type { SpiffeId } from '../spiffe.ts';
import { spiffeParts } from '../spiffe.ts';

/** What is known of a connection when policy decides on it. */
export type ConnectionFacts = {
  /** The verified identity of the peer; absent for plaintext. */
  readonly source?: SpiffeId;
  /** The peer of the TCP connection: a waypoint's or gateway's address when one forwards. */
  readonly from: SocketAddress;
  /** The pod's address and the final port, after any mapping. */
  readonly to: SocketAddress;
};

const SCHEME = 'spiffe://';

/** Facts in the form in which they are compared; addresses become numbers only when a rule asks for them. */
export class Subject {
  readonly facts: ConnectionFacts;
  /** Identity without its scheme; '' when unauthenticated. */
  readonly principal: string;
  /** Namespace of the identity; '' when unauthenticated. */
  readonly namespace: string;
  /** `namespace/service account`; '' when unauthenticated. */
  readonly serviceAccount: string;
  readonly port: number;
  #from: NumericIp | undefined;
  #to: NumericIp | undefined;

  constructor(facts: ConnectionFacts) {
    this.facts = facts;
    this.port = facts.to.port;
    if (facts.source === undefined) {
      this.principal = this.namespace = this.serviceAccount = '';
      return;
    }
    const parts = spiffeParts(facts.source);
    this.principal = facts.source.slice(SCHEME.length);
    this.namespace = parts.namespace;
    this.serviceAccount = `${parts.namespace}/${parts.serviceAccount}`;
  }

  get from(): NumericIp {
    this.#from ??= numericIp(this.facts.from.ip);
    return this.#from;
  }

  get to(): NumericIp {
    this.#to ??= numericIp(this.facts.to.ip);
    return this.#to;
  }
}
