/** Flags that are switched on at the very start, as RE2 writes them. */
const LEADING_FLAGS = /^(\^?)\(\?([ims]+)\)/;

/**
 * Compiles a regular expression that was written for RE2. What schemas and rules use means the same in JavaScript, save
 * for flags inside the pattern. Undefined when JavaScript cannot read it.
 */
export function compilePattern(source: string): RegExp | undefined {
  const [leading = '', anchor = '', inline = ''] = LEADING_FLAGS.exec(source) ?? [];
  const body = anchor + source.slice(leading.length);
  for (const unicode of ['u', '']) {
    try {
      return new RegExp(body, inline + unicode);
    } catch {
      // Some patterns escape more than the unicode mode allows: they are read without it.
    }
  }
  return undefined;
}
