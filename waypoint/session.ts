/** Sessions of rules that ask for them: found by the token that a request brings, told with the answer where it is news. */
import type { HttpResponse } from '../core/http/index.ts';
import type { HttpBackend, Session, Sessions } from '../mesh/index.ts';
import { cookieValues } from './cookies.ts';
import type { Exchange } from './exchange.ts';
import type { Endpoints } from './upstream/endpoints.ts';

export type SessionParts = {
  readonly endpoints: Pick<Endpoints, 'marked'>;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
};

/** With the uid of the workload that it leads to. */
export type KeptSession = Session & { readonly uid: string };

/** Browsers bring several where paths lie in one another; more than that mean nothing good. */
const MOST_TOKENS = 8;

/** The session that a request belongs to, if it can go on. */
export function sessionOf({ endpoints, wallClock }: SessionParts, sessions: Sessions, { request }: Exchange) {
  const { kind, name } = sessions.policy;
  const tokens = kind === 'HEADER' ? request.headers.all(name) : cookieValues(request, name);
  const now = secondsOf(wallClock);
  for (const token of tokens.slice(0, MOST_TOKENS)) {
    const session = sessions.read(token, now);
    if (session === undefined) continue;
    const { service, port } = session.backend;
    const uid = endpoints.marked(service, port, session.mark)?.workload.uid;
    if (uid !== undefined) return { ...session, uid } satisfies KeptSession;
  }
  return undefined;
}

export type Told = {
  readonly x: Exchange;
  readonly sessions: Sessions;
  /** It began with this answer, or was `kept`. */
  readonly kept: KeptSession | undefined;
  readonly backend: HttpBackend;
};

/** Tells the caller with the answer, unless it knows. What no endpoint answered begins no session. */
export async function withSession(
  { wallClock }: SessionParts,
  pending: HttpResponse | Promise<HttpResponse>,
  { x, sessions, kept, backend }: Told,
): Promise<HttpResponse> {
  const response = await pending;
  const uid = x.sent.at(-1)?.workload.uid;
  const isSame = kept?.uid === uid;
  if (uid === undefined || (isSame && !kept?.isAgeing)) return response;
  const now = secondsOf(wallClock);
  const begun = isSame && kept !== undefined ? kept.begun : now;
  const { name, value } = sessions.header(backend, uid, begun, now);
  if (name === 'set-cookie') response.headers.append(name, value);
  else response.headers.set(name, value);
  return response;
}

function secondsOf(wallClock: () => number): number {
  return Math.floor(wallClock() / 1000);
}
