/** Who we say we are towards the control plane. */
import type { JsonObject } from '@bufbuild/protobuf';
import type { NodeInfo } from '../core/xds/index.ts';
import type { ZtunnelConfig } from './config.ts';

/** Id and metadata in the reference's layout. The cluster domain in the id is a literal there, too. */
export function nodeInfo(config: ZtunnelConfig): NodeInfo {
  const { pod, instanceIp, localNode } = config;
  const metadata: JsonObject = {
    NAME: pod.name,
    NAMESPACE: pod.namespace,
    INSTANCE_IPS: instanceIp,
    NODE_NAME: localNode,
    ...config.proxyMetadata,
    ...(config.jsonMetadata as JsonObject),
  };
  return {
    id: `ztunnel~${instanceIp}~${pod.name}.${pod.namespace}~${pod.namespace}.svc.cluster.local`,
    metadata,
  };
}
