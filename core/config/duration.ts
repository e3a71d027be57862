import { MeshError } from '../../mesh/index.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
const TERM = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/y;

/**
 * Milliseconds of a duration as Go writes it: `300ms`, `1.5h`, `1h30m`, or a bare `0`. Fractions of a millisecond stay
 * fractions. Throws `DURATION_MALFORMED`; a negative duration is malformed, since nothing here can wait backwards.
 */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  let total = 0;
  TERM.lastIndex = 0;
  let consumed = 0;
  for (let term = TERM.exec(text); term !== null; term = TERM.exec(text)) {
    total += Number(term[1]) * (UNIT_MS[term[2] ?? ''] ?? Number.NaN);
    consumed = TERM.lastIndex;
  }
  if (consumed === 0 || consumed !== text.length) {
    throw new MeshError('DURATION_MALFORMED', `not a duration such as 300ms, 5s or 1h30m: "${text}"`);
  }
  return total;
}
