/** Our entry in the node's CNI configuration: which file, where in it, and out of it again. Pure. */
import { MeshError } from '../../../mesh/index.ts';

const PLUGIN_TYPE = 'istio-cni';

export type ConfFile = { readonly name: string; readonly text: string };
type Plugin = Readonly<Record<string, unknown>> & { readonly type: string };
type ConfList = Readonly<Record<string, unknown>> & { readonly plugins: readonly Plugin[] };
type Parsed = { readonly kind: 'single'; readonly plugin: Plugin } | { readonly kind: 'list'; readonly list: ConfList };

/** Written as the specification's maps come out: sorted keys, two spaces, a newline at the end. */
export function formatConf(value: unknown): string {
  return `${JSON.stringify(sorted(value), undefined, 2)}\n`;
}

/** The file that the container runtime uses: the first, by name, that is a usable configuration. */
export function firstValid(files: readonly ConfFile[]): ConfFile | undefined {
  return [...files]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .find((file) => /\.conf(list)?$/.test(file.name) && parse(file) !== undefined);
}

/** The name of the file once our entry is in: a `.conf` holds one plugin, so it becomes a `.conflist`. */
export function chainedName(name: string): string {
  return name.endsWith('.conf') ? `${name}list` : name;
}

/**
 * The configuration with our entry as the last plugin, and no other entry of ours.
 * @throws MeshError CNI_CONF_INVALID
 */
export function withEntry(file: ConfFile, entry: Readonly<Record<string, unknown>>): string {
  const parsed = mustParse(file);
  if (parsed.kind === 'single') {
    const { cniVersion: _, ...plugin } = parsed.plugin;
    return formatConf({ name: 'k8s-pod-network', cniVersion: '0.3.1', plugins: [plugin, entry] });
  }
  return formatConf({ ...parsed.list, plugins: [...others(parsed.list), entry] });
}

/** The configuration without our entry. @throws MeshError CNI_CONF_INVALID */
export function withoutEntry(file: ConfFile): string {
  const parsed = mustParse(file);
  return parsed.kind === 'single' ? file.text : formatConf({ ...parsed.list, plugins: others(parsed.list) });
}

/** Whether our entry is the last plugin of the file, with exactly these contents. */
export function hasEntry(file: ConfFile, entry: Readonly<Record<string, unknown>>): boolean {
  const parsed = parse(file);
  if (parsed?.kind !== 'list') return false;
  const mine = parsed.list.plugins.filter((plugin) => plugin.type === PLUGIN_TYPE);
  return mine.length === 1 && formatConf(mine[0]) === formatConf(entry) && parsed.list.plugins.at(-1) === mine[0];
}

/** The plugins of a file without ours, to tell whether another program has changed them. */
export function foreignPlugins(file: ConfFile): string {
  const parsed = parse(file);
  if (parsed === undefined) return '';
  const plugins = parsed.kind === 'single' ? [parsed.plugin] : others(parsed.list);
  return formatConf(plugins.map(({ cniVersion: _, ...plugin }) => plugin));
}

const others = (list: ConfList) => list.plugins.filter((plugin) => plugin.type !== PLUGIN_TYPE);

function mustParse(file: ConfFile): Parsed {
  const parsed = parse(file);
  if (parsed === undefined) throw new MeshError('CNI_CONF_INVALID', `${file.name} is not a usable CNI configuration`);
  return parsed;
}

function parse(file: ConfFile): Parsed | undefined {
  let value: unknown;
  try {
    value = JSON.parse(file.text);
  } catch {
    return undefined; // another program is writing it, or it is not ours to judge: the runtime skips it as well
  }
  if (!isRecord(value)) return undefined;
  if (file.name.endsWith('.conflist')) {
    const { name, plugins } = value;
    const usable = typeof name === 'string' && Array.isArray(plugins) && plugins.length > 0 && plugins.every(isPlugin);
    return usable ? { kind: 'list', list: value as ConfList } : undefined;
  }
  return isPlugin(value) ? { kind: 'single', plugin: value } : undefined;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isPlugin = (value: unknown): value is Plugin =>
  isRecord(value) && typeof value['type'] === 'string' && value['type'] !== '';

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}
