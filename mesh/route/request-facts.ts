/** What routes ask about a request. */

/** Fields by name in lower case; several of one name joined by a comma. `HeaderFields` of core/http is one. */
export type Headers = {
  get(name: string): string | undefined;
  /** The lines of that name one by one; absent where nobody has them. */
  all?(name: string): readonly string[];
};

export type RequestFacts = {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** What follows the `?`, as it came; '' without one. */
  readonly query: string;
  readonly authority: string;
  readonly scheme: string;
  readonly headers: Headers;
  /** Of the client; '' when nobody knows. */
  readonly sourceNamespace: string;
};

/** The path and the query of a request target. */
export function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const mark = target.indexOf('?');
  return mark < 0 ? { path: target, query: '' } : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/** The first parameter of that name, as it is written: like the reference, nothing is decoded before it is compared. */
export function queryParam(query: string, name: string): string | undefined {
  for (let at = 0; at < query.length; ) {
    let end = query.indexOf('&', at);
    if (end < 0) end = query.length;
    if (query.startsWith(name, at)) {
      const after = at + name.length;
      if (after === end) return '';
      if (after < end && query.charCodeAt(after) === EQUALS) return query.slice(after + 1, end);
    }
    at = end + 1;
  }
  return undefined;
}

const EQUALS = 0x3d;
