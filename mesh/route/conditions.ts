/** What a match asks beyond the path, compiled to tests. */
import { compileRegex } from '../regex/regex.ts';
import type { HttpMatch, StringMatch } from './model.ts';
import { queryParam, type RequestFacts } from './request-facts.ts';

export type Test = (request: RequestFacts) => boolean;

/** Where a tested value is in a request; together with a value that must be there it can be looked up. */
export type Place = 'method' | 'authority' | 'scheme' | 'source' | `header ${string}` | `query ${string}`;

export type Condition = {
  readonly place: Place;
  /** Undefined when it is not about one exact value. */
  readonly exact: string | undefined;
  readonly holds: Test;
};

/** All but the path; they must all hold. Does not throw: a pattern that can not be run never matches. */
export function conditionsOf(match: HttpMatch): readonly Condition[] {
  const conditions: Condition[] = [];
  const add = (place: Place, wanted: StringMatch, invert = false): void => {
    const read = readerOf(place);
    const holds = stringTest(wanted);
    const isExact = wanted.kind === 'EXACT' && !wanted.ignoreCase && !invert;
    conditions.push({ place, exact: isExact ? wanted.value : undefined, holds: testOf(read, holds, invert) });
  };
  if (match.method) add('method', match.method);
  if (match.sourceNamespace !== '') {
    add('source', { kind: 'EXACT', value: match.sourceNamespace, ignoreCase: false });
  }
  for (const named of match.headers) add(`header ${named.name}`, named.match, named.invert);
  for (const named of match.queryParams) add(`query ${named.name}`, named.match, named.invert);
  if (match.authority) add('authority', match.authority);
  if (match.scheme) add('scheme', match.scheme);
  return conditions;
}

function testOf(
  read: (request: RequestFacts) => string | undefined,
  holds: (value: string) => boolean,
  invert: boolean,
) {
  return (request: RequestFacts): boolean => {
    const value = read(request);
    return (value !== undefined && holds(value)) !== invert;
  };
}

/** How the value in that place is read. */
export function readerOf(place: Place): (request: RequestFacts) => string | undefined {
  switch (place) {
    case 'method':
      return ({ method }) => method;
    case 'authority':
      return ({ authority }) => authority;
    case 'scheme':
      return ({ scheme }) => scheme;
    case 'source':
      return ({ sourceNamespace }) => sourceNamespace;
    default: {
      const name = place.slice(place.indexOf(' ') + 1);
      return place.startsWith('header ')
        ? ({ headers }) => headers.get(name)
        : ({ query }) => (query === '' ? undefined : queryParam(query, name));
    }
  }
}

/** Tests one value. A pattern that can not be run matches nothing; whoever writes tables refuses it before. */
export function stringTest({ kind, value, ignoreCase }: StringMatch): (text: string) => boolean {
  if (kind === 'PRESENT') return () => true;
  if (kind === 'REGEX') {
    const compiled = compileRegex(value, ignoreCase);
    return compiled.kind === 'regex' ? (text) => compiled.regex.matches(text) : () => false;
  }
  const wanted = ignoreCase ? value.toLowerCase() : value;
  const test = TESTS[kind];
  return ignoreCase ? (text) => test(text.toLowerCase(), wanted) : (text) => test(text, wanted);
}

const TESTS = {
  EXACT: (text: string, wanted: string) => text === wanted,
  PREFIX: (text: string, wanted: string) => text.startsWith(wanted),
  SUFFIX: (text: string, wanted: string) => text.endsWith(wanted),
} as const;
