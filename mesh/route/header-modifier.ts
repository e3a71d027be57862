/** Headers that a route sets, adds and removes. */
import type { HeaderModifier } from './model.ts';

/** `HeaderFields` of core/http is one. Names in lower case. */
export type MutableHeaders = {
  set(name: string, value: string): void;
  append(name: string, value: string): void;
  remove(name: string): void;
};

/** Removes first, then sets, then adds: what is removed and set again is there. */
export function modifyHeaders({ remove, set, add }: HeaderModifier, headers: MutableHeaders): void {
  for (const name of remove) headers.remove(name);
  for (const { name, value } of set) headers.set(name, value);
  for (const { name, value } of add) headers.append(name, value);
}
