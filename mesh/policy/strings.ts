/** Lists of string patterns, compiled so that the common case (exact values) is one set lookup. */
import type { StringMatch } from '../model.ts';

export type CompiledStrings = {
  readonly exact: ReadonlySet<string>;
  readonly prefixes: readonly string[];
  readonly suffixes: readonly string[];
  readonly presence: boolean;
};

export function compileStrings(matches: readonly StringMatch[]): CompiledStrings {
  const exact = new Set<string>();
  const prefixes: string[] = [];
  const suffixes: string[] = [];
  let presence = false;
  for (const m of matches) {
    if (m.kind === 'exact') exact.add(m.value);
    else if (m.kind === 'prefix') prefixes.push(m.value);
    else if (m.kind === 'suffix') suffixes.push(m.value);
    else presence = true;
  }
  return { exact, prefixes, suffixes, presence };
}

/** Whether any of the patterns matches. Presence asks for a value that is not empty. */
export function matchesAny(strings: CompiledStrings, value: string): boolean {
  if (strings.exact.has(value)) return true;
  if (strings.presence && value !== '') return true;
  for (const prefix of strings.prefixes) if (value.startsWith(prefix)) return true;
  for (const suffix of strings.suffixes) if (value.endsWith(suffix)) return true;
  return false;
}

/** `exact`, `prefix*`, `*suffix`, `*`: as policies write it. */
export function formatStringMatch(m: StringMatch): string {
  switch (m.kind) {
    case 'exact':
      return m.value;
    case 'prefix':
      return `${m.value}*`;
    case 'suffix':
      return `*${m.value}`;
    case 'presence':
      return '*';
    default:
      return m satisfies never;
  }
}
