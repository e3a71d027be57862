/** Who may use the tunnel, and for what: nothing but what is bound to this waypoint, for nobody but the mesh. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createHboneClient } from '../../core/hbone/index.ts';
import { connectTcp } from '../../core/net/index.ts';
import { mustParseIp } from '../../mesh/index.ts';
import { TestCa } from '../support/certificates.ts';
import { podYaml, SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';
const ELSEWHERE = `
---
apiVersion: v1
kind: Namespace
metadata: { name: bank }
---
apiVersion: v1
kind: Service
metadata: { name: vault, namespace: bank }
spec: { clusterIP: 10.0.0.110, selector: { app: vault }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
${podYaml('bank', 'vault-1', 3, 'vault')}`;

const NOT_OURS: readonly (readonly [what: string, authority: string])[] = [
  ['a service of another namespace', '10.0.0.110:80'],
  ['the same by its name', 'vault.bank.svc.cluster.local:80'],
  ['a pod of another namespace', '10.0.0.3:8080'],
  ['the node proxy of a pod of ours', '10.0.0.1:15008'],
  ['a port that the service does not declare', '10.0.0.100:8080'],
  ['the tunnel port of the service', '10.0.0.100:15008'],
  ['localhost by name', 'localhost:8080'],
  ['loopback', '127.0.0.1:8080'],
  ['loopback of IPv6', '[::1]:8080'],
  ['loopback mapped into IPv6', '[::ffff:127.0.0.1]:8080'],
  ['another service mapped into IPv6', '[::ffff:10.0.0.110]:80'],
  ['everything', '0.0.0.0:80'],
  ['metadata', '169.254.169.254:80'],
  ['the waypoint by its name', 'waypoint.shop.svc.cluster.local:15008'],
  ['an address in one number', '2130706433:80'],
  ['an address in octal', '0177.0.0.1:80'],
  ['an address in short', '127.1:80'],
  ['a name that nobody has', 'example.com:443'],
  ['a user in front', 'x@10.0.0.100:80'],
  ['port 0', '10.0.0.100:0'],
  ['a port too large', '10.0.0.100:65616'],
  ['no port', '10.0.0.100'],
  ['nothing', ':80'],
];

test('a CONNECT to what is not bound to this waypoint is refused, and dials nobody', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP + ELSEWHERE });
  let reached = 0;
  for (const n of [1, 2, 3]) {
    await world.http(n, 8080, (_req, res) => {
      reached += 1;
      res.end();
    });
  }
  for (const [what, authority] of NOT_OURS) {
    const opened = await world.open('web/client', authority).then(
      ({ leg }) => {
        leg.reset('cancel');
        return 'opened';
      },
      () => 'refused',
    );
    assert.equal(opened, 'refused', what);
  }
  assert.deepEqual([world.arrivals.length, reached], [0, 0]);
  const { leg } = await world.open('web/client', `${CART}:80`); // what is ours opens
  leg.reset('cancel');
});

test('a caller of another trust domain, or of another authority, gets no stream', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  const to = { ip: mustParseIp('127.0.0.1'), port: world.plane.port };
  const stranger = await TestCa.create();
  const rows = [
    [
      'another trust domain',
      await world.ca.material(world.ca.id('web', 'client').replace('cluster.local', 'evil.test') as never),
    ],
    ['another authority', await stranger.material(stranger.id('web', 'client'))],
  ] as const;
  for (const [what, source] of rows) {
    await using client = createHboneClient({ implementation: 'plane' });
    const opened = client.open({
      dial: to,
      source,
      expected: [world.ca.id('shop', 'waypoint')],
      authority: `${world.ip(100)}:80`,
      headers: {},
      connect: () => connectTcp({ to }),
      poolKey: what,
    });
    await assert.rejects(opened, what);
  }
  assert.deepEqual(world.arrivals, []);
});

test('what is no TLS at the port of tunnels is closed without an answer', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const bytes of ['GET / HTTP/1.1\r\nHost: cart\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '\0'.repeat(64)]) {
    const socket = connect({ port: world.plane.port, host: '127.0.0.1' });
    socket.write(bytes);
    assert.doesNotMatch(await text(socket).catch(() => ''), /HTTP/);
  }
});

test('a pattern that other engines try forever costs a request nothing to speak of', async (t) => {
  const world = await WaypointWorld.start(t, {
    yaml: `${SHOP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: slow, namespace: shop }
spec:
  parentRefs: [{ group: "", kind: Service, name: cart }]
  rules:
    - matches:
        - { path: { type: RegularExpression, value: "/(a+)+$" } }
        - { headers: [{ type: RegularExpression, name: x-a, value: "(a|a)*b" }] }
      backendRefs: [{ name: cart, port: 80 }]`,
  });
  for (const n of [1, 2]) await world.http(n, 8080, (_req, res) => res.end());
  const port = await world.through('web/client', `${CART}:80`);
  const many = 'a'.repeat(4_000);
  const ask = async (path: string, a: string) => {
    const signal = AbortSignal.timeout(5_000); // what backtracks takes longer than the world exists
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { 'x-a': a }, signal });
    await response.bytes();
    return response.status;
  };
  assert.equal(await ask(`/${many}!`, many), 404);
  assert.equal(await ask(`/${many}`, ''), 200);
  assert.equal(await ask('/', `${many}b`), 200);
});

test('a request with too much in its head is told so, and the next caller does not notice', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const n of [1, 2]) await world.http(n, 8080, (_req, res) => res.end('fine'));
  const port = await world.through('web/client', `${CART}:80`);
  const rows: readonly (readonly [what: string, limit: RegExp, fields: string])[] = [
    [
      'too many fields',
      /a head with more than \d+ fields/,
      Array.from({ length: 300 }, (_, i) => `a${i}: b\r\n`).join(''),
    ],
    ['too large a field', /a head with more than \d+ bytes/, `a: ${'b'.repeat(200_000)}\r\n`],
  ];
  for (const [what, limit, fields] of rows) {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
    assert.match(await text(socket).catch(() => ''), /^HTTP\/1.1 431 /, what);
    await world.logged(limit);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'fine', what);
  }
});
