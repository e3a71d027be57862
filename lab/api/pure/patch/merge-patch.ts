import { getKey, isObject, type Json, type JsonObject, setKey } from '../types.ts';

/** RFC 7386: objects merge, null removes, everything else replaces. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else setKey(result, key, mergePatch(getKey(result, key), value));
  }
  return result;
}
