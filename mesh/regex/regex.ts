/**
 * Patterns of users, run on text of callers: time is linear in the text for every pattern, so that nobody can stop a proxy with
 * one (catastrophic backtracking). States of the machine are sets of instructions, made when they are first reached and kept up to a bound.
 */
import { Alphabet } from './alphabet.ts';
import { parsePattern, RegexProblem } from './parse.ts';
import { AT_END, AT_START, EAT, FORK, MATCH, type Program, programOf } from './program.ts';
import { literalPrefix } from './syntax.ts';

/** As the API allows for a value; a program is at least as long. */
const MAX_PATTERN = 4096;
/** Of remembered states together, in numbers; when full they are made anew as needed. */
const MAX_REMEMBERED = 65_536;
/**
 * Of one match, in instructions looked at where no state was remembered: some tens of milliseconds. Linear is not enough where somebody else's pattern of a
 * thousand choices meets 60 KiB of a header that is made for it. Beyond, it does not match: decide nothing by it that must not fail.
 */
const MAX_WORK = 600_000;

type State = {
  /** Instructions that eat; what they fork to is followed already. */
  readonly eaters: readonly number[];
  readonly accepts: boolean;
  /** By letter; those not asked for yet are missing. */
  readonly next: (State | undefined)[];
};

export type CompiledRegex =
  | { readonly kind: 'regex'; readonly regex: Regex }
  /** Why it can not be run, for a person. */
  | { readonly kind: 'invalid'; readonly problem: string };

/** A pattern in the syntax of RE2, less what `parse.ts` names. */
export function compileRegex(pattern: string, ignoreCase = false): CompiledRegex {
  try {
    if (pattern.length > MAX_PATTERN) throw new RegexProblem(`it is longer than ${MAX_PATTERN} characters`);
    const syntax = parsePattern(pattern, ignoreCase);
    return { kind: 'regex', regex: new Regex(programOf(syntax), literalPrefix(syntax)) };
  } catch (error) {
    if (!(error instanceof RegexProblem)) throw error;
    return { kind: 'invalid', problem: `not a pattern that can be run: ${error.message}` };
  }
}

export class Regex {
  /** Whatever matches begins with it. */
  readonly prefix: string;
  readonly #program: Program;
  readonly #alphabet: Alphabet;
  /** By set and letter. */
  readonly #members: readonly Uint8Array[];
  readonly #states = new Map<string, State>();
  #remembered = 0;
  /** After the prefix. */
  #begin: State;
  /** Marks instructions of the closure under way, by its number. */
  readonly #seen: Uint32Array;
  #round = 0;
  /** Instructions looked at, ever. */
  #looked = 0;

  constructor(program: Program, prefix: string) {
    this.#program = program;
    this.prefix = prefix;
    this.#alphabet = new Alphabet(program.sets);
    this.#members = program.sets.map((ranges) => this.#alphabet.membership(ranges));
    this.#seen = new Uint32Array(program.ops.length);
    const start = this.#closure([program.start], true);
    this.#begin = start;
    this.#begin = this.#run(start, prefix, 0);
  }

  /** Instructions: what it takes to be kept and to be made. */
  get size(): number {
    return this.#program.ops.length;
  }

  /** Whether the pattern matches the whole text. `spend` is told of instructions looked at where no state was remembered, and may throw. */
  matches(text: string, spend?: (instructions: number) => void): boolean {
    return text.startsWith(this.prefix) && this.#run(this.#begin, text, this.prefix.length, spend).accepts;
  }

  /** The state after the rest of the text; any that accepts nothing once nothing can match any more. */
  #run(from: State, text: string, start: number, spend?: (instructions: number) => void): State {
    let state = from;
    let work = 0;
    for (let at = start; at < text.length; at++) {
      let char = text.charCodeAt(at);
      if (char >= 0xd8_00 && char < 0xdc_00) {
        char = text.codePointAt(at) ?? char;
        if (char > 0xff_ff) at++;
      }
      const letter = this.#alphabet.letterOf(char);
      const known = state.next[letter];
      if (known === undefined) {
        const before = this.#looked;
        state = this.#step(state, letter);
        work += this.#looked - before;
        if (work > MAX_WORK) return NO_MATCH;
        spend?.(this.#looked - before);
      } else {
        state = known;
      }
      if (state.eaters.length === 0 && !state.accepts) return state;
    }
    return state;
  }

  #step(state: State, letter: number): State {
    const { to, also } = this.#program;
    const from: number[] = [];
    this.#looked += state.eaters.length;
    for (const eater of state.eaters) {
      if (this.#members[also[eater] ?? 0]?.[letter] === 1) from.push(to[eater] ?? 0);
    }
    const next = this.#closure(from, false);
    state.next[letter] = next;
    return next;
  }

  /** All that is reached without eating. */
  #closure(from: readonly number[], isStart: boolean): State {
    const { ops, to, also } = this.#program;
    const eaters: number[] = [];
    const atEnd: number[] = [];
    let accepts = false;
    this.#visit(from, (at) => {
      const op = ops[at];
      if (op === EAT) eaters.push(at);
      else if (op === MATCH) accepts = true;
      else if (op === AT_END) atEnd.push(to[at] ?? 0);
      else if (op === FORK) return [to[at] ?? 0, also[at] ?? 0];
      else if (op === AT_START && isStart) return [to[at] ?? 0];
      return NOWHERE;
    });
    if (atEnd.length > 0 && !accepts) {
      // Nothing can be eaten after an end: what still matters is whether the match is reached.
      this.#visit(atEnd, (at) => {
        const op = ops[at];
        if (op === MATCH) accepts = true;
        else if (op === FORK) return [to[at] ?? 0, also[at] ?? 0];
        else if (op === AT_END || (op === AT_START && isStart)) return [to[at] ?? 0];
        return NOWHERE;
      });
    }
    return this.#stateOf(eaters, accepts);
  }

  #visit(from: readonly number[], follow: (at: number) => readonly number[]): void {
    const round = ++this.#round;
    const waiting = [...from];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      this.#looked++;
      if (this.#seen[at] === round) continue;
      this.#seen[at] = round;
      for (const next of follow(at)) waiting.push(next);
    }
  }

  #stateOf(eaters: number[], accepts: boolean): State {
    eaters.sort((a, b) => a - b);
    const key = `${accepts ? 1 : 0} ${eaters.join(' ')}`;
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const state: State = { eaters, accepts, next: [] };
    this.#remembered += eaters.length * 2 + this.#alphabet.size;
    if (this.#remembered > MAX_REMEMBERED) this.#forget();
    this.#states.set(key, state);
    return state;
  }

  /** Only the first state after the prefix stays, without those that it led to. */
  #forget(): void {
    this.#states.clear();
    this.#remembered = 0;
    if (this.#begin !== undefined) this.#begin = { ...this.#begin, next: [] };
  }
}

const NOWHERE: readonly number[] = [];
const NO_MATCH: State = { eaters: [], accepts: false, next: [] };
