/** The agent's configuration: the reference's environment names, and paths of our own prefix for hosts that differ. */
import { join } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';
import {
  configError,
  type Env,
  envBoolean,
  envInteger,
  envList,
  envOptionalText,
  envText,
  parseEnv,
} from '../../core/config/index.ts';
import type { LogFormat } from '../../core/telemetry/index.ts';
import { type EnablementSelector, type IpAddress, parseIp } from '../../mesh/index.ts';
import { PROBE_SOURCE } from '../redirect/index.ts';

const root = join(import.meta.dirname, '..', '..');

const SCHEMA = z.object({
  NODE_NAME: z.string('must name the node').min(1, 'must name the node'),
  POD_NAMESPACE: envText('istio-system'),
  POD_NAME: envOptionalText(),
  SYSTEM_NAMESPACE: envText('istio-system'),
  AMBIENT_ENABLED: envBoolean(true),
  AMBIENT_ENABLEMENT_SELECTOR: envOptionalText(),
  AMBIENT_DNS_CAPTURE: envBoolean(true),
  AMBIENT_IPV6: envBoolean(true),
  AMBIENT_RECONCILE_POD_RULES_ON_STARTUP: envBoolean(true),
  AMBIENT_DISABLE_SAFE_UPGRADE: envBoolean(false),
  ENABLE_AMBIENT_DETECTION_RETRY: envBoolean(false),
  EXCLUDE_NAMESPACES: envList(),
  CHAINED_CNI_PLUGIN: envBoolean(true),
  CNI_CONF_NAME: envOptionalText(),
  CNI_CONF_GROUP_READ: envBoolean(false),
  ISTIO_OWNED_CNI_CONFIG: envBoolean(false),
  // The reference's chart writes one name and its agent reads the other: we take both.
  ISTIO_OWNED_CNI_CONFIG_FILENAME: envOptionalText(),
  ISTIO_OWNED_CNI_CONF_FILENAME: envOptionalText(),
  HOST_PROBE_SNAT_IP: envText(PROBE_SOURCE.v4),
  HOST_PROBE_SNAT_IPV6: envText(PROBE_SOURCE.v6),
  KUBERNETES_SERVICE_HOST: envText('kubernetes.default.svc'),
  KUBERNETES_SERVICE_PORT: envText('443'),
  KUBECONFIG_MODE: z
    .string()
    .regex(/^0?[0-7]{3}$/, 'must be an octal mode such as 0600')
    .default('0600'),
  KUBE_CA_FILE: envOptionalText(),
  SKIP_TLS_VERIFY: envBoolean(false),
  ZTUNNEL_UDS_ADDRESS: envText('/var/run/ztunnel/ztunnel.sock'),
  MONITORING_PORT: envInteger(15014, { max: 65_535 }),
  AMBIT_HEALTH_PORT: envInteger(8000, { max: 65_535 }),
  AMBIT_HOST_ROOT: envText('/host'),
  AMBIT_PROC_DIR: envOptionalText(),
  AMBIT_CNI_CONF_DIR: envOptionalText(),
  AMBIT_CNI_BIN_DIR: envOptionalText(),
  AMBIT_CNI_RUN_DIR: envText('/var/run/istio-cni'),
  AMBIT_SERVICE_ACCOUNT_DIR: envText('/var/run/secrets/kubernetes.io/serviceaccount'),
  AMBIT_CNI_PLUGIN: envText(join(root, 'dist', 'cni-plugin.js')),
  AMBIT_CNI_NODE: envText(process.execPath),
  AMBIT_LOG_LEVEL: envText('info'),
  LOG_FORMAT: z.enum(['plain', 'json']).default('plain'),
});

export type AgentConfig = {
  readonly nodeName: string;
  readonly podNamespace: string;
  readonly systemNamespace: string;
  readonly ambientEnabled: boolean;
  readonly selectors: readonly EnablementSelector[];
  readonly excludedNamespaces: readonly string[];
  readonly dnsCapture: boolean;
  readonly ipv6: boolean;
  readonly reapplyRulesAtStart: boolean;
  readonly disableSafeUpgrade: boolean;
  readonly detectionRetry: boolean;
  readonly chained: boolean;
  readonly confName: string | undefined;
  readonly confMode: number;
  readonly ownedName: string | undefined;
  readonly probeSources: { readonly v4: IpAddress; readonly v6: IpAddress };
  readonly apiHost: string;
  readonly apiPort: string;
  readonly kubeconfigMode: number;
  readonly caFile: string | undefined;
  readonly skipTlsVerify: boolean;
  readonly zdsPath: string;
  readonly metricsPort: number;
  readonly healthPort: number;
  readonly hostRoot: string;
  readonly procDir: string;
  readonly confDir: string;
  readonly binDir: string;
  readonly runDir: string;
  readonly serviceAccountDir: string;
  readonly pluginJs: string;
  readonly launcher: string;
  readonly nodeBinary: string;
  readonly logLevel: string;
  readonly logFormat: LogFormat;
};

/** @throws MeshError CONFIG_INVALID with every problem. */
export function parseAgentConfig(env: Env): AgentConfig {
  const e = parseEnv(SCHEMA, env);
  const hostPath = (given: string | undefined, path: string) => given ?? join(e.AMBIT_HOST_ROOT, path);
  return Object.freeze({
    nodeName: e.NODE_NAME,
    podNamespace: e.POD_NAMESPACE,
    systemNamespace: e.SYSTEM_NAMESPACE,
    ambientEnabled: e.AMBIENT_ENABLED,
    // No selector selects nobody: whoever is enrolled leaves.
    selectors: e.AMBIENT_ENABLED ? parseSelectors(e.AMBIENT_ENABLEMENT_SELECTOR) : [],
    excludedNamespaces: env['EXCLUDE_NAMESPACES'] === undefined ? ['kube-system'] : e.EXCLUDE_NAMESPACES,
    dnsCapture: e.AMBIENT_DNS_CAPTURE,
    ipv6: e.AMBIENT_IPV6,
    reapplyRulesAtStart: e.AMBIENT_RECONCILE_POD_RULES_ON_STARTUP,
    disableSafeUpgrade: e.AMBIENT_DISABLE_SAFE_UPGRADE,
    detectionRetry: e.ENABLE_AMBIENT_DETECTION_RETRY,
    chained: e.CHAINED_CNI_PLUGIN,
    confName: e.CNI_CONF_NAME,
    confMode: e.CNI_CONF_GROUP_READ ? 0o640 : 0o600,
    ownedName:
      e.ISTIO_OWNED_CNI_CONFIG && e.CHAINED_CNI_PLUGIN
        ? (e.ISTIO_OWNED_CNI_CONFIG_FILENAME ?? e.ISTIO_OWNED_CNI_CONF_FILENAME ?? '02-istio-cni.conflist')
        : undefined,
    probeSources: {
      v4: mustBeIp('HOST_PROBE_SNAT_IP', e.HOST_PROBE_SNAT_IP),
      v6: mustBeIp('HOST_PROBE_SNAT_IPV6', e.HOST_PROBE_SNAT_IPV6),
    },
    apiHost: e.KUBERNETES_SERVICE_HOST,
    apiPort: e.KUBERNETES_SERVICE_PORT,
    kubeconfigMode: Number.parseInt(e.KUBECONFIG_MODE, 8),
    caFile: e.KUBE_CA_FILE,
    skipTlsVerify: e.SKIP_TLS_VERIFY,
    zdsPath: e.ZTUNNEL_UDS_ADDRESS,
    metricsPort: e.MONITORING_PORT,
    healthPort: e.AMBIT_HEALTH_PORT,
    hostRoot: e.AMBIT_HOST_ROOT,
    procDir: hostPath(e.AMBIT_PROC_DIR, 'proc'),
    confDir: hostPath(e.AMBIT_CNI_CONF_DIR, 'etc/cni/net.d'),
    binDir: hostPath(e.AMBIT_CNI_BIN_DIR, 'opt/cni/bin'),
    runDir: e.AMBIT_CNI_RUN_DIR,
    serviceAccountDir: e.AMBIT_SERVICE_ACCOUNT_DIR,
    pluginJs: e.AMBIT_CNI_PLUGIN,
    launcher: join(root, 'cni', 'plugin', 'launcher.sh'),
    nodeBinary: e.AMBIT_CNI_NODE,
    logLevel: e.AMBIT_LOG_LEVEL,
    logFormat: e.LOG_FORMAT,
  });
}

/** Our entry in the node's CNI chain; keys as in cni.md 1.1. */
export function pluginEntry(config: AgentConfig): Readonly<Record<string, unknown>> {
  return {
    name: 'istio-cni',
    type: 'istio-cni',
    plugin_log_level: 'info',
    cni_agent_run_dir: config.runDir,
    ambient_enabled: config.ambientEnabled,
    enablement_selectors: config.selectors,
    exclude_namespaces: config.excludedNamespaces,
    pod_namespace: config.podNamespace,
    native_nftables: true,
    enable_ambient_detection_retry: config.detectionRetry,
  };
}

const LABEL_SELECTOR = z
  .strictObject({
    matchLabels: z.record(z.string(), z.string()).optional(),
    matchExpressions: z
      .array(
        z.strictObject({
          key: z.string(),
          operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
          values: z.array(z.string()).optional(),
        }),
      )
      .optional(),
  })
  .optional();
const SELECTORS = z.array(z.strictObject({ podSelector: LABEL_SELECTOR, namespaceSelector: LABEL_SELECTOR }));

const MODE = 'istio.io/dataplane-mode';
const DEFAULT_SELECTORS: readonly EnablementSelector[] = [
  { podSelector: { matchLabels: { [MODE]: 'ambient' } } },
  {
    namespaceSelector: { matchLabels: { [MODE]: 'ambient' } },
    podSelector: { matchExpressions: [{ key: MODE, operator: 'NotIn', values: ['none'] }] },
  },
];

/** YAML text of a list; a misspelt key is an error, because half a selector selects more than it should. */
function parseSelectors(text: string | undefined): readonly EnablementSelector[] {
  if (text === undefined) return DEFAULT_SELECTORS;
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw configError([`AMBIENT_ENABLEMENT_SELECTOR: ${String(error)}`]);
  }
  const result = SELECTORS.safeParse(value);
  if (!result.success) {
    throw configError([`AMBIENT_ENABLEMENT_SELECTOR: ${z.prettifyError(result.error).replaceAll('\n', ' ')}`]);
  }
  return result.data as readonly EnablementSelector[];
}

function mustBeIp(name: string, text: string): IpAddress {
  const ip = parseIp(text);
  if (ip === undefined) throw configError([`${name}="${text}": must be an IP address`]);
  return ip;
}
