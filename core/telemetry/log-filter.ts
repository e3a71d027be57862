import { MeshError } from '../../mesh/index.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace';
type Threshold = LogLevel | 'off';

const RANK: Readonly<Record<Threshold, number>> = { off: 0, error: 1, warn: 2, info: 3, debug: 4, trace: 5 };

function isThreshold(text: string): text is Threshold {
  return Object.hasOwn(RANK, text);
}

/**
 * Which lines are written: a level for everything, and levels for single scopes, in the manner of `RUST_LOG`:
 * `info,xds=debug,access=off`. The longest scope that is a `::`-wise prefix of a line's target wins.
 */
export class LogFilter {
  #initial: string;
  #root: Threshold = 'error';
  #scopes = new Map<string, Threshold>();
  #listeners: (() => void)[] = [];
  /** Answers by target; a lookup per line must not walk the directives. */
  #cache = new Map<string, number>();

  /** Throws `LOG_FILTER_INVALID`. */
  constructor(directives: string) {
    this.#initial = directives;
    this.add(directives);
  }

  /** Adds or replaces directives; all of them or, when one is malformed, none. Throws `LOG_FILTER_INVALID`. */
  add(directives: string): void {
    const parsed = parseDirectives(directives);
    for (const [scope, level] of parsed) {
      if (scope === '') this.#root = level;
      else this.#scopes.set(scope, level);
    }
    this.#cache.clear();
    for (const listener of this.#listeners) listener();
  }

  /** Called after every change. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Back to what the process was started with. */
  reset(): void {
    this.#root = 'error';
    this.#scopes.clear();
    this.add(this.#initial);
  }

  /** `shortName` is the other spelling under which a directive may name this target. */
  allows(target: string, level: LogLevel, shortName?: string): boolean {
    let rank = this.#cache.get(target);
    if (rank === undefined) {
      rank = RANK[this.#thresholdOf(target) ?? this.#thresholdOf(shortName ?? '') ?? this.#root];
      this.#cache.set(target, rank); // bounded: targets are names in our source
    }
    return RANK[level] <= rank;
  }

  /** The filter in force, as `RUST_LOG` would spell it. */
  toString(): string {
    return [...[...this.#scopes].map(([scope, level]) => `${scope}=${level}`), this.#root].join(',');
  }

  #thresholdOf(target: string): Threshold | undefined {
    for (let scope = target; scope !== ''; scope = scope.slice(0, Math.max(0, scope.lastIndexOf('::')))) {
      const level = this.#scopes.get(scope);
      if (level !== undefined) return level;
    }
    return undefined;
  }
}

/** Scope (empty for all) to level. A scope alone means everything of it, as in `RUST_LOG`. */
function parseDirectives(text: string): readonly (readonly [string, Threshold])[] {
  const directives: (readonly [string, Threshold])[] = [];
  for (const item of text.split(',').map((part) => part.trim())) {
    if (item === '') continue;
    const equals = item.indexOf('=');
    const scope = equals < 0 ? '' : item.slice(0, equals);
    const level = item.slice(equals + 1).toLowerCase();
    if (isThreshold(level)) directives.push([scope, level]);
    else if (equals < 0 && /^[a-zA-Z_][\w:-]*$/.test(item)) directives.push([item, 'trace']);
    else throw new MeshError('LOG_FILTER_INVALID', `not a log directive: "${item}"`);
  }
  return directives;
}
