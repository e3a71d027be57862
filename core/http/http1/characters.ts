/** Which bytes may stand where (RFC 9110 section 5.6.2, RFC 9112 section 3.2), as tables by byte. */

export const CR = 13;
export const LF = 10;
export const SPACE = 32;
export const TAB = 9;
export const COLON = 58;

/** 1: may stand in a token. 2: so may this, and it is a capital letter. */
export const TOKEN = new Uint8Array(256);
for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") TOKEN[c.charCodeAt(0)] = 1;
for (let c = 65; c <= 90; c += 1) TOKEN[c] = 2;

/** May stand in a field value: visible bytes, space, tab, and the upper half (obs-text), which passes as it is. */
export const VALUE = new Uint8Array(256);
for (let c = 0x20; c <= 0xff; c += 1) VALUE[c] = 1;
VALUE[TAB] = 1;
VALUE[0x7f] = 0;

/** May stand in a target: visible ASCII. A fragment is never sent, and bytes above ASCII are read in more than one way. */
export const TARGET = new Uint8Array(256);
for (let c = 0x21; c <= 0x7e; c += 1) TARGET[c] = 1;
TARGET['#'.charCodeAt(0)] = 0;

/** Whether all of it is a token; not empty. */
export function isToken(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const c = text.charCodeAt(at);
    if (c > 255 || TOKEN[c] === 0) return false;
  }
  return text.length > 0;
}

const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|(?!\.|[^:]*\.\.)[A-Za-z0-9._~-]{1,255})(?::[0-9]{1,5})?$/;

/**
 * Whether it names a host, with or without a port, in the one way that everybody reads alike: no user, no percent-encoding, no
 * list, no empty port, no empty label (some take `a..` for `a`).
 */
export const isAuthority = (text: string): boolean => AUTHORITY.test(text);
