/**
 * Session persistence of a rule (GEP-1619): the token that a client gets with an answer, and what one says that it brings along.
 * It names a backend of the rule and an endpoint, each by a hash, and nobody keeps anything: every proxy that knows the rule and its
 * endpoints reads it. A client that makes one up gets no further than to an endpoint that chance could have sent it to, and its times
 * bind only itself; hence it is not signed, and no proxy needs a key.
 *
 *     backend (8 digits) mark of the endpoint (16) [. begun . last seen (seconds, base 36)]
 */
import { hash32 } from '../hash.ts';
import { hex, markOf } from '../view/mark.ts';
import type { HttpBackend, SessionPersistence } from './model.ts';

/** What a good token says. */
export type Session = {
  readonly backend: HttpBackend;
  readonly mark: string;
  /** Seconds. */
  readonly begun: number;
  /** Goes on only if the client is told so. */
  readonly isAgeing: boolean;
};

/** `Set-Cookie`, or the header of the session. */
type SessionHeader = { readonly name: string; readonly value: string };

const TOKEN = /^([0-9a-f]{8})([0-9a-f]{16})(?:\.([0-9a-z]{1,8})\.([0-9a-z]{1,8}))?$/;
/** Clocks of proxies differ by so much. */
const SKEW_SECONDS = 60;
/** Of the idle timeout: a client that was seen more lately is not told again. */
const AGEING_SHARE = 1 / 8;

/** The sessions of one rule. */
export class Sessions {
  readonly #policy: SessionPersistence;
  readonly #byHash: ReadonlyMap<string, HttpBackend>;
  readonly #absolute: number;
  readonly #idle: number;

  constructor(policy: SessionPersistence, backends: readonly HttpBackend[]) {
    this.#policy = policy;
    // What can not be had, and what sends the caller elsewhere, has no sessions. One without weight keeps those that it has.
    const some = backends.filter(({ invalidStatus, redirect }) => invalidStatus === 0 && redirect === undefined);
    this.#byHash = new Map(some.toReversed().map((backend) => [hashOfBackend(backend), backend]));
    this.#absolute = Math.ceil(policy.absoluteTimeoutMs / 1000);
    this.#idle = Math.ceil(policy.idleTimeoutMs / 1000);
  }

  get policy(): SessionPersistence {
    return this.#policy;
  }

  /** `now`: seconds. Undefined: it is none of this rule, or is over. */
  read(token: string, now: number): Session | undefined {
    const [, hash, mark, begunText, seenText] = TOKEN.exec(token) ?? [];
    const backend = hash === undefined ? undefined : this.#byHash.get(hash);
    if (backend === undefined || mark === undefined) return undefined;
    if (this.#absolute === 0 && this.#idle === 0) return { backend, mark, begun: now, isAgeing: false };
    if (begunText === undefined || seenText === undefined) return undefined;
    const [begun, seen] = [Number.parseInt(begunText, 36), Number.parseInt(seenText, 36)];
    if (begun > now + SKEW_SECONDS || seen > now + SKEW_SECONDS) return undefined;
    if (this.#absolute > 0 && now - begun >= this.#absolute) return undefined;
    if (this.#idle > 0 && now - seen >= this.#idle) return undefined;
    return { backend, mark, begun, isAgeing: this.#idle > 0 && now - seen >= this.#idle * AGEING_SHARE };
  }

  /** For an answer of that endpoint, in a session that began then; seconds. */
  header(of: Pick<HttpBackend, 'service' | 'port'>, uid: string, begun: number, now: number): SessionHeader {
    const { kind, name, cookieAttributes, isPermanent } = this.#policy;
    const times = this.#absolute > 0 || this.#idle > 0 ? `.${begun.toString(36)}.${now.toString(36)}` : '';
    const token = `${hashOfBackend(of)}${markOf(uid)}${times}`;
    if (kind === 'HEADER') return { name, value: token };
    const age = isPermanent ? `; Max-Age=${Math.max(1, this.#absolute - (now - begun))}` : '';
    return { name: 'set-cookie', value: `${name}=${token}${age}${cookieAttributes}` };
  }
}

function hashOfBackend({ service, port }: Pick<HttpBackend, 'service' | 'port'>): string {
  return hex(hash32(`${service}:${port}`));
}
