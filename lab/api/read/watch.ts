/** Watches: what is there or has changed since, then every change as it happens (spec section 6). */
import type { ServerResponse } from 'node:http';
import type { ApiObject } from '../object.ts';
import { badRequest, type Json, type ResourceInfo } from '../pure/index.ts';
import { type Store, type StoreEvent, storageKey } from '../store/store.ts';
import { invalidOption } from './list.ts';
import type { Renderer } from './render.ts';
import { type Selection, selectionOf, versionParameter } from './selection.ts';

export type WatchRequest = {
  readonly store: Store;
  readonly info: ResourceInfo;
  readonly namespace: string | undefined;
  readonly query: URLSearchParams;
  readonly renderer: Renderer;
};

const BOOKMARK_EVERY_MS = 60_000;
/** A reader that is this far behind is cut off: it can list again, our memory can't grow without end. */
const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

type Start =
  /** From a known version on; nothing synthetic. */
  | { readonly kind: 'after'; readonly revision: number }
  /** ADDED for all there is; with `marked`, a bookmark says where that ends. */
  | { readonly kind: 'state'; readonly marked: boolean };

function startOf(store: Store, query: URLSearchParams): Start {
  const asked = versionParameter(query);
  const initial = query.get('sendInitialEvents');
  const match = query.get('resourceVersionMatch') ?? '';
  if (initial === null) {
    if (match !== '')
      throw invalidOption(
        'resourceVersionMatch',
        'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
      );
    return asked === undefined || asked === 0 ? { kind: 'state', marked: false } : { kind: 'after', revision: asked };
  }
  if (match !== 'NotOlderThan') {
    throw invalidOption(
      'resourceVersionMatch',
      'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    );
  }
  if (initial === 'true' || initial === '1')
    return { kind: 'state', marked: query.get('allowWatchBookmarks') === 'true' };
  return { kind: 'after', revision: asked ?? store.revision };
}

const truthy = (value: string | null): boolean => value === 'true' || value === '1';

/** Runs one watch until the client leaves, its time is over, or `ended` fires. Throws before the first byte. */
export async function watchObjects(request: WatchRequest, response: ServerResponse, ended: AbortSignal): Promise<void> {
  const { store, info, namespace, query, renderer } = request;
  const selection = selectionOf(info, query);
  const start = startOf(store, query);
  const timeoutText = query.get('timeoutSeconds') ?? '';
  if (timeoutText !== '' && !/^\d{1,9}$/.test(timeoutText)) throw badRequest('timeoutSeconds must be a number');
  const resource = storageKey(info.group, info.plural);
  // Throws 410 here, as a plain answer, when the history is gone.
  const missed = start.kind === 'after' ? store.eventsSince(resource, start.revision) : [];
  const bookmarks = truthy(query.get('allowWatchBookmarks'));

  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.flushHeaders();
  const stream = new WatchStream(response, renderer, selection, namespace);
  for (const event of missed) stream.event(event);
  if (start.kind === 'state') {
    for (const object of store.list(resource, namespace)) if (selection.matches(object)) stream.send('ADDED', object);
    if (start.marked) stream.bookmark(store.revision, { [INITIAL_EVENTS_END]: 'true' });
  }

  const { promise, resolve } = Promise.withResolvers<void>();
  const unsubscribe = store.subscribe((event) => {
    if (event.resource === resource && !stream.event(event)) resolve();
  });
  const finish = () => resolve();
  response.on('close', finish);
  response.on('error', finish);
  ended.addEventListener('abort', finish, { once: true });
  const beat = bookmarks ? setInterval(() => stream.bookmark(store.revision), BOOKMARK_EVERY_MS) : undefined;
  const timer = timeoutText === '' || timeoutText === '0' ? undefined : setTimeout(finish, Number(timeoutText) * 1000);
  try {
    await promise;
  } finally {
    unsubscribe();
    clearInterval(beat);
    clearTimeout(timer);
    ended.removeEventListener('abort', finish);
  }
  if (stream.overflowed || response.destroyed) {
    response.destroy();
    return;
  }
  if (bookmarks) stream.bookmark(store.revision);
  response.end();
}

class WatchStream {
  readonly #response: ServerResponse;
  readonly #renderer: Renderer;
  readonly #selection: Selection;
  readonly #namespace: string | undefined;
  #first = true;
  overflowed = false;

  constructor(response: ServerResponse, renderer: Renderer, selection: Selection, namespace: string | undefined) {
    this.#response = response;
    this.#renderer = renderer;
    this.#selection = selection;
    this.#namespace = namespace;
  }

  /** Sends a change as this watch sees it: one that starts to match is ADDED, one that stops is DELETED. */
  event(event: StoreEvent): boolean {
    const { object, before } = event;
    if (this.#namespace !== undefined && object.metadata.namespace !== this.#namespace) return true;
    const matched = before !== undefined && this.#selection.matches(before);
    const matches = event.type !== 'DELETED' && this.#selection.matches(object);
    if (matches) return this.send(matched ? 'MODIFIED' : 'ADDED', object);
    return matched ? this.send('DELETED', object) : true;
  }

  send(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: ApiObject): boolean {
    const first = this.#first;
    this.#first = false;
    return this.#write({ type, object: this.#renderer.event(object, first) });
  }

  bookmark(revision: number, annotations?: Record<string, string>): void {
    this.#write({ type: 'BOOKMARK', object: this.#renderer.bookmark(String(revision), annotations) });
  }

  #write(event: Json): boolean {
    if (this.#response.destroyed || this.#response.writableEnded) return false;
    this.#response.write(`${JSON.stringify(event)}\n`);
    this.overflowed ||= this.#response.writableLength > MAX_BUFFERED_BYTES;
    return !this.overflowed;
  }
}
