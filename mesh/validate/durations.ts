/** Durations as Go writes them: `1h30m`, `5s`, `10ms` (crds.md section 1.3). */
import { quote } from './findings.ts';
import { text } from './shape.ts';

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/y;

/** At least one millisecond. */
export const duration = text({
  reason: (written) => {
    const ms = parseDuration(written);
    if (ms === undefined) return `${quote(written)} is no duration, such as 5s or 100ms`;
    return ms < 1 ? `${quote(written)} is shorter than 1ms` : undefined;
  },
});

/** Milliseconds; undefined when it is no duration. */
export function parseDuration(written: string): number | undefined {
  if (written === '' || written.length > 40) return undefined;
  let ms = 0;
  PART.lastIndex = 0;
  while (PART.lastIndex < written.length) {
    const part = PART.exec(written);
    if (part === null) return undefined;
    ms += Number(part[1]) * (UNITS_MS[part[2] ?? ''] ?? 0);
  }
  return ms;
}
