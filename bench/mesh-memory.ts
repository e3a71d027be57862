/**
 * What a view costs to hold and to fill, by workloads: heap and resident memory after a collection, the time to
 * apply pushes, and how long one holds up the loop. `sh scripts/node.sh --expose-gc bench/mesh-memory.ts [WORKLOADS…]`
 */

import { FakeClock } from '../core/time/index.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, encodeAddress, encodeAuthorization } from '../core/xds/index.ts';
import { type Address, EMPTY_MATCH, mustParseIp, type ServicePort, View } from '../mesh/index.ts';
import { MeshState } from '../ztunnel/mesh-state.ts';

const SERVICES = 5_000;
const ports: readonly ServicePort[] = [
  { servicePort: 80, targetPort: 8080, appProtocol: 'HTTP11' },
  { servicePort: 443, targetPort: 8443, appProtocol: 'TLS' },
];
const v4 = (net: number, i: number) => mustParseIp(`10.${net + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`);
const hostnameOf = (i: number) => `service-${i}.team-${i % 200}.svc.cluster.local`;

function workloadOf(i: number): Address {
  const service = i % SERVICES;
  const namespace = `team-${service % 200}`;
  const keys = i % 2 === 0 ? [service] : [service, (service + 200) % SERVICES];
  return {
    kind: 'workload',
    workload: {
      uid: `Kubernetes//Pod/${namespace}/service-${service}-5f7c9d8b6d-${i.toString(36).padStart(5, 'x')}`,
      name: `service-${service}-5f7c9d8b6d-${i.toString(36).padStart(5, 'x')}`,
      namespace,
      addresses: [v4(0, i), mustParseIp(`fd00::${(i >> 16).toString(16)}:${(i & 65535).toString(16)}`)],
      network: 'network-1',
      tunnelProtocol: 'HBONE',
      trustDomain: 'cluster.local',
      serviceAccount: `service-${service}`,
      node: `node-${i % 1_000}.eu-west-1.compute.internal`,
      canonicalName: `service-${service}`,
      canonicalRevision: 'v1',
      workloadType: 'DEPLOYMENT',
      workloadName: `service-${service}`,
      nativeTunnel: false,
      authorizationPolicies: [],
      status: 'HEALTHY',
      clusterId: 'Kubernetes',
      hostname: '',
      services: new Map(keys.map((key) => [`team-${key % 200}/${hostnameOf(key)}`, ports])),
      locality: { region: 'eu-west-1', zone: `eu-west-1${'abc'[i % 3]}`, subzone: '' },
      networkMode: 'STANDARD',
      capacity: 1,
    },
  };
}

function serviceOf(i: number): Address {
  return {
    kind: 'service',
    service: {
      name: `service-${i}`,
      namespace: `team-${i % 200}`,
      hostname: hostnameOf(i),
      addresses: [{ network: 'network-1', address: v4(96, i) }],
      ports,
      subjectAltNames: [],
      weightedWaypoints: [],
      ipFamilies: 'IPV4_ONLY',
      canonical: true,
      ingressUseWaypoint: false,
      visibility: 'PUBLIC',
    },
  };
}

const collect = () => {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('needs --expose-gc');
  gc();
  gc();
  const { heapUsed, rss } = process.memoryUsage();
  return { heapMb: heapUsed / 2 ** 20, rssMb: rss / 2 ** 20 };
};

const updateOf = (addresses: readonly Address[]) => ({
  upserted: addresses.map((address, i) => ({
    name: address.kind === 'workload' ? address.workload.uid : `${i}`,
    version: '0123456789abcdef',
    bytes: encodeAddress(address),
  })),
  removed: [],
});

/** Pushes of 1,000, so that what is measured at the end is what is held and not what came. */
async function holding(count: number): Promise<void> {
  const view = new View({ network: 'network-1', localNode: 'node-1' });
  const state = new MeshState({ view, localNode: 'node-1', clock: new FakeClock() });
  const before = collect();
  let applyMs = 0;
  const push = async (addresses: readonly Address[]) => {
    const update = updateOf(addresses);
    const start = performance.now();
    const rejected = await state.onUpdate(ADDRESS_TYPE, update);
    applyMs += performance.now() - start;
    if (rejected.length > 0) throw new Error(rejected[0]?.reason);
  };
  await push(Array.from({ length: SERVICES }, (_, i) => serviceOf(i)));
  for (let at = 0; at < count; at += 1_000) {
    await push(Array.from({ length: 1_000 }, (_, i) => workloadOf(at + i)));
  }
  const after = collect();
  console.log(
    `${count} workloads: heap +${(after.heapMb - before.heapMb).toFixed(1)} MB, ` +
      `resident +${(after.rssMb - before.rssMb).toFixed(1)} MB, applied in ${applyMs.toFixed(0)} ms`,
  );
  if ([...view.workloads()].length !== count) throw new Error('not all are there');
}

/** The longest that a push of policies holds up the loop. */
async function policies(count: number): Promise<void> {
  const state = new MeshState({
    view: new View({ network: '', localNode: 'node-1' }),
    localNode: 'node-1',
    clock: new FakeClock(),
  });
  const upserted = Array.from({ length: count }, (_, i) => {
    const principals = [{ kind: 'exact' as const, value: `cluster.local/ns/team-${i % 200}/sa/x${i}` }];
    const bytes = encodeAuthorization({
      name: `p${i}`,
      namespace: `team-${i % 200}`,
      scope: 'NAMESPACE',
      action: 'ALLOW',
      rules: [{ clauses: [{ matches: [{ ...EMPTY_MATCH, principals }] }] }],
      dryRun: false,
    });
    return { name: `team-${i % 200}/p${i}`, version: '1', bytes };
  });
  for (const round of ['added', 'replaced']) {
    let last = performance.now();
    let longest = 0;
    let running = true;
    const turn = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    await state.onUpdate(AUTHORIZATION_TYPE, { upserted, removed: [] });
    turn();
    running = false;
    console.log(`${count} policies ${round}: longest turn ${longest.toFixed(1)} ms`);
  }
}

const asked = process.argv.slice(2).map(Number);
for (const count of asked.length > 0 ? asked : [1_000, 10_000, 100_000]) await holding(count);
await policies(10_000);
