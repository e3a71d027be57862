/** Which tests of policies a row of a waypoint's ledger can not answer: it keeps one request as example of many. */
import type { Pattern, PolicyField, PolicyTest } from '../http-policy/model.ts';
import { compilePatterns, splitTemplate } from '../http-policy/patterns.ts';

/** What a row stands for. */
export type Asked = {
  /** `other`: one that is not everybody's. */
  readonly method: string;
  /** A path template. */
  readonly paths: string;
  /** Whether the caller's addresses are known, which a ledger does not keep. */
  readonly isPlaced: boolean;
};

/** What is asked for, in words; undefined: the example answers it for all. */
export function unknownOf({ field, patterns }: PolicyTest, asked: Asked): string | undefined {
  switch (field) {
    case 'SOURCE_IP':
      return asked.isPlaced ? undefined : "the caller's address";
    case 'METHOD':
      return asked.method === OTHER && patterns.some(isOfOther) ? 'the method' : undefined;
    case 'PATH':
      return isUnclear(patterns, asked.paths) ? 'the path, of which many are one here' : undefined;
    case 'HOST':
      return patterns.some(({ kind }) => kind !== 'PRESENT') ? 'the host' : undefined;
    default:
      return NOT_KEPT[field];
  }
}

export const TOKEN = 'the token';

const NOT_KEPT: Readonly<Partial<Record<PolicyField, string>>> = {
  HEADER: 'headers',
  REQUEST_PRINCIPAL: TOKEN,
  AUDIENCE: TOKEN,
  PRESENTER: TOKEN,
  CLAIM: TOKEN,
};

const OTHER = 'other';
/** Those that have rows of their own (`waypoint/observe/request-ledger.ts`). */
const USUAL = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE']);

const isOfOther = ({ kind, value }: Pattern) => kind !== 'PRESENT' && !(kind === 'EXACT' && USUAL.has(value));

/** Whether some paths of the template match, and others may not. */
function isUnclear(patterns: readonly Pattern[], paths: string): boolean {
  if (!/[{}]/.test(paths)) return false;
  const relations = patterns.map((pattern) => relationOf(pattern, paths));
  return !relations.includes('all') && relations.includes('some');
}

/** How many of the paths of a template a pattern matches. `some`: or none, where that is hard to say. */
function relationOf(pattern: Pattern, paths: string): 'all' | 'some' | 'none' {
  const { kind, value } = pattern;
  const { head, tail } = splitTemplate(paths);
  const [start = ''] = head;
  const end = tail ?? (head.length > 1 ? (head.at(-1) ?? '') : '');
  switch (kind) {
    case 'PRESENT':
      return 'all';
    case 'EXACT':
      return compilePatterns([{ kind: 'TEMPLATE', value: paths }])(value) ? 'some' : 'none';
    case 'PREFIX':
      if (start.startsWith(value)) return 'all';
      return value.startsWith(start) ? 'some' : 'none';
    case 'SUFFIX':
      if (end.endsWith(value)) return 'all';
      return value.endsWith(end) ? 'some' : 'none';
    case 'TEMPLATE':
      if (isWider(value, paths)) return 'all';
      return haveCommon(value.split('/'), paths.split('/')) ? 'some' : 'none';
    default:
      return 'some';
  }
}

/** Whether it matches whatever stands for the operators of the other one: a segment, or several. */
function isWider(template: string, paths: string): boolean {
  const matches = compilePatterns([{ kind: 'TEMPLATE', value: template }]);
  const filled = paths.replaceAll('{*}', ANY);
  // `{**}` may be nothing, too.
  return ['', ANY, `${ANY}/${ANY}`].every((any) => matches(filled.replace('{**}', any)));
}

/** Whether a path can be of both: segment by segment, from both ends up to where one leaves open what follows. */
function haveCommon(a: readonly string[], b: readonly string[]): boolean {
  const fromStart = compare(a, b);
  if (fromStart !== 'open') return fromStart === 'alike';
  return compare(a.toReversed(), b.toReversed()) !== 'different';
}

function compare(a: readonly string[], b: readonly string[]): 'alike' | 'different' | 'open' {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [one, other] = [a[i], b[i]];
    if (one === '{**}' || other === '{**}') return 'open';
    if (one === undefined || other === undefined) return 'different';
    const isSame = one === other || (one === '{*}' && other !== '') || (other === '{*}' && one !== '');
    if (!isSame) return 'different';
  }
  return 'alike';
}

/** A segment that no pattern has. */
const ANY = '\u0001';
