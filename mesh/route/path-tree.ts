/**
 * All paths and prefixes of a table in one radix tree: what may match is met on one walk along the request's path, however many
 * routes there are.
 */
import type { Candidates } from './candidates.ts';
import type { RequestFacts } from './request-facts.ts';

/** What counts where the walk has come to: at the end of the path, before a slash or the end, anywhere. */
export type Stop = 'exact' | 'segments' | 'prefix';

type Node<T> = {
  /** What the path must go on with to get here from the node before. */
  readonly label: string;
  /** By the first character of their labels. */
  readonly children: Map<number, Node<T>>;
  readonly at: Partial<Record<Stop, T>>;
};

const SLASH = 0x2f;

export class PathTree {
  readonly #root: Node<Candidates>;

  /** `candidates` by where they stop and by the text they stop at. */
  constructor(candidates: ReadonlyMap<Stop, ReadonlyMap<string, Candidates>>) {
    this.#root = emptyNode('');
    for (const [stop, byText] of candidates) {
      for (const [text, found] of byText) insert(this.#root, text, stop, found);
    }
  }

  /** The first entry that matches, if it comes before `limit`; else `limit`. */
  first(path: string, request: RequestFacts, limit: number): number {
    let best = limit;
    let node: Node<Candidates> | undefined = this.#root;
    for (let at = 0; node !== undefined; ) {
      const { exact, segments, prefix } = node.at;
      if (exact !== undefined && at === path.length) best = exact.first(request, best);
      if (segments !== undefined && (at === path.length || path.charCodeAt(at) === SLASH)) {
        best = segments.first(request, best);
      }
      if (prefix !== undefined) best = prefix.first(request, best);
      const next: Node<Candidates> | undefined = node.children.get(path.charCodeAt(at));
      if (next === undefined || !path.startsWith(next.label, at)) return best;
      at += next.label.length;
      node = next;
    }
    return best;
  }
}

const emptyNode = <T>(label: string): Node<T> => ({ label, children: new Map(), at: {} });

function insert<T>(root: Node<T>, text: string, stop: Stop, value: T): void {
  let node = root;
  let rest = text;
  while (rest !== '') {
    const first = rest.charCodeAt(0);
    const child = node.children.get(first);
    if (child === undefined) {
      const leaf = emptyNode<T>(rest);
      node.children.set(first, leaf);
      node = leaf;
      break;
    }
    const common = commonLength(child.label, rest);
    if (common < child.label.length) {
      const above = emptyNode<T>(child.label.slice(0, common));
      const below = { ...child, label: child.label.slice(common) };
      above.children.set(below.label.charCodeAt(0), below);
      node.children.set(first, above);
      node = above;
    } else node = child;
    rest = rest.slice(common);
  }
  node.at[stop] = value;
}

function commonLength(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}
