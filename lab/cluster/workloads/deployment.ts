/** Carries out what `planDeployment` finds. */
import { isDeepStrictEqual } from 'node:util';
import {
  type Cache,
  claim,
  claimants,
  controllerReference,
  isControlledBy,
  OwnerQueue,
  ownerKey,
} from '../machinery/index.ts';
import type { Deployment, Pod, ReplicaSet } from '../types.ts';
import { planDeployment, REVISION, rollingBounds, TEMPLATE_HASH } from './deployment-plan.ts';
import { deploymentStatus } from './deployment-status.ts';
import type { WorkloadDeps } from './owned-pods.ts';
import { isFinished, templateHash, withLabels } from './pods.ts';

type DeploymentDeps = WorkloadDeps & {
  readonly deployments: Cache<Deployment>;
  readonly replicaSets: Cache<ReplicaSet>;
};

const DESIRED = 'deployment.kubernetes.io/desired-replicas';
const MAX = 'deployment.kubernetes.io/max-replicas';
/** Annotations of a Deployment that say something about it alone. */
const OWN_ANNOTATIONS: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  DESIRED,
  MAX,
]);

export class DeploymentController implements AsyncDisposable {
  readonly #deps: DeploymentDeps;
  readonly #queue: OwnerQueue<Deployment>;

  constructor(deps: DeploymentDeps) {
    this.#deps = deps;
    this.#queue = new OwnerQueue(deps.deployments, (deployment) => this.#reconcile(deployment), deps.onProblem);
    this.#queue.follow(deps.replicaSets, (set) => claimants(deps.deployments.list(), set));
    deps.pods.onChange((pod, _old, kind) => {
      if (kind === 'delete') this.#oldPodGone(pod); // Recreate waits for the last one
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  #oldPodGone(pod: Pod): void {
    const setKey = ownerKey(pod, 'ReplicaSet');
    const set = setKey === undefined ? undefined : this.#deps.replicaSets.get(setKey);
    const key = set === undefined ? undefined : ownerKey(set, 'Deployment');
    if (key !== undefined) this.#queue.add(key);
  }

  async #reconcile(deployment: Deployment): Promise<number | undefined> {
    const { replicaSets, events } = this.#deps;
    await claim(replicaSets, deployment);
    const plan = this.#plan(deployment);
    if (deployment.metadata.deletionTimestamp === undefined) {
      if (plan.create !== undefined) await this.#create(deployment, plan.create.replicas, plan.revision);
      for (const { set, replicas } of plan.scale) {
        const up = replicas > (set.spec.replicas ?? 1) ? 'up' : 'down';
        const { resourceVersion } = set.metadata;
        await replicaSets.patch(set, { metadata: { resourceVersion }, spec: { replicas } });
        const message = `Scaled ${up} replica set ${set.metadata.name} from ${set.spec.replicas ?? 1} to ${replicas}`;
        events.record(deployment, 'Normal', 'ScalingReplicaSet', message);
      }
      for (const set of plan.forget) await replicaSets.delete(set);
      if (plan.current !== undefined) await this.#annotate(deployment, plan.current, plan.revision);
    }
    return this.#writeStatus(deployment);
  }

  #plan(deployment: Deployment) {
    const { replicaSets, pods } = this.#deps;
    const sets = replicaSets
      .list()
      .filter((set) => isControlledBy(set, deployment) && set.metadata.deletionTimestamp === undefined);
    const plan = planDeployment(deployment, sets, false);
    if (deployment.spec.strategy?.type !== 'Recreate') return plan;
    const old = new Set(plan.old.map((set) => set.metadata.uid));
    const isOld = (pod: Pod) => pod.metadata.ownerReferences?.some((owner) => old.has(owner.uid)) === true;
    return planDeployment(
      deployment,
      sets,
      pods.list().some((pod) => isOld(pod) && !isFinished(pod)),
    );
  }

  async #create(deployment: Deployment, replicas: number, revision: number): Promise<void> {
    const { template, selector, minReadySeconds } = deployment.spec;
    const hash = templateHash(template);
    const { namespace, name } = deployment.metadata;
    const label = { [TEMPLATE_HASH]: hash };
    const set = await this.#deps.replicaSets.create({
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name: `${name}-${hash}`,
        ...(namespace === undefined ? {} : { namespace }),
        labels: { ...template.metadata?.labels, ...label },
        annotations: annotationsFor(deployment, revision),
        ownerReferences: [controllerReference(deployment)],
      },
      spec: {
        replicas,
        ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
        selector: { ...selector, matchLabels: { ...selector.matchLabels, ...label } },
        template: withLabels(template, label),
      },
    });
    const message = `Scaled up replica set ${set.metadata.name} from 0 to ${replicas}`;
    this.#deps.events.record(deployment, 'Normal', 'ScalingReplicaSet', message);
  }

  /** The revision on both sides: `kubectl rollout history` and `undo` find their way by it. */
  async #annotate(deployment: Deployment, current: ReplicaSet, revision: number): Promise<void> {
    const { deployments, replicaSets } = this.#deps;
    const latest = replicaSets.get(`${current.metadata.namespace}/${current.metadata.name}`) ?? current;
    const wanted = annotationsFor(deployment, revision);
    const isRight = Object.entries(wanted).every(([key, value]) => latest.metadata.annotations?.[key] === value);
    if (!isRight) await replicaSets.patch(latest, { metadata: { annotations: wanted } });
    if (deployment.metadata.annotations?.[REVISION] === String(revision)) return;
    await deployments.patch(deployment, { metadata: { annotations: { [REVISION]: String(revision) } } });
  }

  async #writeStatus(deployment: Deployment): Promise<number | undefined> {
    const { deployments, now } = this.#deps;
    const latest = deployments.latest(deployment);
    if (latest === undefined) return undefined;
    const { status, againMs } = deploymentStatus(latest, this.#plan(latest), now());
    if (!isDeepStrictEqual(status, latest.status)) await deployments.replaceStatus(latest, status);
    return againMs;
  }
}

function annotationsFor(deployment: Deployment, revision: number): Record<string, string> {
  const { replicas = 1 } = deployment.spec;
  const shared = Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !OWN_ANNOTATIONS.has(key));
  return {
    ...Object.fromEntries(shared),
    [REVISION]: String(revision),
    [DESIRED]: String(replicas),
    [MAX]: String(replicas + rollingBounds(deployment).maxSurge),
  };
}
