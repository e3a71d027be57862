/** What stands for an endpoint towards clients: the same wherever it is known, and no name that says something of the mesh. */
import { hash32 } from '../hash.ts';

/** Seeds, other than those of hash tables. */
const [FIRST, SECOND] = [4, 5] as const;

/** 16 hexadecimal digits. Nothing is kept secret by it: whoever finds a mark has found one of the endpoints that anybody may be sent to. */
export function markOf(uid: string): string {
  return hex(hash32(uid, FIRST)) + hex(hash32(uid, SECOND));
}

export function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
