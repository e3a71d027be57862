/** Lines about what is over, for those who asked for them. */
import { type AccessLog, type Attributes, compileLogFilter, type LogFilter } from '../../mesh/index.ts';
import { attributesOf } from './attributes.ts';
import type { Entry } from './entry.ts';
import { compileFormat, type Format } from './log-format.ts';

/** Ready to be written by; none: nobody asked. */
export type Logs = readonly Log[];

type Log = { readonly format: Format; readonly filter: LogFilter | undefined };

/**
 * Once per change of configuration. A format that can not be read is told, and replaced by the default of its encoding; a filter that can
 * not be read is told, and holds nothing back.
 */
export function logsOf(logs: readonly AccessLog[], onBad: (problem: unknown) => void): Logs {
  return logs.map((log) => ({ format: formatOf(log, onBad), filter: filterOf(log, onBad) }));
}

export function writeLines(logs: Logs, entry: Entry, write: (line: string) => void): void {
  let attributes: Attributes | undefined;
  for (const { format, filter } of logs) {
    if (filter !== undefined) {
      attributes ??= attributesOf(entry);
      if (!filter(attributes)) continue;
    }
    write(`${format(entry)}\n`);
  }
}

function formatOf(log: AccessLog, onBad: (problem: unknown) => void): Format {
  try {
    return compileFormat(log);
  } catch (error) {
    onBad(error);
    return compileFormat({ encoding: log.encoding, format: '' });
  }
}

function filterOf({ filter }: AccessLog, onBad: (problem: unknown) => void): LogFilter | undefined {
  if (filter === '') return undefined;
  const compiled = compileLogFilter(filter);
  if (compiled.kind === 'compiled') return compiled.ask;
  onBad(new Error(`filter ${filter}: ${compiled.problem}`));
  return undefined;
}
