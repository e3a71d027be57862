/** What people call the thing that a pod belongs to: the Deployment rather than the pod. */
import type { KubeObject, OwnerReference } from '../kube-object.ts';
import type { Labels } from './read.ts';

const NAME_LABEL = 'service.istio.io/workload-name';
/** A CronJob's Job ends in the minute it was scheduled for. */
const SCHEDULED = /^(.+)-\d{8,10}$/;

export function workloadName(pod: KubeObject): string {
  const { metadata } = pod;
  const labels = metadata.labels ?? {};
  const named = labels[NAME_LABEL];
  if (named) return named;
  const owner = metadata.ownerReferences?.find((o) => o.controller === true);
  if (owner === undefined || !metadata.generateName) return metadata.name;
  return ownerName(owner, labels);
}

function ownerName(owner: OwnerReference, labels: Labels): string {
  switch (owner.kind) {
    case 'ReplicaSet':
      return (
        stripHash(owner.name, labels['pod-template-hash']) ??
        stripHash(owner.name, labels['rollouts-pod-template-hash']) ??
        owner.name
      );
    case 'ReplicationController':
      return labels['deploymentconfig'] || owner.name;
    case 'Job':
      return SCHEDULED.exec(owner.name)?.[1] ?? owner.name;
    default:
      return owner.name;
  }
}

function stripHash(name: string, hash: string | undefined): string | undefined {
  return hash && name.endsWith(`-${hash}`) ? name.slice(0, -hash.length - 1) : undefined;
}

export function canonicalName(labels: Labels, workload: string): string {
  return labels['service.istio.io/canonical-name'] || labels['app.kubernetes.io/name'] || labels['app'] || workload;
}

export function canonicalRevision(labels: Labels): string {
  return (
    labels['service.istio.io/canonical-revision'] ||
    labels['app.kubernetes.io/version'] ||
    labels['version'] ||
    'latest'
  );
}
