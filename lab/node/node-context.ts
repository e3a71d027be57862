/** What every pod of a node works with. */
import type { KubeClient } from '../../core/kube/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import type { Cgroup } from '../cgroups.ts';
import type { CniChain } from './cni-chain.ts';
import type { NodeConfig } from './config.ts';
import type { EventRecorder } from './events.ts';
import type { Objects } from './objects.ts';
import type { Pod, PodStatus } from './pod.ts';

export type NodeContext = {
  readonly config: NodeConfig;
  readonly client: KubeClient;
  readonly objects: Objects;
  readonly events: EventRecorder;
  readonly cni: CniChain;
  /** `…/kubepods` of this node. */
  readonly pods: Cgroup;
  readonly log: Logger;
  readonly capacity: { readonly cpu: number; readonly memory: number };
  /** Variables of the services that a namespace sees. */
  readonly serviceEnv: (namespace: string) => Readonly<Record<string, string>>;
  readonly writeStatus: (pod: Pod, status: PodStatus) => Promise<Pod>;
};
