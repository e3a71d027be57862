import { stringify } from 'yaml';
import { UsageError } from './errors.ts';
import { formatTable } from './table.ts';

const OUTPUT_FORMATS = ['short', 'json', 'yaml'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** The value of `-o`. `table` is accepted for `short`. Throws UsageError. */
export function parseOutputFormat(text: string): OutputFormat {
  if (text === 'table') return 'short';
  const format = OUTPUT_FORMATS.find((known) => known === text);
  if (format === undefined) throw new UsageError(`-o ${text}: expected one of ${OUTPUT_FORMATS.join(', ')}`);
  return format;
}

export type Table = { readonly header: readonly string[]; readonly rows: readonly (readonly string[])[] };

/** One answer in the form that was asked for: data for machines, text for people. */
export function show(format: OutputFormat, data: unknown, text: () => string): string {
  switch (format) {
    case 'json':
      return JSON.stringify(data, null, 2);
    case 'yaml':
      return stringify(data, { aliasDuplicateObjects: false }).trimEnd();
    case 'short':
      return text();
    default:
      return format satisfies never;
  }
}

/** One answer in the form that was asked for: data for machines, a table (or what `empty` says) for people. */
export function render(format: OutputFormat, data: unknown, table: () => Table, empty: string): string {
  return show(format, data, () => {
    const { header, rows } = table();
    return rows.length === 0 ? empty : formatTable(header, rows);
  });
}
