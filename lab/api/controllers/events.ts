/** Events are news: they go after an hour, as upstream, or they would fill the disk. */
import { textAt } from '../object.ts';
import { type Store, storageKey } from '../store/store.ts';
import { lastSeen } from '../table/cluster-columns.ts';

const EVENTS = storageKey('', 'events');
const TTL_MS = 60 * 60_000;

/** Removes every Event that was last seen more than an hour before `now`. */
export function expireEvents(store: Store, now: Date): void {
  const oldest = now.getTime() - TTL_MS;
  for (const event of store.list(EVENTS)) {
    const seen = Date.parse(lastSeen(event) || textAt(event, 'metadata', 'creationTimestamp'));
    if (seen < oldest) store.remove(EVENTS, event.metadata.namespace ?? '', event.metadata.name);
  }
}
