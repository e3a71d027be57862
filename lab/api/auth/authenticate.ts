/** Finds out who sends a request: client certificate, else bearer token, else nobody. */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { AUTHENTICATED, type Caller } from './caller.ts';
import { API_AUDIENCE, type Tokens } from './tokens.ts';

const list = (value: string | string[] | undefined): readonly string[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

function byCertificate(socket: TLSSocket): Caller | undefined {
  if (socket.authorized !== true) return undefined;
  const subject = socket.getPeerCertificate()?.subject;
  const username = list(subject?.CN)[0];
  if (username === undefined) return undefined;
  return { username, uid: '', groups: [...list(subject?.O), AUTHENTICATED], extra: {} };
}

/** The caller, or undefined for nobody: no credentials, or credentials that prove nothing. */
export async function authenticate(request: IncomingMessage, tokens: Tokens): Promise<Caller | undefined> {
  const header = request.headers.authorization;
  if (header === undefined) return byCertificate(request.socket as TLSSocket);
  const token = /^bearer\s+(\S+)$/i.exec(header)?.[1];
  const verified = token === undefined ? undefined : await tokens.verify(token);
  return verified?.audiences.includes(API_AUDIENCE) ? verified.caller : undefined;
}
