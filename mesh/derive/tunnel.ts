/** How a workload is reached, as labels and annotations of its object say. */
import type { KubeMetadata } from '../kube-object.ts';
import type { Labels } from './read.ts';

/** NATIVE: the process itself ends the tunnel. */
export type Tunnel = 'NONE' | 'HBONE' | 'NATIVE';

const TUNNEL_LABEL = 'networking.istio.io/tunnel';
const REDIRECTION = 'ambient.istio.io/redirection';

export function tunnelOf(labels: Labels, annotations: KubeMetadata['annotations']): Tunnel {
  if ((labels[TUNNEL_LABEL] ?? '').split(',').includes('http')) return 'NATIVE';
  // `pending` means that rules are in place and no proxy serves them yet: not reachable by tunnel.
  return annotations?.[REDIRECTION] === 'enabled' ? 'HBONE' : 'NONE';
}
