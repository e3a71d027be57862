/** `sessionPersistence` of a rule (GEP-1619, crds.md section 15). */
import { fields, text } from '../../derive/read.ts';
import { hash32 } from '../../hash.ts';
import { isHttpName } from '../../http-names.ts';
import { hex } from '../../view/mark.ts';
import type { PathMatch, SessionPersistence } from '../model.ts';
import type { Filters } from './facts.ts';
import { type FilterProblem, isFreeHeader } from './filters.ts';
import { durationMs } from './parts.ts';

export type SessionReading = {
  /** Undefined without `sessionPersistence`. Its cookies have no path yet, which hangs on what matches. */
  readonly session?: SessionPersistence;
  readonly problems: readonly FilterProblem[];
};

/** `rule`: tells the rule from all others of the mesh, for where no name is given. */
export function readSession(written: unknown, rule: string): SessionReading {
  if (written === undefined || written === null) return { problems: [] };
  const problems: FilterProblem[] = [];
  const problem = (field: string, why: string): void => {
    problems.push({ message: `sessionPersistence.${field}: ${why}` });
  };
  const of = fields(written);
  const { type = 'Cookie' } = of;
  // Names and lifetimes are elsewhere in later versions of the API.
  const [cookie, header] = [fields(of['cookie']), fields(of['header'])];
  const lifetime = fields(of['cookieConfig'])['lifetimeType'] ?? cookie['lifetimeType'] ?? 'Session';
  const timeout = (field: string): number => {
    const ms = of[field] === undefined ? 0 : durationMs(of[field]);
    if (ms === undefined) problem(field, `${JSON.stringify(of[field])} is no duration`);
    return ms ?? 0;
  };
  const absoluteTimeoutMs = timeout('absoluteTimeout');
  const idleTimeoutMs = timeout('idleTimeout');
  const isHeader = type === 'Header';
  if (type !== 'Cookie' && !isHeader) problem('type', `${JSON.stringify(type)} is neither Cookie nor Header`);
  if (lifetime !== 'Session' && lifetime !== 'Permanent') {
    problem('cookieConfig.lifetimeType', `${JSON.stringify(lifetime)} is neither Session nor Permanent`);
  }
  const isPermanent = !isHeader && lifetime === 'Permanent';
  if (isPermanent && absoluteTimeoutMs === 0) problem('absoluteTimeout', 'is missing, and a permanent cookie needs it');
  const given = text(of['sessionName']) || text(isHeader ? header['name'] : cookie['name']);
  const name = given || `ambit-session-${hex(hash32(rule))}`;
  if (isHeader ? !isFreeHeader(name.toLowerCase()) : !isHttpName(name)) {
    problem('sessionName', `${JSON.stringify(name)} can not be the name of a ${isHeader ? 'header' : 'cookie'}`);
  }
  if (problems.length > 0) return { problems };
  const session: SessionPersistence = {
    kind: isHeader ? 'HEADER' : 'COOKIE',
    name: isHeader ? name.toLowerCase() : name,
    cookieAttributes: '',
    isPermanent,
    absoluteTimeoutMs,
    idleTimeoutMs,
  };
  return { session, problems };
}

/** As part of what a rule does. */
export function sessionIn({ session }: SessionReading): Pick<Filters, 'session'> {
  return session === undefined ? {} : { session };
}

/** The beginning of a path that an attribute of a cookie can say. */
const PATH = /^[\x21-\x3a\x3c-\x7e]*/;
/** The beginning of a pattern that stands for itself. */
const LITERAL = /^[-A-Za-z0-9_/~%]*/;

/** The session as requests with that path have it: browsers bring its cookie only where the rule holds. */
export function sessionAt(session: SessionPersistence, path: PathMatch | undefined): SessionPersistence {
  if (session.kind === 'HEADER') return session;
  // No further request of a browser is of another site's making; and tunnels, not schemes, keep it from others.
  return { ...session, cookieAttributes: `; Path=${cookiePath(path)}; HttpOnly; SameSite=Strict` };
}

function cookiePath(path: PathMatch | undefined): string {
  if (path === undefined || path.ignoreCase) return '/';
  const { kind, value } = path;
  const [begin = ''] = (kind === 'REGEX' ? LITERAL : PATH).exec(value) ?? [];
  if (begin === value && kind !== 'PREFIX' && kind !== 'REGEX') return value.startsWith('/') ? value : '/';
  return begin.slice(0, begin.lastIndexOf('/')) || '/';
}
