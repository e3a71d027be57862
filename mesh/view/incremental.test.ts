import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LoadBalancing, Service, Workload } from '../model.ts';
import { ip, seeded, service, viewOf, waypointByIp, workload } from '../test-support.ts';
import type { View } from './view.ts';

const HOSTS = ['a', 'b'] as const;
const PORTS = [80, 81, 82];
const of = <T>(random: () => number, ...choices: readonly [T, ...T[]]): T =>
  choices[Math.floor(random() * choices.length)] ?? choices[0];
const keyOf = (host: string) => `default/${host}.default.svc.cluster.local`;
const place = (random: () => number) => ({
  node: of(random, 'n1', 'n2'),
  clusterId: of(random, 'c1', 'c2'),
  locality: { region: of(random, 'r', 's'), zone: of(random, 'z', 'y'), subzone: '' },
});

/** Some state of one of twelve workloads: with few of everything, they meet at addresses, names and services. */
function someWorkload(random: () => number): Workload {
  const ports = () => of(random, {}, { 80: 9090 }, { 81: 9091, 82: 9092 });
  const services = of(random, [], ['a'], ['b'], ['a', 'b']).map((host) => [keyOf(host), ports()] as const);
  return workload(`w${Math.floor(random() * 12)}`, {
    addresses: of(random, [], ['10.0.0.1'], ['10.0.0.2', 'fd00::2'], ['10.0.0.3']),
    serviceAccount: of(random, 'x', 'y'),
    hostname: of(random, '', 'h.example.com'),
    status: of(random, 'HEALTHY', 'HEALTHY', 'UNHEALTHY'),
    network: of(random, '', '', 'n2'),
    networkMode: of(random, 'STANDARD', 'STANDARD', 'HOST_NETWORK'),
    tunnelProtocol: of(random, 'HBONE', 'NONE'),
    capacity: of(random, 0, 1, 1, 5),
    ...of(random, {}, { applicationTunnel: { protocol: 'PROXY', port: 15_088 } as const }),
    ...of(random, {}, { networkGateway: waypointByIp('203.0.113.1') }),
    ...place(random),
    services: Object.fromEntries(services),
  });
}

function someService(random: () => number): Service {
  const loadBalancing = of<LoadBalancing | false>(
    random,
    false,
    { mode: 'FAILOVER', routingPreference: ['NETWORK', 'REGION', 'ZONE'], healthPolicy: 'ONLY_HEALTHY' },
    { mode: 'STRICT', routingPreference: ['NODE'], healthPolicy: 'ALLOW_ALL' },
  );
  return service(of(random, ...HOSTS), {
    addresses: of(random, ['10.1.0.1'], ['10.1.0.1', '10.0.0.0/24'], ['10.0.0.0/16', 'fd00::/64'], []),
    ports: of(random, { 80: 8080 }, { 80: 0, 81: 8081 }),
    canonical: of(random, true, false),
    visibility: of(random, 'PUBLIC', 'NAMESPACE'),
    ...(loadBalancing && { loadBalancing }),
  });
}

const callers = [
  workload('caller', { node: 'n1', clusterId: 'c1', locality: { region: 'r', zone: 'z', subzone: '' } }),
  workload('stranger', { node: 'n9', clusterId: 'c9', namespace: 'else' }),
];
const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.7.7', '10.1.0.1', 'fd00::2', '198.51.100.1'];

/** Everything that a decision asks of a view. */
function answers(view: View): unknown {
  const points = [0, 0.3, 0.6, 0.999];
  const lookups = addresses.flatMap((address) =>
    ['', 'n2'].map((network) => {
      const seenFrom = [undefined, 'default', 'else'].map((client) => view.serviceByVip(network, ip(address), client));
      return [view.workloadByAddress(network, ip(address))?.uid, seenFrom.map((s) => s && [s.hostname, s.ports])];
    }),
  );
  const infos = Array.from({ length: 12 }, (_, i) =>
    ['x', 'y'].map((serviceAccount) => view.localWorkload({ name: `w${i}`, namespace: 'default', serviceAccount })),
  );
  const picks = HOSTS.map((host) => {
    const known = view.serviceByKey(keyOf(host));
    if (known === undefined) return undefined;
    const balancer = view.balancer(known);
    const picked = callers.flatMap((caller) =>
      PORTS.flatMap((port) =>
        (['standard', 'waypoint'] as const).flatMap((mode) =>
          points.map((p) => balancer.pick(caller, port, mode, () => p)),
        ),
      ),
    );
    return [balancer.endpoints, picked];
  });
  return [lookups, infos, view.workloadByHostname('default', 'h.example.com'), picks];
}

test('a view that followed a thousand changes answers as one that was just built', () => {
  for (let seed = 0; seed < 6; seed++) {
    const random = seeded(seed);
    const view = viewOf();
    const held = new Map<string, Workload | Service>();
    for (let step = 0; step < 250; step++) {
      const resource = random() < 0.85 ? someWorkload(random) : someService(random);
      const key = 'uid' in resource ? resource.uid : keyOf(resource.name);
      if (random() < 0.3) {
        view.removeAddress(key);
        held.delete(key);
      } else {
        view.upsertAddress(
          'uid' in resource ? { kind: 'workload', workload: resource } : { kind: 'service', service: resource },
        );
        held.set(key, resource);
      }
      // Not after each: several changes must be followed at once, too.
      if (random() < 0.4)
        assert.deepEqual(answers(view), answers(viewOf(...held.values())), `seed ${seed}, step ${step}`);
    }
  }
});

test('a service with many endpoints follows one that changes, and many that change at once', () => {
  const of600 = (i: number, fields = {}) =>
    workload(`w${i}`, { addresses: [`10.0.${i >> 8}.${i & 255}`], services: { [keyOf('a')]: {} }, ...fields });
  const everybody = Array.from({ length: 600 }, (_, i) => of600(i));
  const held = new Map(everybody.map((w) => [w.uid, w]));
  const a = service('a');
  const view = viewOf(a, ...everybody);
  const random = seeded(7);
  for (const changes of [1, 1, 2, 15, 74, 75, 76, 300, 1]) {
    for (let i = 0; i < changes; i++) {
      const next = of600(Math.floor(random() * 600), {
        status: of(random, 'HEALTHY', 'UNHEALTHY'),
        capacity: of(random, 1, 2),
      });
      held.set(next.uid, next);
      view.upsertAddress({ kind: 'workload', workload: next });
    }
    const fresh = viewOf(a, ...held.values());
    for (let i = 0; i < 20; i++) {
      const pick = (v: View) => v.balancer(a).pick(callers[0] ?? of600(0), 80, 'standard', () => i / 20);
      assert.deepEqual(pick(view), pick(fresh), `${changes} changes`);
    }
    assert.deepEqual(view.endpoints(a), fresh.endpoints(a));
  }
});
