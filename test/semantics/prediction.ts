/** What the pure engine says of a row: the same functions that a ztunnel decides with, on what the row's objects mean. */
import {
  type Authorization,
  type ConnectionFacts,
  DEFAULT_MESH_CONFIG,
  Deriver,
  type DryRunHit,
  type Explanation,
  evaluate,
  explain,
  type KubeObject,
  type MeshConfig,
  mustParseIp,
  type PolicyDecision,
  spiffeId,
  View,
  type Workload,
} from '../../mesh/index.ts';
import { type Addresses, type Call, type Case, PODS, type PodName } from './case.ts';

export type Meaning = {
  readonly authorizations: readonly Authorization[];
  readonly workload: (pod: PodName) => Workload;
  readonly predict: (call: Call) => Predicted;
};

export type Predicted = {
  readonly facts: ConnectionFacts;
  readonly decision: PolicyDecision;
  /** Of denials. */
  readonly explanation: Explanation | undefined;
};

const DEFAULT_PORT_OF_CLIENT = 40_000;

export function meaningOf(row: Pick<Case, 'objects' | 'config'>, at: Addresses): Meaning {
  const config: MeshConfig = { ...DEFAULT_MESH_CONFIG, ...row.config };
  const deriver = new Deriver(config);
  deriver.applyAll([...PODS.map((name) => podOf(name, at)), ...row.objects(at)]);
  const view = new View({ network: '', localNode: '' });
  const authorizations = [...deriver.authorizations.values()];
  for (const authorization of authorizations) view.upsertAuthorization(authorization);
  for (const address of deriver.addresses.values()) view.upsertAddress(address);
  const workload = (pod: PodName): Workload => {
    const found = view.workloadByUid(`Kubernetes//Pod/shop/${pod}`);
    if (found === undefined) throw new Error(`no workload of pod ${pod} was derived`);
    return found;
  };
  const predict = (call: Call): Predicted => {
    const scope = view.policyScope(workload(call.to));
    const facts = factsOf(call, at);
    const decision = evaluate(scope, facts);
    return { facts, decision, explanation: decision.verdict === 'deny' ? explain(scope, facts) : undefined };
  };
  return { authorizations, workload, predict };
}

function factsOf({ from, to, port, family }: Call, at: Addresses): ConnectionFacts {
  const ip = family === 4 ? 'ip4' : 'ip6';
  return {
    ...(from !== 'outside' && { source: spiffeId('cluster.local', 'shop', from) }),
    from: { ip: mustParseIp(at[from][ip]), port: DEFAULT_PORT_OF_CLIENT },
    to: { ip: mustParseIp(at[to][ip]), port },
  };
}

/** In the words of the table. */
export function describe({ decision, explanation }: Predicted): string {
  const { verdict, because, dryRunHits = [] } = decision;
  const miss = explanation?.nearestMiss;
  const nearest = miss === undefined ? '' : ` (nearest ${miss.policy}#${miss.rule} ${miss.field})`;
  const tried = dryRunHits.filter(({ changes }) => changes).map((hit) => `${nameOf(hit)} would ${hit.would}`);
  const reason = typeof because === 'string' ? because : nameOf(because);
  return `${verdict} ${reason}${nearest}${tried.length > 0 ? `, tried: ${tried.join(', ')}` : ''}`;
}

const nameOf = ({ policy, rule }: Pick<DryRunHit, 'policy' | 'rule'>) =>
  `${policy}${rule === undefined ? '' : `#${rule}`}`;

function podOf(name: PodName, at: Addresses): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'shop',
      uid: name,
      labels: { app: name },
      annotations: { 'ambient.istio.io/redirection': 'enabled' },
    },
    spec: { nodeName: 'n', serviceAccountName: name, containers: [] },
    status: {
      phase: 'Running',
      podIPs: [{ ip: at[name].ip4 }, { ip: at[name].ip6 }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}
