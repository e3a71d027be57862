/** Times in log lines: most lines of one second follow one another, and only their milliseconds differ. */

/** RFC 3339 in UTC with milliseconds, of milliseconds since 1970; a fraction of one is left out. */
export function timestamps(): (ms: number) => string {
  let second = Number.NaN;
  let text = '';
  return (ms) => {
    const whole = Math.floor(ms / 1_000);
    if (whole !== second) {
      second = whole;
      text = new Date(whole * 1_000).toISOString().slice(0, -4); // without `000Z`
    }
    const rest = Math.floor(ms) - whole * 1_000;
    return `${text}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`;
  };
}
