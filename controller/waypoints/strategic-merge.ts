/**
 * Strategic merge patch, as far as the objects of waypoints need it: maps merge, null takes away, lists of things that have a name
 * merge by it, all others are replaced. Pure. https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonMap = { readonly [key: string]: Json };

/** By what items of a list are told apart; the first that an item of the patch has. */
const MERGE_KEYS: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  env: ['name'],
  volumes: ['name'],
  volumeMounts: ['mountPath'],
  volumeDevices: ['devicePath'],
  imagePullSecrets: ['name'],
  hostAliases: ['ip'],
  topologySpreadConstraints: ['topologyKey'],
  ports: ['containerPort', 'port'],
};
const DIRECTIVE = '$patch';

const isMap = (value: Json | undefined): value is JsonMap =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `base` with the patch. */
export function strategicMerge(base: Json | undefined, patch: Json, field = ''): Json {
  if (Array.isArray(patch)) return mergeList(Array.isArray(base) ? base : [], patch, MERGE_KEYS[field] ?? []);
  if (!isMap(patch)) return patch;
  const { [DIRECTIVE]: directive, ...rest } = patch;
  const result = new Map(directive === 'replace' || !isMap(base) ? [] : Object.entries(base));
  for (const [key, value] of Object.entries(rest)) {
    if (value === null || (isMap(value) && value[DIRECTIVE] === 'delete')) result.delete(key);
    else result.set(key, strategicMerge(result.get(key), value, key));
  }
  return Object.fromEntries(result);
}

function mergeList(base: readonly Json[], patch: readonly Json[], keys: readonly string[]): Json {
  const replaces = patch.some((item) => isMap(item) && item[DIRECTIVE] === 'replace' && Object.keys(item).length === 1);
  const items = patch.filter((item) => !isMap(item) || item[DIRECTIVE] !== 'replace' || Object.keys(item).length > 1);
  const key = keys.find((name) => items.some((item) => isMap(item) && item[name] !== undefined));
  if (replaces || key === undefined) return items.map((item) => strategicMerge(undefined, item));
  const idOf = (item: Json): Json | undefined => (isMap(item) ? item[key] : undefined);
  const result = [...base];
  for (const item of items) {
    const at = result.findIndex((present) => idOf(present) !== undefined && idOf(present) === idOf(item));
    if (isMap(item) && item[DIRECTIVE] === 'delete') {
      if (at >= 0) result.splice(at, 1);
    } else if (at >= 0) result[at] = strategicMerge(result[at], item);
    else result.push(strategicMerge(undefined, item));
  }
  return result;
}
