/** Lines of a ztunnel's plain log. */

export type LogLine = {
  readonly level: string;
  readonly scope: string;
  readonly message: string;
  /** Quotes taken off. */
  readonly fields: Readonly<Record<string, string>>;
};

const FIELD = /([\w.-]+)=("(?:[^"\\]|\\.)*"|\S*)/g;

/** Undefined for what is not a log line. */
export function parseLogLine(text: string): LogLine | undefined {
  const [, level, scope, message, rest] = text.split('\t');
  if (level === undefined || scope === undefined || message === undefined) return undefined;
  const fields: Record<string, string> = {};
  for (const [, key = '', value = ''] of (rest ?? '').matchAll(FIELD)) {
    fields[key] = value.startsWith('"') ? (JSON.parse(value) as string) : value;
  }
  return { level, scope, message, fields };
}

/** Whether a line has all these values; a pattern is for what varies. */
export function hasFields(line: LogLine, wanted: Readonly<Record<string, string | RegExp>>): boolean {
  return Object.entries(wanted).every(([key, want]) => {
    const value = line.fields[key];
    return value !== undefined && (typeof want === 'string' ? value === want : want.test(value));
  });
}
