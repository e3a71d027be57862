/** Identifiers that sort by time: 48 bits of milliseconds and 80 random bits in Crockford's base 32 (the ULID layout). */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_DIGITS = 10;
const RANDOM_DIGITS = 16;

/** `random` in [0, 1). Not a secret: who knows one may guess others. */
export function ulid(nowMs: number, random: () => number): string {
  let time = '';
  for (let left = nowMs, i = 0; i < TIME_DIGITS; i += 1, left = Math.floor(left / 32)) {
    time = ALPHABET.charAt(left % 32) + time;
  }
  let tail = '';
  for (let i = 0; i < RANDOM_DIGITS; i += 1) tail += ALPHABET.charAt(Math.floor(random() * 32));
  return time + tail;
}
