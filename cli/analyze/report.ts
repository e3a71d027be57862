/** Findings as people and machines read them. */
import { CODES, type Finding, formatRef, SEVERITIES } from '../../mesh/index.ts';
import { type OutputFormat, show, type Table } from '../output.ts';
import type { Loaded } from './load.ts';

/** A finding with where its object stands, when that is a file. */
export type Located = Finding & { readonly name: string; readonly origin?: string };

export function located(found: Finding, { originOf }: Loaded): Located {
  const origin = originOf(found.object);
  const { code, ...rest } = found;
  return { code, name: CODES[code].name, ...rest, ...(origin !== undefined && { origin }) };
}

export function report(format: OutputFormat, found: readonly Located[], looked: string): string {
  return show(format, found, () => [...found.map(paragraph), `${summary(found)} ${looked}`].join('\n\n'));
}

/** One finding, in three lines. */
export function paragraph({ code, name, severity, object, origin, field, message, fix }: Located): string {
  const place = origin === undefined ? '' : ` (${origin})`;
  const what = field === undefined ? message : `${field}: ${message}`;
  return `${severity} ${code} ${name}: ${formatRef(object)}${place}\n  ${what}\n  fix: ${fix}`;
}

/** `1 error, 2 warnings.` */
export function summary(found: readonly Finding[]): string {
  if (found.length === 0) return 'Nothing found.';
  const counts = SEVERITIES.map((severity) => ({
    severity,
    count: found.filter((one) => one.severity === severity).length,
  })).filter(({ count }) => count > 0);
  return `${counts.map(({ severity, count }) => (severity === 'info' ? `${count} info` : `${count} ${severity}${count === 1 ? '' : 's'}`)).join(', ')}.`;
}

/** What `--list` shows. */
export function codeList(): readonly { code: string; name: string; severity: string; meaning: string }[] {
  return Object.entries(CODES).map(([code, facts]) => ({ code, ...facts }));
}

export function codeTable(): Table {
  return {
    header: ['CODE', 'NAME', 'SEVERITY', 'FOUND WHEN'],
    rows: codeList().map(({ code, name, severity, meaning }) => [code, name, severity, meaning]),
  };
}
