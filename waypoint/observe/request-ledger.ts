/**
 * Who asked what, and whether policy let it: what `ambit authz diff` and `suggest` know of requests. A row stands for a caller, a port, a
 * method, a pattern of paths and a verdict. A request costs a few lookups, by what does not change within its stream, and by the
 * path as it is.
 */
import { type SpiffeId, serviceKey } from '../../mesh/index.ts';
import type { Called, Exchange } from '../exchange.ts';
import { belowFirst, EVERYTHING, pathPattern } from './path-pattern.ts';

export type RequestRow = {
  /** Of the waypoint's Gateway, `namespace/name`. */
  readonly waypoint: string;
  readonly source: SpiffeId;
  /** `namespace/hostname` of the service that was called, or the uid of the workload. */
  readonly destination: string;
  readonly port: number;
  /** One of those that everybody knows, or `other`. */
  readonly method: string;
  /** A path template. */
  readonly paths: string;
  readonly verdict: 'allow' | 'deny';
  /** Of the last one, why. */
  readonly because: string;
  /** One of them. */
  readonly example: { readonly method: string; readonly path: string; readonly host: string };
  readonly count: number;
  /** RFC 3339. */
  readonly firstSeen: string;
  readonly lastSeen: string;
};

type Cell = {
  readonly key: Pick<RequestRow, 'source' | 'destination' | 'port' | 'method' | 'paths' | 'verdict' | 'example'>;
  because: string;
  count: number;
  readonly firstMs: number;
  lastMs: number;
};
type Cells = { readonly paths: string; allow: Cell | undefined; deny: Cell | undefined };

/** What one caller asked of one port by one method, by pattern. Most paths are their own. */
type Asked = Map<string, Cells>;

const MOST_ROWS = 4_096;
/** Patterns of one caller, port and method; then coarser ones, and at twice as many one for all. */
const MOST_PATTERNS = 32;
/** When it is full, so many of those that were seen least recently make room at once. */
const DROPPED_AT_ONCE = MOST_ROWS / 8;
const MOST_SHOWN = 256;

const METHODS: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'],
]);

export class RequestLedger {
  /** Rows that were pushed out since the start. */
  dropped = 0;
  readonly #now: () => number;
  readonly #max: number;
  /** Methods that came over one stream of a tunnel. */
  #streams = new WeakMap<Called, Map<string, Asked>>();
  #callers = new Map<string, Map<string, Asked>>();
  #cells: Cell[] = [];

  /** `now`: milliseconds since 1970. */
  constructor({ now, maxRows = MOST_ROWS }: { readonly now: () => number; readonly maxRows?: number }) {
    this.#now = now;
    this.#max = maxRows;
  }

  /** Of a request that was judged; of each only once. */
  saw(x: Exchange): void {
    if (x.isInLedger) return;
    const verdict = x.receipt === undefined ? 'allow' : 'deny';
    if (verdict === 'allow' && x.standing !== 'passed') return; // it was answered before anybody was asked
    x.isInLedger = true;
    const path = x.judged?.request.path ?? x.path;
    const { method } = x.request;
    const asked = this.#askedBy(x, METHODS.has(method) ? method : OTHER);
    const cells = asked.get(path) ?? cellsAt(asked, patternFor(asked, path));
    const cell = cells[verdict];
    if (cell === undefined) {
      cells[verdict] = this.#add(x, verdict, path, cells.paths);
      return;
    }
    cell.because = x.because;
    cell.count += 1;
    cell.lastMs = this.#now();
  }

  /** Seen most recently first. */
  rows(waypoint: string): readonly RequestRow[] {
    const cells = [...this.#cells].sort((a, b) => b.lastMs - a.lastMs);
    return cells.map(({ key, because, count, firstMs, lastMs }) => ({
      waypoint,
      ...key,
      because,
      count,
      firstSeen: new Date(firstMs).toISOString(),
      lastSeen: new Date(lastMs).toISOString(),
    }));
  }

  #askedBy({ called, source }: Exchange, method: string): Asked {
    let methods = this.#streams.get(called);
    if (methods === undefined) {
      methods = within(this.#callers, `${source.identity} ${destinationOf(called)} ${called.port}`, newMap);
      this.#streams.set(called, methods);
    }
    return within(methods, method, newAsked);
  }

  #add(x: Exchange, verdict: 'allow' | 'deny', path: string, paths: string): Cell {
    const { called, source, request } = x;
    const example = { method: cut(request.method), path: cut(path), host: cut(x.askedAuthority) };
    const method = METHODS.has(request.method) ? request.method : OTHER;
    const { identity } = source;
    const key = {
      source: identity,
      destination: destinationOf(called),
      port: called.port,
      method,
      paths,
      verdict,
      example,
    };
    const at = this.#now();
    const cell: Cell = { key, because: x.because, count: 1, firstMs: at, lastMs: at };
    this.#cells.push(cell);
    if (this.#cells.length > this.#max) this.#makeRoom();
    return cell;
  }

  /** What stays is found anew: whoever was remembered for a stream is looked up again. */
  #makeRoom(): void {
    this.#cells.sort((a, b) => b.lastMs - a.lastMs);
    const gone = Math.min(DROPPED_AT_ONCE, Math.ceil(this.#max / 2));
    this.#cells.length -= gone;
    this.dropped += gone;
    this.#streams = new WeakMap();
    this.#callers = new Map();
    for (const cell of this.#cells) {
      const { source, destination, port, method, paths, verdict } = cell.key;
      const methods = within(this.#callers, `${source} ${destination} ${port}`, newMap);
      cellsAt(within(methods, method, newAsked), paths)[verdict] = cell;
    }
  }
}

const OTHER = 'other';

function patternFor(asked: Asked, path: string): string {
  const fine = pathPattern(path);
  if (asked.has(fine) || asked.size < MOST_PATTERNS) return fine;
  const coarse = belowFirst(path);
  return asked.has(coarse) || asked.size < 2 * MOST_PATTERNS ? coarse : EVERYTHING;
}

function cellsAt(asked: Asked, paths: string): Cells {
  return within(asked, paths, () => ({ paths, allow: undefined, deny: undefined }));
}

function destinationOf({ service, workload }: Called): string {
  return service === undefined ? (workload?.uid ?? '') : serviceKey(service);
}

function cut(text: string): string {
  return text.length > MOST_SHOWN ? text.slice(0, MOST_SHOWN) : text;
}

const newMap = (): Map<string, Asked> => new Map();
const newAsked = (): Asked => new Map();

function within<V>(map: Map<string, V>, key: string, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

export type RequestRows = { readonly dropped: number; readonly requests: readonly RequestRow[] };

/** What several threads have seen, as if one had. Seen most recently first. */
export function mergeRequests(parts: readonly RequestRows[]): RequestRows {
  const rows = new Map<string, RequestRow>();
  for (const row of parts.flatMap(({ requests }) => requests)) {
    const { source, destination, port, method, paths, verdict } = row;
    const key = JSON.stringify([source, destination, port, method, paths, verdict]);
    const other = rows.get(key);
    rows.set(key, other === undefined ? row : together(other, row));
  }
  return {
    dropped: parts.reduce((total, { dropped }) => total + dropped, 0),
    requests: [...rows.values()].sort((a, b) => (a.lastSeen < b.lastSeen ? 1 : -1)),
  };
}

function together(a: RequestRow, b: RequestRow): RequestRow {
  const latest = a.lastSeen >= b.lastSeen ? a : b;
  const [firstSeen = a.firstSeen] = [a.firstSeen, b.firstSeen].sort();
  return { ...latest, count: a.count + b.count, firstSeen };
}
