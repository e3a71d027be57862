/**
 * What one client, and all together, may hold of the webhook. Anybody in the cluster can reach the port, and while the API server can
 * not, no policy can be changed: so nobody may take it all. Pure.
 */
const MAX_CONNECTIONS = 512;
const MAX_CONNECTIONS_EACH = 128;
/** An object may have 1.5 MiB (etcd's limit), and a review may carry two, with room for how JSON is written. */
const MAX_BODY_BYTES = 8 << 20;
const MAX_BYTES_EACH = 16 << 20;
const MAX_BYTES = 64 << 20;

export class Limits {
  readonly #connections = new Map<string, number>();
  readonly #bytes = new Map<string, number>();
  #allConnections = 0;
  #allBytes = 0;

  /** Whether this client may have one more connection; if so, `leave` must follow. */
  enter(client: string): boolean {
    const held = this.#connections.get(client) ?? 0;
    if (held >= MAX_CONNECTIONS_EACH || this.#allConnections >= MAX_CONNECTIONS) return false;
    this.#connections.set(client, held + 1);
    this.#allConnections++;
    return true;
  }

  leave(client: string): void {
    add(this.#connections, client, -1);
    this.#allConnections--;
  }

  /** For the bytes of one body; disposing gives them back. */
  body(client: string): Body {
    let size = 0;
    return {
      take: (bytes) => {
        size += bytes;
        this.#allBytes += bytes;
        add(this.#bytes, client, bytes);
        if (size > MAX_BODY_BYTES) return 'too-large';
        return (this.#bytes.get(client) ?? 0) > MAX_BYTES_EACH || this.#allBytes > MAX_BYTES ? 'busy' : 'ok';
      },
      [Symbol.dispose]: () => {
        add(this.#bytes, client, -size);
        this.#allBytes -= size;
        size = 0;
      },
    };
  }
}

export interface Body extends Disposable {
  /** Counts what has arrived. After anything but `ok` the body is to be given up. */
  take(bytes: number): 'ok' | 'too-large' | 'busy';
}

function add(counts: Map<string, number>, key: string, more: number): void {
  const count = (counts.get(key) ?? 0) + more;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
