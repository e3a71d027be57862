/** What the agent needs to know of a pod, read with care out of its object. */
import { type IpAddress, type KubeObject, parseIp } from '../../mesh/index.ts';

export const REDIRECTION = 'ambient.istio.io/redirection';
export type Redirection = 'enabled' | 'pending';

export type Pod = {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  readonly ips: readonly IpAddress[];
  /** It has ended for good; its namespace may be gone. */
  readonly terminal: boolean;
  /** Its namespace and its addresses are the host's: neither is ever touched for a pod. */
  readonly hostNetwork: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly redirection: Redirection | undefined;
  readonly object: KubeObject;
};

type Fields = Readonly<Record<string, unknown>>;
const fields = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

export function podOf(object: KubeObject): Pod {
  const { metadata } = object;
  const spec = fields(object['spec']);
  const status = fields(object['status']);
  const annotations = metadata.annotations ?? {};
  const redirection = annotations[REDIRECTION];
  const phase = text(status['phase']);
  return {
    uid: metadata.uid ?? '',
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    serviceAccount: text(spec['serviceAccountName']) || 'default',
    ips: addressesOf(status),
    hostNetwork: spec['hostNetwork'] === true,
    terminal: phase === 'Succeeded' || phase === 'Failed',
    labels: metadata.labels ?? {},
    annotations,
    redirection: redirection === 'enabled' || redirection === 'pending' ? redirection : undefined,
    object,
  };
}

function addressesOf(status: Fields): readonly IpAddress[] {
  const list = Array.isArray(status['podIPs']) ? status['podIPs'].map((entry) => text(fields(entry)['ip'])) : [];
  const all = list.length > 0 ? list : [text(status['podIP'])];
  return all.map(parseIp).filter((ip) => ip !== undefined);
}

/** `namespace/name`, for people and as the informer's key. */
export const podKey = (pod: Pick<Pod, 'namespace' | 'name'>): string => `${pod.namespace}/${pod.name}`;
