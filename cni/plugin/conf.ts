/** What the container runtime hands the plugin: configuration on standard input, the rest in the environment. */
import type { EnablementSelector } from '../../mesh/index.ts';
import { CniError } from './cni-error.ts';

/** One address of a CNI result, as of 0.3.0. */
export type ResultIp = { readonly address: string; readonly gateway?: string; readonly interface?: number };
export type CniResult = {
  readonly cniVersion?: string;
  readonly ips?: readonly ResultIp[];
  readonly [field: string]: unknown;
};

export type PluginConf = {
  readonly cniVersion: string;
  readonly logLevel: string;
  readonly runDir: string;
  readonly ambientEnabled: boolean;
  readonly selectors: readonly EnablementSelector[];
  readonly excludedNamespaces: readonly string[];
  readonly agentNamespace: string;
  readonly detectionRetry: boolean;
  readonly prevResult: CniResult | undefined;
};

/** All published versions of the CNI specification that have this shape of configuration. */
export const CNI_VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;
const DEFAULT_VERSION = '0.1.0'; // what a configuration without a version means, by the specification

type Fields = Readonly<Record<string, unknown>>;

/**
 * Parses standard input by hand: the plugin starts for every pod, so it loads no schema library.
 * @throws CniError 1 for a version we do not know, 6 for what is not JSON, 7 for a field of the wrong kind.
 */
export function parseConf(stdin: string): PluginConf {
  const conf = parseObject(stdin);
  const text = (name: string, fallback: string): string => {
    const value = conf[name] ?? fallback;
    if (typeof value !== 'string') throw wrong(name, 'a string');
    return value;
  };
  const flag = (name: string): boolean => {
    const value = conf[name] ?? false;
    if (typeof value !== 'boolean') throw wrong(name, 'true or false');
    return value;
  };
  const cniVersion = text('cniVersion', DEFAULT_VERSION);
  if (!CNI_VERSIONS.some((known) => known === cniVersion)) {
    throw new CniError(
      1,
      'incompatible CNI version',
      `configuration is ${cniVersion}, supported: ${CNI_VERSIONS.join(', ')}`,
    );
  }
  return {
    cniVersion,
    logLevel: text('plugin_log_level', 'info'),
    runDir: text('cni_agent_run_dir', '/var/run/istio-cni'),
    ambientEnabled: flag('ambient_enabled'),
    selectors: list(conf, 'enablement_selectors', isSelector, 'selectors'),
    excludedNamespaces: list(conf, 'exclude_namespaces', isText, 'strings'),
    agentNamespace: text('pod_namespace', ''),
    detectionRetry: flag('enable_ambient_detection_retry'),
    prevResult: parsePrevResult(conf['prevResult']),
  };
}

function parseObject(stdin: string): Fields {
  let conf: unknown;
  try {
    conf = JSON.parse(stdin);
  } catch (cause) {
    throw new CniError(6, 'the configuration on standard input is not JSON', String(cause));
  }
  if (!isFields(conf)) throw new CniError(6, 'the configuration on standard input is not an object');
  return conf;
}

function parsePrevResult(value: unknown): CniResult | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isFields(value)) throw wrong('prevResult', 'an object');
  const ips = value['ips'];
  if (ips !== undefined && ips !== null) {
    if (!Array.isArray(ips) || !ips.every((ip) => isFields(ip) && typeof ip['address'] === 'string')) {
      throw wrong('prevResult.ips', 'a list of objects with an address');
    }
  }
  return value as CniResult;
}

function list<T>(conf: Fields, name: string, fits: (item: unknown) => item is T, what: string): readonly T[] {
  const value = conf[name] ?? [];
  if (!Array.isArray(value) || !value.every(fits)) throw wrong(name, `a list of ${what}`);
  return value;
}

const isText = (item: unknown): item is string => typeof item === 'string';

/** Each half is absent or a LabelSelector; a misspelt operator must not make a selector that selects everything. */
function isSelector(item: unknown): item is EnablementSelector {
  if (!isFields(item)) return false;
  return ['podSelector', 'namespaceSelector'].every((half) => item[half] === undefined || isLabelSelector(item[half]));
}

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'];

function isLabelSelector(value: unknown): boolean {
  if (!isFields(value)) return false;
  const labels = value['matchLabels'] ?? {};
  const expressions = value['matchExpressions'] ?? [];
  return (
    isFields(labels) &&
    Object.values(labels).every((label) => typeof label === 'string') &&
    Array.isArray(expressions) &&
    expressions.every((e) => isFields(e) && typeof e['key'] === 'string' && OPERATORS.includes(String(e['operator'])))
  );
}

function wrong(name: string, wanted: string): CniError {
  return new CniError(7, `invalid network configuration: ${name} must be ${wanted}`);
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `KEY=value;KEY=value` of CNI_ARGS; empty for what is not there. */
export function parseCniArgs(text: string): { readonly podName: string; readonly podNamespace: string } {
  const values = new Map<string, string>();
  for (const pair of text.split(';')) {
    const at = pair.indexOf('=');
    if (at > 0) values.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return { podName: values.get('K8S_POD_NAME') ?? '', podNamespace: values.get('K8S_POD_NAMESPACE') ?? '' };
}
