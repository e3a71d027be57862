/** What files a volume made from objects holds: pure, from what the objects say at the moment. */
import { MeshError } from '../../../mesh/index.ts';
import { fieldValue, type PodFacts, resourceValue } from '../field-ref.ts';
import type { DownwardItem, Item, Pod, ProjectedSource, Volume } from '../pod.ts';
import type { FilePayload } from './atomic-writer.ts';

/** Mode of files where neither item nor volume says one. */
const DEFAULT_MODE = 0o644;

/** One shape for the four kinds of volume: a list of sources with a default mode. */
export type Projection = { readonly sources: readonly ProjectedSource[]; readonly mode: number };

/** Undefined for a volume that is not made from objects. */
export function projectionOf(volume: Volume): Projection | undefined {
  const { configMap, secret, downwardAPI, projected } = volume;
  const one = (source: ProjectedSource, mode?: number) => ({ sources: [source], mode: mode ?? DEFAULT_MODE });
  if (configMap) return one({ configMap }, configMap.defaultMode);
  if (downwardAPI) return one({ downwardAPI }, downwardAPI.defaultMode);
  if (secret) {
    const { secretName = '', defaultMode, ...rest } = secret;
    return one({ secret: { ...rest, name: secretName } }, defaultMode);
  }
  return projected && { sources: projected.sources ?? [], mode: projected.defaultMode ?? DEFAULT_MODE };
}

export type Lookup = {
  readonly data: (kind: 'ConfigMap' | 'Secret', name: string) => ReadonlyMap<string, Buffer> | undefined;
  readonly token: (source: NonNullable<ProjectedSource['serviceAccountToken']>) => string;
};

/** @throws MeshError VOLUME_SOURCE_MISSING when an object or a key is not there and not optional. */
export function projectedFiles(
  projection: Projection,
  pod: Pod,
  facts: PodFacts,
  lookup: Lookup,
): ReadonlyMap<string, FilePayload> {
  const files = new Map<string, FilePayload>();
  const put = (path: string, data: Buffer, mode?: number) => files.set(path, { data, mode: mode ?? projection.mode });
  for (const source of projection.sources) {
    const { configMap, secret, downwardAPI, serviceAccountToken } = source;
    for (const [kind, ref] of [
      ['ConfigMap', configMap],
      ['Secret', secret],
    ] as const) {
      if (ref === undefined) continue;
      const name = ref.name ?? '';
      const data = lookup.data(kind, name);
      if (data === undefined) {
        if (ref.optional === true) continue;
        throw missing(`${kind.toLowerCase()} "${name}" not found`);
      }
      for (const { path, bytes, mode } of chosen(data, ref.items, `${kind} "${name}"`, ref.optional === true)) {
        put(path, bytes, mode);
      }
    }
    for (const item of downwardAPI?.items ?? []) put(item.path, Buffer.from(downward(item, pod, facts)), item.mode);
    if (serviceAccountToken) put(serviceAccountToken.path, Buffer.from(lookup.token(serviceAccountToken)));
  }
  return files;
}

function* chosen(
  data: ReadonlyMap<string, Buffer>,
  items: readonly Item[] | undefined,
  name: string,
  optional: boolean,
): Generator<{ readonly path: string; readonly bytes: Buffer; readonly mode?: number }> {
  if (items === undefined) {
    for (const [path, bytes] of data) yield { path, bytes };
    return;
  }
  for (const { key, path, mode } of items) {
    const bytes = data.get(key);
    if (bytes !== undefined) yield { path, bytes, ...(mode !== undefined && { mode }) };
    else if (!optional) throw missing(`${name} has no key "${key}"`);
  }
}

function downward(item: DownwardItem, pod: Pod, facts: PodFacts): string {
  if (item.fieldRef) return fieldValue(pod, facts, item.fieldRef.fieldPath);
  const ref = item.resourceFieldRef;
  const container = pod.spec.containers.find((c) => c.name === ref?.containerName);
  if (ref === undefined || container === undefined) {
    throw missing(`downwardAPI item "${item.path}" names neither a field nor a container's resource`);
  }
  return resourceValue(container, facts, ref);
}

const missing = (message: string) => new MeshError('VOLUME_SOURCE_MISSING', message);
