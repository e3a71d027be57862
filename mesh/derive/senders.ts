/** Who sends to a service: what waypoints are told of it comes with what they are told because of these objects. */
import { Collection } from './collection.ts';
import type { Marked, OwnerKind } from './dependents.ts';

type Sender = Marked & { readonly services: readonly string[] };

export class Senders {
  readonly #held = new Collection<Sender>();
  readonly #byService = this.#held.index(({ services }) => services);

  /** All services, `namespace/hostname`, that waypoints send to because of the object, now. */
  set(kind: OwnerKind, key: string, services: readonly string[]): void {
    this.#held.set(`${kind} ${key}`, services.length === 0 ? undefined : { kind, key, services });
  }

  to(service: string): Iterable<Marked> {
    return this.#byService.of(service);
  }
}
