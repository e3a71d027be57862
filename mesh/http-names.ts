/** RFC 9110 section 5.6.2, RFC 6265 section 4.1.1. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Whether it can name a header, a cookie, or an attribute of one: a token, as the RFCs call it. */
export function isHttpName(written: string): boolean {
  return TOKEN.test(written);
}
