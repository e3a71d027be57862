/**
 * What the pure heart costs: policy evaluation by policies in scope, an outbound decision among many services, derivation
 * cold and by one change. Bounded to a few seconds.
 */
import {
  type Authorization,
  DEFAULT_MESH_CONFIG,
  Deriver,
  decideOutbound,
  EMPTY_MATCH,
  evaluate,
  explain,
  type KubeObject,
  type Match,
  mustParseIp,
  type OutboundFlow,
  type PolicyScope,
  serviceKey,
  spiffeId,
  View,
} from '../../mesh/index.ts';
import { AMBIT, type Growth } from '../report.ts';
import type { Suite } from './suite.ts';

const ROUND_MS = 150;
const ROUNDS = 5;

/** Median nanoseconds per call over a few short rounds. */
function nanoseconds(work: () => unknown): number {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    const end = start + BigInt(ROUND_MS) * 1_000_000n;
    let calls = 0;
    let now = start;
    while (now < end) {
      for (let i = 0; i < 64; i++) work();
      calls += 64;
      now = process.hrtime.bigint();
    }
    rounds.push(Number(now - start) / calls);
  }
  return rounds.sort((a, b) => a - b)[ROUNDS >> 1] ?? 0;
}

function milliseconds<T>(work: () => T): readonly [number, T] {
  const start = performance.now();
  const result = work();
  return [performance.now() - start, result];
}

type Report = (name: string, value: number, unit: string, growth?: Growth) => void;

const address = (net: number, i: number) => mustParseIp(`10.${net + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`);
const alice = spiffeId('cluster.local', 'ns-7', 'alice');
const facts = { source: alice, from: { ip: address(0, 1), port: 4000 }, to: { ip: address(0, 2), port: 8080 } };

/** What a policy asks for; the caller has none of it, so that none matches: the worst case. */
const ASKING: Readonly<Record<string, (i: number) => Partial<Match>>> = {
  principal: (i) => ({ principals: [{ kind: 'exact', value: `cluster.local/ns/ns-${i + 1000}/sa/x` }] }),
  'principal prefix': (i) => ({ principals: [{ kind: 'prefix', value: `cluster.local/ns/ns-${i + 1000}/` }] }),
  range: (i) => ({ sourceIps: [{ address: address(100, i), prefix: 32 }] }),
  'principal suffix': (i) => ({ principals: [{ kind: 'suffix', value: `/sa/x-${i}` }] }),
  'namespace prefix, one by one': (i) => ({ namespaces: [{ kind: 'prefix', value: `x-${i}` }] }),
};

/** ALLOW policies of one namespace. */
function policies(count: number, asking: (i: number) => Partial<Match>, dryRun = false): readonly Authorization[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `p${i}`,
    namespace: 'ns-1',
    scope: 'NAMESPACE',
    action: 'ALLOW',
    dryRun,
    rules: [{ clauses: [{ matches: [{ ...EMPTY_MATCH, ...asking(i) }] }] }],
  }));
}

function podOf(i: number, ready = true): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `pod-${i}`,
      namespace: `ns-${i % 50}`,
      uid: `uid-${i}`,
      generateName: `app-${i % 1000}-5f7-`,
      labels: { app: `app-${i % 1000}`, version: 'v1', 'pod-template-hash': '5f7' },
      annotations: { 'ambient.istio.io/redirection': 'enabled' },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `app-${i % 1000}-5f7`, controller: true }],
    },
    spec: {
      nodeName: `node-${i % 100}`,
      serviceAccountName: `app-${i % 1000}`,
      containers: [{ ports: [{ name: 'http', containerPort: 8080 }] }],
    },
    status: {
      phase: 'Running',
      podIPs: [{ ip: address(0, i) }],
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  };
}

function serviceOf(i: number): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `app-${i}`, namespace: `ns-${i % 50}` },
    spec: {
      selector: { app: `app-${i % 1000}` },
      clusterIPs: [address(96, i)],
      ports: [{ name: 'http', port: 80, targetPort: 'http' }],
    },
  };
}

function deriverOf(pods: number, services: number): Deriver {
  const deriver = new Deriver(DEFAULT_MESH_CONFIG);
  deriver.applyAll(Array.from({ length: 100 }, (_, i) => nodeOf(i)));
  for (let i = 0; i < services; i++) deriver.apply(serviceOf(i));
  for (let i = 0; i < pods; i++) deriver.apply(podOf(i));
  return deriver;
}

function nodeOf(i: number): KubeObject {
  const labels = { 'topology.kubernetes.io/region': 'r', 'topology.kubernetes.io/zone': `z${i % 3}` };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: `node-${i}`, labels } };
}

function viewOf(deriver: Deriver): View {
  const view = new View({ network: '', localNode: '' });
  for (const resource of deriver.addresses.values()) view.upsertAddress(resource);
  return view;
}

function benchEvaluate(report: Report): void {
  const local = viewOf(deriverOf(2, 0)).workloadByAddress('', address(0, 1)) ?? never();
  const scopeOf = (held: readonly Authorization[]) => {
    const view = new View({ network: '', localNode: '' });
    for (const policy of held) view.upsertAuthorization(policy);
    return milliseconds((): PolicyScope => view.policyScope(local));
  };
  for (const [kind, asking] of Object.entries(ASKING)) {
    for (const count of [1, 100, 10_000]) {
      const [built, scope] = scopeOf(policies(count, asking));
      const each = nanoseconds(() => evaluate(scope, facts));
      report(`evaluate, ${count} ALLOW policies by ${kind}, none matches`, each / 1000, 'µs');
      if (count === 10_000) report(`scope of 10,000 policies by ${kind}, once per policy change`, built, 'ms');
    }
  }
  const byPrincipal = ASKING['principal'] ?? never();
  const matching = { ...facts, source: spiffeId('cluster.local', 'ns-1007', 'x') };
  const [, enforced] = scopeOf(policies(10_000, byPrincipal));
  const denied = nanoseconds(() => explain(enforced, facts));
  report('explain a denial by 10,000 ALLOW policies', denied / 1000, 'µs');
  const [, tried] = scopeOf([...policies(1, (): Partial<Match> => ({})), ...policies(10_000, byPrincipal, true)]);
  if (evaluate(tried, matching).dryRunHits?.length !== 1) never();
  report('evaluate, 10,000 dry-run policies, one matches', nanoseconds(() => evaluate(tried, matching)) / 1000, 'µs');
}

function benchOutbound(report: Report): void {
  const view = viewOf(deriverOf(10_000, 10_000));
  const source = view.workloadByAddress('', address(0, 1)) ?? never();
  const flows = Array.from({ length: 64 }, (_, i): OutboundFlow => {
    return { source, from: { ip: address(0, 1), port: 4000 }, originalDst: { ip: address(96, i * 100), port: 80 } };
  });
  let next = 0;
  const tunnelled = flows.filter((flow) => decideOutbound(view, flow, Math.random).kind === 'hbone').length;
  if (tunnelled === 0) throw new Error('no flow finds an endpoint: the bench measures refusals');
  const toService = nanoseconds(() => decideOutbound(view, flows[next++ & 63] ?? flows[0] ?? never(), Math.random));
  report('decideOutbound to a service, 10,000 services and pods', toService / 1000, 'µs');
  const direct = { ...(flows[0] ?? never()), originalDst: { ip: address(0, 77), port: 8080 } };
  report('decideOutbound to a pod', nanoseconds(() => decideOutbound(view, direct, Math.random)) / 1000, 'µs');
}

/** One service with all pods behind it: as it is asked, and at the first question after one of the pods changed. */
function benchEndpoints(report: Report): void {
  for (const pods of [100, 10_000]) {
    const deriver = deriverOf(pods, 0);
    deriver.apply(serviceOf(0));
    const view = viewOf(deriver);
    const [service] = [...view.services()];
    const everybody = [...view.workloads()].map((workload, i) => ({
      ...workload,
      capacity: 1 + (i % 3),
      services: new Map([[serviceKey(service ?? never()), []]]),
    }));
    const spread = {
      ...(service ?? never()),
      ports: [{ servicePort: 80, targetPort: 8080, appProtocol: 'TCP' as const }],
    };
    view.upsertAddress({ kind: 'service', service: spread });
    for (const workload of everybody) view.upsertAddress({ kind: 'workload', workload });
    const flow = {
      source: everybody[0] ?? never(),
      from: { ip: address(0, 1), port: 4000 },
      originalDst: { ip: address(96, 0), port: 80 },
    };
    if (decideOutbound(view, flow, Math.random).kind !== 'hbone') never();
    const asked = nanoseconds(() => decideOutbound(view, flow, Math.random));
    report(`decideOutbound to a service with ${pods} endpoints`, asked / 1000, 'µs');
    const changing = everybody[pods >> 1] ?? never();
    const states = [changing, { ...changing, status: 'UNHEALTHY' as const }];
    let turn = 0;
    const change = nanoseconds(() => {
      view.upsertAddress({ kind: 'workload', workload: states[turn++ & 1] ?? changing });
      decideOutbound(view, flow, Math.random);
    });
    report(`one of ${pods} endpoints changes, and the first decision after it`, change / 1000, 'µs');
  }
}

function never(): never {
  throw new Error('the bench built something else than it meant to');
}

function benchDerive(report: Report): void {
  for (const pods of [1000, 3000, 10_000, 30_000, 100_000]) {
    const grown = (of: string): Growth => ({ of, by: 'pods', at: pods });
    const [cold, deriver] = milliseconds(() => deriverOf(pods, 1000));
    report(`derive ${pods} pods and 1,000 services, cold`, cold, 'ms', grown('derivation with 1,000 services, cold'));
    let ready = false;
    const change = nanoseconds(() => {
      if (deriver.apply(podOf(7, ready)).addresses.upserted.length !== 1) never(); // its own resource and no other
      ready = !ready;
    });
    report(`one pod changes among ${pods}`, change / 1000, 'µs', grown('one pod changes'));
    const [filled] = milliseconds(() => viewOf(deriver));
    report(`a view filled with ${pods} pods and 1,000 services`, filled, 'ms', grown('a view filled'));
  }
  benchOtherChanges(report);
}

/** Changes of other objects among 10,000 pods, each undone by the next. */
function benchOtherChanges(report: Report): void {
  const deriver = deriverOf(10_000, 1000);
  const flipped = (name: string, one: KubeObject, other: KubeObject): void => {
    let turn = 0;
    const change = nanoseconds(() => deriver.apply(turn++ & 1 ? one : other));
    report(`among 10,000 pods and 1,000 services, ${name}`, change / 1000, 'µs');
  };
  const service = serviceOf(7);
  flipped('an address of a service changes', service, {
    ...service,
    spec: { ...(service['spec'] as object), clusterIPs: [address(97, 7)] },
  });
  flipped('the labels of a node with 100 pods change', nodeOf(7), { ...nodeOf(8), metadata: { name: 'node-7' } });
  const entry = (ip: string): KubeObject => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'e', namespace: 'ns-7' },
    spec: { hosts: ['api.example.com'], addresses: [ip], resolution: 'DNS' },
  });
  flipped('an address of a ServiceEntry changes', entry('10.2.0.1'), entry('10.2.0.2'));
  const namespace = (labels: Readonly<Record<string, string>>): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'ns-7', labels },
  });
  flipped('a namespace of 200 pods asks for a waypoint', namespace({}), namespace({ 'istio.io/use-waypoint': 'w' }));
}

export const mesh: Suite = async ({ samples }) => {
  const report: Report = (name, value, unit, growth) =>
    samples.add(
      { suite: 'mesh', name, metric: 'time', unit, better: 'lower', ...(growth && { growth }) },
      AMBIT,
      value,
    );
  benchEvaluate(report);
  benchOutbound(report);
  benchEndpoints(report);
  benchDerive(report);
};
