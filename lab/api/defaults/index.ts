/** Which strategy writes of a kind follow. */
import type { ResourceInfo } from '../pure/index.ts';
import { crds } from './crds.ts';
import { OTHER_STRATEGIES } from './others.ts';
import { pods } from './pods.ts';
import { services } from './services.ts';
import type { Strategy } from './strategy.ts';
import { cronJobs, daemonSets, deployments, jobs, replicaSets, statefulSets } from './workloads.ts';

const STRATEGIES: Readonly<Record<string, Strategy>> = {
  ...OTHER_STRATEGIES,
  '/pods': pods,
  '/services': services,
  'apps/deployments': deployments,
  'apps/daemonsets': daemonSets,
  'apps/replicasets': replicaSets,
  'apps/statefulsets': statefulSets,
  'batch/jobs': jobs,
  'batch/cronjobs': cronJobs,
  'apiextensions.k8s.io/customresourcedefinitions': crds,
};

export const strategyOf = (info: ResourceInfo): Strategy => STRATEGIES[`${info.group}/${info.plural}`] ?? {};
