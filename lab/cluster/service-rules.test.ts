import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { eventually, type TestHost, TestNet } from '../../test/support/netns.ts';
import { serviceRules } from './service-rules.ts';
import type { Endpoint, EndpointSlice, Service } from './types.ts';

const service = (name: string, clusterIPs: readonly string[], spec: Partial<Service['spec']> = {}): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'n' },
  spec: { clusterIP: clusterIPs[0] ?? 'None', clusterIPs, ports: [{ name: 'http', port: 80 }], ...spec },
});
const slice = (name: string, addressType: string, endpoints: readonly Endpoint[], port = 8080): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `${name}-${addressType}`, namespace: 'n', labels: { 'kubernetes.io/service-name': name } },
  addressType,
  endpoints,
  ports: [{ name: 'http', protocol: 'TCP', port }],
});
const endpoint = (ip: string, more: Partial<Endpoint> = {}): Endpoint => ({
  addresses: [ip],
  conditions: { ready: true },
  ...more,
});
const HERE = { name: 'node-1' };

const COMMON_END = `  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    jump services
  }
  chain output {
    type nat hook output priority -100; policy accept;
    jump services
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ct status dnat ip saddr . ip daddr @hairpin4 masquerade
    ct status dnat ip6 saddr . ip6 daddr @hairpin6 masquerade
  }
  chain filter-prerouting {
    type filter hook prerouting priority filter; policy accept;
    jump unserved
  }
  chain filter-output {
    type filter hook output priority filter; policy accept;
    jump unserved
  }
}
`;

test('the rules of a service with three endpoints and of one with none', () => {
  const script = serviceRules(
    [
      service('web', ['10.96.0.5', 'fd00:96::5']),
      service('none', ['10.96.0.6'], { ports: [{ port: 80 }, { port: 53, protocol: 'UDP' }] }),
    ],
    [
      slice(
        'web',
        'IPv4',
        ['10.244.1.2', '10.244.1.3', '10.244.2.2'].map((ip) => endpoint(ip)),
      ),
      slice('web', 'IPv6', [endpoint('fd00:244:1::2')]),
    ],
    HERE,
  );
  assert.equal(
    script,
    `add table inet lab-services
delete table inet lab-services
table inet lab-services {
  set hairpin4 {
    type ipv4_addr . ipv4_addr
    elements = { 10.244.1.2 . 10.244.1.2, 10.244.1.3 . 10.244.1.3, 10.244.2.2 . 10.244.2.2 }
  }
  set hairpin6 {
    type ipv6_addr . ipv6_addr
    elements = { fd00:244:1::2 . fd00:244:1::2 }
  }
  chain vip-0 {
    meta l4proto tcp numgen random mod 3 == 0 dnat ip to 10.244.1.2:8080
    meta l4proto tcp numgen random mod 2 == 0 dnat ip to 10.244.1.3:8080
    meta l4proto tcp dnat ip to 10.244.2.2:8080
  }
  chain vip-1 {
    meta l4proto tcp dnat ip6 to [fd00:244:1::2]:8080
  }
  chain services {
    ip daddr 10.96.0.5 tcp dport 80 goto vip-0 comment "n/web:80"
    ip6 daddr fd00:96::5 tcp dport 80 goto vip-1 comment "n/web:80"
  }
  chain unserved {
    ip daddr 10.96.0.6 tcp dport 80 reject with tcp reset comment "n/none:80"
    ip daddr 10.96.0.6 udp dport 53 reject with icmpx port-unreachable comment "n/none:53"
  }
${COMMON_END}`,
  );
});

test('without services there is still a table, so that old rules go', () => {
  assert.equal(
    serviceRules([service('headless', []), service('out', [], { type: 'ExternalName' })], [], HERE),
    `add table inet lab-services
delete table inet lab-services
table inet lab-services {
  set hairpin4 {
    type ipv4_addr . ipv4_addr
  }
  set hairpin6 {
    type ipv6_addr . ipv6_addr
  }
  chain services {
  }
  chain unserved {
  }
${COMMON_END}`,
  );
});

const going = { ready: false, serving: true, terminating: true };
const choices: readonly (readonly [
  name: string,
  spec: Partial<Service['spec']>,
  endpoints: readonly Endpoint[],
  rule: RegExp,
])[] = [
  [
    'an endpoint that is not ready is left out',
    {},
    [endpoint('10.0.0.1'), endpoint('10.0.0.2', { conditions: { ready: false } })],
    /vip-0 \{\n {4}meta l4proto tcp dnat ip to 10\.0\.0\.1:8080\n {2}\}/,
  ],
  [
    'one that goes serves when there is no other',
    {},
    [endpoint('10.0.0.2', { conditions: going })],
    /dnat ip to 10\.0\.0\.2:8080/,
  ],
  [
    'Local keeps to this node',
    { internalTrafficPolicy: 'Local' },
    [endpoint('10.0.0.1', { nodeName: 'node-2' }), endpoint('10.0.0.2', { nodeName: 'node-1' })],
    /vip-0 \{\n {4}meta l4proto tcp dnat ip to 10\.0\.0\.2:8080\n {2}\}/,
  ],
  [
    'Local with endpoints only elsewhere drops',
    { internalTrafficPolicy: 'Local' },
    [endpoint('10.0.0.1', { nodeName: 'node-2' })],
    /ip daddr 10\.96\.0\.5 tcp dport 80 drop/,
  ],
  [
    'the port of another name is not taken',
    { ports: [{ name: 'grpc', port: 80 }] },
    [endpoint('10.0.0.1')],
    /tcp dport 80 reject with tcp reset/,
  ],
];
for (const [name, spec, endpoints, rule] of choices) {
  test(`service rules: ${name}`, () => {
    assert.match(serviceRules([service('web', ['10.96.0.5'], spec)], [slice('web', 'IPv4', endpoints)], HERE), rule);
  });
}

/** A pod that reaches services through its node, as in the lab: the node is its only way out. */
async function podsAndNode() {
  const net = await TestNet.create({ hosts: { pod: {}, other: {}, node: {} } });
  const node = net.host('node');
  await node.exec('sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.send_redirects=0');
  for (const name of ['pod', 'other']) {
    const host = net.host(name);
    await host.exec(`ip route add default via ${node.ip4} && ip -6 route add default via ${node.ip6}`);
  }
  return net;
}

async function echoes(from: TestHost, ip: string): Promise<void> {
  const socket = await from.dial({ ip, port: 80 }, { timeoutMs: 5_000 });
  socket.end('hello');
  socket.resume();
  const [data] = (await once(socket, 'data', { signal: AbortSignal.timeout(5_000) })) as [Buffer];
  assert.equal(data.toString(), 'hello');
  socket.destroy();
}

test('a pod reaches a service by its address, on both families, also when it is its own endpoint', async () => {
  await using net = await podsAndNode();
  const [pod, other, node] = [net.host('pod'), net.host('other'), net.host('node')];
  await Promise.all([pod.listenEcho(8080), other.listenEcho(8080)]);
  const script = serviceRules(
    [
      service('self', ['10.96.0.5', 'fd00:96::5']),
      service('node', ['10.96.0.7', 'fd00:96::7']),
      service('none', ['10.96.0.6', 'fd00:96::6']),
    ],
    [
      slice('self', 'IPv4', [endpoint(pod.ip4)]),
      slice('self', 'IPv6', [endpoint(pod.ip6)]),
      slice('node', 'IPv4', [endpoint(other.ip4)]),
      slice('node', 'IPv6', [endpoint(other.ip6)]),
    ],
    HERE,
  );
  await node.exec('nft -f -', script);
  await node.exec('nft -f -', script); // again: the table is written anew
  await echoes(pod, '10.96.0.5');
  await echoes(pod, 'fd00:96::5');
  await node.exec('ip route add 10.96.0.0/16 dev lo && ip -6 route add fd00:96::/112 dev lo');
  await echoes(node, '10.96.0.7');
  await echoes(node, 'fd00:96::7');
  for (const ip of ['10.96.0.6', 'fd00:96::6']) {
    await assert.rejects(pod.dial({ ip, port: 80 }, { timeoutMs: 5_000 }), { code: 'ECONNREFUSED' });
  }
});

test('connections are spread over all endpoints', async () => {
  await using net = await podsAndNode();
  const [pod, node] = [net.host('pod'), net.host('node')];
  const counts = { 8080: 0, 8081: 0, 8082: 0 };
  for (const port of [8080, 8081, 8082] as const) {
    await node.listen(port, (socket) => {
      counts[port]++;
      socket.destroy();
    });
  }
  const slices = [8080, 8081, 8082].map((port) => slice('web', 'IPv4', [endpoint(node.ip4)], port));
  await node.exec('nft -f -', serviceRules([service('web', ['10.96.0.5'])], slices, HERE));
  for (let i = 0; i < 60; i++) {
    const socket = await pod.dial({ ip: '10.96.0.5', port: 80 }, { timeoutMs: 5_000 });
    socket.on('error', () => {}).destroy();
  }
  const all = () => Object.values(counts).reduce((sum, count) => sum + count, 0);
  await eventually('all 60 have been accepted', () => all() === 60);
  assert.ok(
    Object.values(counts).every((count) => count >= 5),
    JSON.stringify(counts),
  );
});
