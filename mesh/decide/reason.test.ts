import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Workload } from '../model.ts';
import { at, seeded, service, shuffled, viewOf, waypointByHost, waypointByIp, workload } from '../test-support.ts';
import { decideInboundHbone, decideInboundPlaintext } from './inbound.ts';
import { decideOutbound } from './outbound.ts';
import { formatReason } from './reason.ts';
import {
  backend,
  decide,
  ECHO,
  lb,
  pod,
  type Resources,
  shown,
  source,
  vip,
  WAY,
  wayPod,
  wayService,
} from './test-flow.ts';

const gateway = { network: 'n2', networkGateway: waypointByIp('203.0.113.1') };
const waypointed = service('echo', { ...vip, waypoint: waypointByHost('default', wayService.hostname) });

const outbound: readonly (readonly [string, Resources, string, number, string])[] = [
  ['a stranger', [], '198.51.100.1', 80, '198.51.100.1 belongs to no workload or service of the mesh'],
  ['a pod of the mesh', [pod], '10.0.0.1', 80, 'default/pod speaks HBONE'],
  ['a pod outside', [{ ...pod, tunnelProtocol: 'NONE' }], '10.0.0.1', 80, 'default/pod is not in the mesh'],
  ['the proxy itself', [], '127.0.0.1', 15_001, "port 15001 is the proxy's own"],
  [
    'PASSTHROUGH',
    [service('echo', { ...vip, loadBalancing: lb('PASSTHROUGH') })],
    '10.1.0.1',
    80,
    'service default/echo leaves the choice of address to the client',
  ],
  [
    'a waypoint',
    [waypointed, wayService, wayPod],
    '10.1.0.1',
    80,
    'service default/echo has waypoint default/way.default.svc.cluster.local',
  ],
  [
    'a waypoint of a pod',
    [{ ...pod, waypoint: waypointByIp('10.0.0.50') }, workload('w', { addresses: ['10.0.0.50'] })],
    '10.0.0.1',
    80,
    'workload default/pod has waypoint 10.0.0.50',
  ],
  [
    'a waypoint that is nowhere',
    [waypointed],
    '10.1.0.1',
    80,
    'waypoint default/way.default.svc.cluster.local of service default/echo can not be used: nothing is known by this name or address',
  ],
  [
    'a waypoint without endpoints',
    [waypointed, wayService],
    '10.1.0.1',
    80,
    'waypoint default/way.default.svc.cluster.local of service default/echo can not be used: it has no endpoint',
  ],
  [
    'a port of nobody',
    [service('echo', { ...vip, ports: { 80: 8080, 443: 8443 } }), backend('b', '10.0.0.1')],
    '10.1.0.1',
    81,
    'service default/echo: it has no port 81, only 80, 443',
  ],
  [
    'no port at all',
    [service('echo', { ...vip, ports: {} }), backend('b', '10.0.0.1')],
    '10.1.0.1',
    81,
    'service default/echo: it has no port 81',
  ],
  [
    'a named port that no pod has',
    [service('echo', { ...vip, ports: { 80: 0 } }), backend('b', '10.0.0.1')],
    '10.1.0.1',
    80,
    'service default/echo: no endpoint serves its port 80',
  ],
  ['no endpoint', [service('echo', vip)], '10.1.0.1', 80, 'service default/echo: it has no endpoint'],
  [
    'none that is healthy',
    [service('echo', vip), backend('b', '10.0.0.1', { status: 'UNHEALTHY' })],
    '10.1.0.1',
    80,
    'service default/echo: it has no healthy endpoint',
  ],
  [
    'none with an address',
    [service('echo', vip), workload('b', { services: { [ECHO]: {} } })],
    '10.1.0.1',
    80,
    'service default/echo: no endpoint has an address',
  ],
  [
    'none near enough',
    [service('echo', { ...vip, loadBalancing: lb('STRICT', 'NODE') }), backend('b', '10.0.0.1', { node: 'n9' })],
    '10.1.0.1',
    80,
    'service default/echo: no endpoint is where its traffic must stay',
  ],
  [
    'only elsewhere',
    [service('echo', vip), backend('b', '10.0.0.1', gateway)],
    '10.1.0.1',
    80,
    'service default/echo: its endpoints are on other networks, behind gateways, which is not supported',
  ],
  [
    'only out of reach',
    [service('echo', vip), backend('b', '10.0.0.1', { network: 'n2' })],
    '10.1.0.1',
    80,
    'service default/echo: its endpoints are on other networks, and no gateway leads to them',
  ],
  [
    'no address of the family',
    [service('echo', { ...vip, ipFamilies: 'IPV6_ONLY' }), backend('b', '10.0.0.1')],
    '10.1.0.1',
    80,
    'default/b has no address of a family in use',
  ],
  [
    'no identity',
    [{ ...pod, serviceAccount: 'a b' }],
    '10.0.0.1',
    80,
    'default/pod has no identity that could be verified',
  ],
];

for (const [name, resources, dst, port, words] of outbound) {
  test(`why a connection goes where it goes: ${name}`, () => {
    assert.equal(formatReason(decide(resources, dst, port).because), words);
  });
}

test('of a service that has this address elsewhere only, the network is named', () => {
  const { because } = decide([service('echo', vip)], '10.1.0.1', 80, { ...source, network: 'n2' });
  assert.equal(formatReason(because), 'service default/echo has that address, but not on network "n2" of the caller');
});

const local = workload('pod', { addresses: ['10.0.0.1'], services: { [ECHO]: {} } });
const tunnel = (port: number, protocol: 'NONE' | 'PROXY' = 'NONE') => ({ applicationTunnel: { protocol, port } });
const inbound: readonly (readonly [string, Resources, Partial<Workload>, string, string])[] = [
  ['its own address', [], {}, '10.0.0.1:80', '10.0.0.1 is this workload'],
  [
    'traffic for others',
    [],
    tunnel(15_088),
    '10.0.0.7:80',
    'this workload takes traffic for 10.0.0.7 through its application tunnel',
  ],
  [
    'the name of a service',
    [service('echo', vip)],
    {},
    'echo.default.svc.cluster.local:80',
    'service default/echo maps port 80 to it',
  ],
  ['a stranger', [], {}, '10.0.0.7:80', 'authority 10.0.0.7 is not 10.0.0.1 nor served by this workload'],
  ['nonsense', [], {}, 'what"', 'malformed authority "what\\""'],
  ['much nonsense', [], {}, 'x'.repeat(1000), `malformed authority "${'x'.repeat(300)}"`],
  ['an unknown name', [], {}, 'who.example:80', 'no service is known as who.example'],
  [
    'a port that is not mapped',
    [service('echo', vip)],
    {},
    'echo.default.svc.cluster.local:81',
    'echo.default.svc.cluster.local maps port 81 to no port of this workload',
  ],
  ['the proxy itself', [], {}, '10.0.0.1:15008', "port 15008 is the proxy's own"],
  ['a tunnel into the proxy', [], tunnel(15_006), '10.0.0.1:80', "application tunnel port 15006 is the proxy's own"],
  [
    'a name without an address for the header',
    [service('echo', { addresses: ['10.8.0.0/16'] })],
    tunnel(0, 'PROXY'),
    'echo.default.svc.cluster.local:80',
    'echo.default.svc.cluster.local:80 has no address that a PROXY header could name',
  ],
];

for (const [name, resources, fields, authority, words] of inbound) {
  test(`why a tunnelled connection is taken or not: ${name}`, () => {
    const view = viewOf(local, ...resources);
    const decision = decideInboundHbone(view, {
      local: { ...local, ...fields },
      connectionDst: at('10.0.0.1', 15_008),
      authority,
    });
    assert.equal(formatReason(decision.because), words);
  });
}

test('why a waypoint takes a connection for others, and plaintext is taken', () => {
  const way = workload('way', { addresses: ['10.0.0.50'], services: { [WAY]: {} } });
  const view = viewOf(way, wayService, { ...pod, waypoint: waypointByHost('default', wayService.hostname) });
  const tunnelled = decideInboundHbone(view, {
    local: way,
    connectionDst: at('10.0.0.50', 15_008),
    authority: '10.0.0.1:80',
  });
  assert.equal(formatReason(tunnelled.because), 'this workload is the waypoint of workload default/pod');
  const plain = decideInboundPlaintext(view, { local: way, originalDst: at('10.0.0.50', 80) });
  assert.equal(formatReason(plain.because), '10.0.0.50:80 was dialled');
});

test('no decision depends on the order in which resources arrived', () => {
  const random = seeded(3);
  const some = <T>(...of: readonly [T, ...T[]]): T => of[Math.floor(random() * of.length)] ?? of[0];
  for (let mesh = 0; mesh < 60; mesh++) {
    const workloads = Array.from({ length: 6 }, (_, i) =>
      workload(`w${i}`, {
        addresses: some<string[]>([], ['10.0.0.1'], ['10.0.0.2', 'fd00::2'], ['10.1.0.1']),
        namespace: some('default', 'else'),
        tunnelProtocol: some('HBONE', 'NONE'),
        status: some('HEALTHY', 'UNHEALTHY'),
        capacity: some(0, 1, 3),
        hostname: some('', '', 'w.example.com'),
        ...some<object>(
          {},
          { waypoint: waypointByIp('10.0.0.2') },
          { waypoint: waypointByHost('default', 'w.example.com') },
        ),
        services: some<Record<string, Record<number, number>>>({}, { [ECHO]: {} }, { [WAY]: {}, [ECHO]: {} }),
      }),
    );
    const services = ['echo', 'way', 'third'].map((name) =>
      service(name, {
        namespace: some('default', 'default', 'else'),
        addresses: some([], ['10.1.0.1'], ['10.0.0.0/16', '10.1.0.1'], ['10.0.0.1']),
        canonical: some(true, false),
        visibility: some('PUBLIC', 'NAMESPACE'),
        ports: some({ 80: 8080 }, { 80: 0, 15008: 15_008 }),
        ...some<object>(
          {},
          { waypoint: waypointByHost('default', wayService.hostname) },
          { loadBalancing: lb('FAILOVER', 'NODE') },
        ),
      }),
    );
    const answers = (seed: number) => {
      const view = viewOf(...shuffled([source, ...workloads, ...services], seeded(seed)));
      return ['10.0.0.1', '10.0.0.2', 'fd00::2', '10.0.9.9', '10.1.0.1'].flatMap((dst) =>
        [0, 0.4, 0.99].map((chance) => {
          const flow = { source, from: at('10.0.0.9', 40_000), originalDst: at(dst, 80) };
          const decision = decideOutbound(view, flow, () => chance);
          return `${shown(decision)}: ${formatReason(decision.because)}`;
        }),
      );
    };
    for (let seed = 1; seed < 6; seed++) assert.deepEqual(answers(seed), answers(0), `mesh ${mesh}, order ${seed}`);
  }
});
