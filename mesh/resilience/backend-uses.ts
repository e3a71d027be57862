/**
 * What became of the words of rules and policies at each backend of each waypoint. What these say of themselves follows from
 * here: whatever is told anew takes the place of all that was told for its owner before, so nothing outlives its cause.
 */
import { Collection } from '../derive/collection.ts';

/** A service that waypoints of a namespace send to. */
export type BackendUse = {
  readonly gatewayNamespace: string;
  /** `namespace/hostname`. */
  readonly service: string;
  /** Key of the DestinationRule that is followed; '': none is. */
  readonly rule: string;
  /** What can not be had for that rule. */
  readonly missing: readonly string[];
  /** Ports that a BackendTLSPolicy is about, and whose TLS that rule decides. */
  readonly overruled: readonly number[];
};

type OwnerUses = { readonly uses: readonly BackendUse[] };

export type UsesFollower = {
  /** Uses of this rule came, changed or went. */
  readonly rule: (key: string) => void;
  /** Of this service. */
  readonly service: (service: string) => void;
};

export class BackendUses {
  readonly #held = new Collection<OwnerUses>();
  readonly #byRule = this.#held.index(({ uses }) => distinct(uses, ({ rule }) => rule));
  readonly #byService = this.#held.index(({ uses }) => distinct(uses, ({ service }) => service));

  follow(follower: UsesFollower): void {
    this.#held.follow(({ old, next }) => {
      const uses = [...(old?.uses ?? []), ...(next?.uses ?? [])];
      for (const rule of distinct(uses, (use) => use.rule)) follower.rule(rule);
      for (const service of distinct(uses, (use) => use.service)) follower.service(service);
    });
  }

  /** All that are told because of the object `owner`, now. */
  set(owner: string, uses: readonly BackendUse[]): void {
    this.#held.set(owner, uses.length === 0 ? undefined : { uses });
  }

  /** Of whichever owners. */
  of(service: string): readonly BackendUse[] {
    return [...this.#byService.of(service)].flatMap(({ uses }) => uses.filter((use) => use.service === service));
  }

  /** What can not be had for a rule, wherever it is followed; each once, in an order that hangs on nothing else. */
  missing(rule: string): readonly string[] {
    const all = [...this.#byRule.of(rule)].flatMap(({ uses }) => uses);
    return [...new Set(all.flatMap((use) => (use.rule === rule ? use.missing : [])))].sort();
  }
}

/** Without ''. */
function distinct(uses: readonly BackendUse[], termOf: (use: BackendUse) => string): readonly string[] {
  return [...new Set(uses.map(termOf))].filter((term) => term !== '');
}
