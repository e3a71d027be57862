/** Whether the ztunnels on a predicted path hold what it was predicted with: news takes a moment to reach every node. */
import type { MeshModel, PredictedCase, Prediction, Workload } from '../../mesh/index.ts';
import type { ConfigDump, NodeDump } from '../ztunnel-config/dump.ts';

/** Nodes of the callers and endpoints that stand for each case; sorted. */
export function nodesOnPath(model: MeshModel, prediction: Prediction): readonly string[] {
  const nodes = prediction.cases.flatMap((one) => endsOf(model, one)).map(({ node }) => node);
  return [...new Set(nodes)].filter((node) => node !== '').sort();
}

/** What these ztunnels hold otherwise, a clause each; empty when they agree. */
export function differences(model: MeshModel, prediction: Prediction, dumps: readonly NodeDump[]): readonly string[] {
  const found = dumps.flatMap(({ node, dump }) => {
    const who = `the ztunnel of node ${node}`;
    const held = new Map(dump.workloads.map((workload) => [workload.uid, workload]));
    return prediction.cases.flatMap((one) => {
      const ends = endsOf(model, one);
      if (!ends.some((workload) => workload.node === node)) return [];
      const [destination] = ends.slice(-1);
      return [
        ...ends.flatMap((workload) => aboutWorkload(who, held.get(workload.uid), workload)),
        ...(destination?.node === node ? aboutPolicies(who, dump, model, destination, one) : []),
      ];
    });
  });
  return [...new Set(found)];
}

/** First the caller, then who is reached, as far as these are pods. */
function endsOf({ view, config }: MeshModel, { callers, endpoints }: PredictedCase): readonly Workload[] {
  const names = [callers[0], endpoints[0]?.split(' ')[0]];
  return names.flatMap((name) => view.workloadByUid(`${config.clusterId}//Pod/${name}`) ?? []);
}

function aboutWorkload(who: string, held: ConfigDump['workloads'][number] | undefined, wanted: Workload) {
  const name = `${wanted.namespace}/${wanted.name}`;
  if (held === undefined) return [`${who} does not know ${name}`];
  const isIn = wanted.tunnelProtocol === 'HBONE';
  if ((held.protocol === 'HBONE') === isIn) return [];
  return [`${who} takes ${name} to be ${isIn ? 'outside' : 'in'} the mesh`];
}

function aboutPolicies(who: string, dump: ConfigDump, model: MeshModel, destination: Workload, one: PredictedCase) {
  const held = new Set(dump.policies.map(({ namespace, name }) => `${namespace}/${name}`));
  const missing = (one.policy?.considered ?? []).filter((key) => !held.has(key));
  const scopes = new Set([destination.namespace, model.config.rootNamespace]);
  const gone = dump.policies
    .filter(({ namespace, scope }) => scope !== 'WorkloadSelector' && scopes.has(namespace))
    .map(({ namespace, name }) => `${namespace}/${name}`)
    .filter((key) => model.view.authorizationByKey(key) === undefined);
  return [
    ...missing.map((key) => `${who} does not have policy ${key}`),
    ...gone.map((key) => `${who} still has policy ${key}, which is gone`),
  ];
}
