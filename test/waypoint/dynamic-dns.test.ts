import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import { type TestContext, test } from 'node:test';
import { connect, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { Agent, request } from 'undici';
import { TestCa } from '../support/certificates.ts';
import { SHOP, WaypointWorld } from './world.ts';

const VIP = '10.0.0.151';
/** All below one domain, by the names that callers ask for. */
const WILDCARD = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: wild, namespace: shop }
spec:
  hosts: ["*.example.com"]
  resolution: DYNAMIC_DNS
  location: MESH_EXTERNAL
  ports:
    - { name: http, number: 80, targetPort: 8080, protocol: HTTP }
    - { name: https, number: 81, targetPort: 8443, protocol: HTTP }
    - { name: tls, number: 443, targetPort: 8443, protocol: TLS }
status: { addresses: [{ host: "*.example.com", value: ${VIP} }] }
`;

const NAMES = {
  'a.example.com': '10.0.0.60',
  'b.example.com': '10.0.0.61',
  'deep.a.example.com': '10.0.0.61',
  'metadata.example.com': '169.254.169.254',
  'local.example.com': '127.0.0.1',
  'cart.example.com': '10.0.0.1',
  'vip.example.com': '10.0.0.100',
  'evil.com': '10.0.0.60',
};

function start(t: TestContext, ...yaml: readonly string[]): Promise<WaypointWorld> {
  return WaypointWorld.start(t, { yaml: [SHOP, WILDCARD, ...yaml].join('\n---\n'), names: NAMES });
}

async function ask(t: TestContext, world: WaypointWorld, port: number) {
  const agent = new Agent();
  t.after(() => agent.destroy());
  const local = await world.through('web/client', `${VIP}:${port}`);
  return async (host: string) => {
    const { statusCode, body } = await request(`http://127.0.0.1:${local}/`, { headers: { host }, dispatcher: agent });
    return `${statusCode} ${(await body.text()).replace(/^.*reset reason: /, '')}`;
  };
}

test('a request goes to the host that it names, below the wildcard and nowhere else', async (t) => {
  const world = await start(t);
  for (const n of [60, 61, 1, 2]) await world.http(n, 8080, (req, res) => res.end(`${n} ${req.headers.host}`));
  const get = await ask(t, world, 80);
  const rows: Readonly<Record<string, readonly [string, RegExp]>> = {
    'one host': ['a.example.com', /^200 60 a\.example\.com$/],
    'another, over the same connection of the caller': ['b.example.com', /^200 61 /],
    'with a port, which says nothing': ['b.example.com:8443', /^200 61 /],
    'in capital letters': ['A.Example.COM', /^200 60 /],
    'any depth': ['deep.a.example.com', /^200 61 /],
    'another domain': ['evil.com', /^404 $/],
    'the domain itself': ['example.com', /^404 $/],
    'one that merely ends alike': ['evilexample.com', /^404 $/],
    'an address': ['127.0.0.1', /^404 $/],
    'no host name': ['a%00.example.com', /^40[04] /],
    'one that is not there': ['nobody.example.com', /^503 connection failure, .*no address/],
    'one that leads to a metadata service': ['metadata.example.com', /^503 .*169\.254\.169\.254 is link-local/],
    'one that leads to ourselves': ['local.example.com', /^503 .*127\.0\.0\.1 is loopback/],
    'one that leads to a pod': ['cart.example.com', /^503 .* is of the mesh/],
    'one that leads to a service': ['vip.example.com', /^503 .* is of the mesh/],
  };
  for (const [name, [host, expected]] of Object.entries(rows)) {
    await t.test(name, async () => assert.match(await get(host), expected));
  }
});

test('TLS is originated by the name that is asked for, and the server must have it', async (t) => {
  const ca = await TestCa.create();
  const now = new Date();
  const { certPem, keyPem } = await ca.authority.issueServing({ dnsNames: ['a.example.com'], ttlSeconds: 3600, now });
  const world = await start(
    t,
    `{ apiVersion: v1, kind: ConfigMap, metadata: { name: ca, namespace: shop }, data: { ca.crt: ${JSON.stringify(ca.authority.rootPem)} } }`,
    `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: tls, namespace: shop }
spec:
  host: "*.example.com"
  trafficPolicy:
    portLevelSettings: [{ port: { number: 81 }, tls: { mode: SIMPLE, credentialName: "configmap://ca" } }]`,
  );
  for (const n of [60, 61]) {
    const server = createServer({ cert: certPem, key: keyPem }, (req, res) => {
      res.end(Reflect.get(req.socket as TLSSocket, 'servername'));
    });
    await world.serve(n, 8443, server);
  }
  const get = await ask(t, world, 81);
  assert.equal(await get('a.example.com'), '200 a.example.com');
  assert.match(await get('b.example.com'), /^503 .*not of b\.example\.com, but of a\.example\.com/);
});

test("a caller's own TLS goes to the server that its ClientHello names", async (t) => {
  const ca = await TestCa.create();
  const world = await start(t);
  for (const [n, name] of [
    [60, 'a.example.com'],
    [61, 'b.example.com'],
  ] as const) {
    const now = new Date();
    const { certPem, keyPem } = await ca.authority.issueServing({ dnsNames: [name], ttlSeconds: 3600, now });
    await world.serve(
      n,
      8443,
      createTlsServer({ cert: certPem, key: keyPem }, (socket) => socket.end(String(n))),
    );
  }
  const port = await world.through('web/client', `${VIP}:443`);
  const ask = async (servername: string) => {
    const socket = connect({ port, host: '127.0.0.1', servername, ca: ca.authority.rootPem });
    t.after(() => socket.destroy());
    const [first] = (await once(socket, 'data')) as [Buffer];
    return first.toString();
  };
  assert.equal(await ask('a.example.com'), '60');
  assert.equal(await ask('b.example.com'), '61');
  await assert.rejects(ask('evil.com'));
  await world.logged(/evil\.com is not below \*\.example\.com/);
});

test('what is allowed is allowed by host', async (t) => {
  const policy = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: hosts, namespace: shop }
spec:
  targetRefs: [{ group: networking.istio.io, kind: ServiceEntry, name: wild }]
  rules: [{ to: [{ operation: { hosts: [a.example.com] } }] }]`;
  const world = await start(t, policy);
  for (const n of [60, 61]) await world.http(n, 8080, (_, res) => res.end('ok'));
  const get = await ask(t, world, 80);
  assert.equal(await get('a.example.com'), '200 ok');
  assert.match(await get('b.example.com'), /^403 /);
});
