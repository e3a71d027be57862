/** All that discovery has brought and not taken away, for a thread that begins later. */
import type { ReceivedResource, Update } from '../../core/xds/index.ts';

export class Snapshot {
  readonly #types = new Map<string, Map<string, ReceivedResource>>();

  apply(typeUrl: string, { upserted, removed }: Update): void {
    let held = this.#types.get(typeUrl);
    if (held === undefined) {
      held = new Map();
      this.#types.set(typeUrl, held);
    }
    for (const resource of upserted) held.set(resource.name, resource);
    for (const name of removed) held.delete(name);
  }

  /** They are not wanted any more, and nobody will say that they are gone. */
  forget(typeUrl: string, names: Iterable<string>): void {
    const held = this.#types.get(typeUrl);
    for (const name of names) held?.delete(name);
  }

  /** In the order in which the types first came: what is told before the addresses that it names. */
  *updates(): Generator<{ readonly typeUrl: string; readonly update: Update }> {
    for (const [typeUrl, held] of this.#types) {
      yield { typeUrl, update: { upserted: [...held.values()], removed: [] } };
    }
  }
}
