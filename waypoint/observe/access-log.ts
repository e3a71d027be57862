/** Lines about what is over, for those who asked for them. */
import type { AccessLog } from '../../mesh/index.ts';
import type { Entry } from './entry.ts';
import { compileFormat, type Format } from './log-format.ts';

/** Ready to be written by; none: nobody asked. */
export type Formats = readonly Format[];

/** Once per change of configuration. A format that can not be read is told, and replaced by the default of its encoding. */
export function formatsOf(logs: readonly AccessLog[], onBad: (error: unknown) => void): Formats {
  return logs.map((log) => {
    try {
      return compileFormat(log);
    } catch (error) {
      onBad(error);
      return compileFormat({ encoding: log.encoding, format: '' });
    }
  });
}

export function writeLines(formats: Formats, entry: Entry, write: (line: string) => void): void {
  for (const format of formats) write(`${format(entry)}\n`);
}
