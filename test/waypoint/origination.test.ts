import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { createServer, type ServerOptions } from 'node:https';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { DEFAULT_MESH_CONFIG } from '../../mesh/index.ts';
import { TestCa } from '../support/certificates.ts';
import { eventually } from '../support/netns.ts';
import { podYaml, SHOP, WaypointWorld } from './world.ts';

const HOST = 'api.example.com';
const VIP = '10.0.0.150';
const DAY_MS = 86_400_000;

/** What is served at VIP; its one server is outside the mesh, at 10.0.0.50. */
const OUTSIDE = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api, namespace: shop }
spec:
  hosts: [${HOST}]
  addresses: [${VIP}]
  resolution: STATIC
  location: MESH_EXTERNAL
  endpoints: [{ address: 10.0.0.50 }]
  ports:
    - { name: http, number: 80, targetPort: 8443, protocol: HTTP }
    - { name: http2, number: 82, targetPort: 8444, protocol: HTTP2 }
    - { name: tcp, number: 90, targetPort: 9443, protocol: TCP }
`;

const ca = await TestCa.create();
const stranger = await TestCa.create();

/** A certificate of a server, as `node:tls` takes it. */
async function certificate(o: { readonly by?: TestCa; readonly name?: string; readonly at?: Date } = {}) {
  const { by = ca, name = HOST, at = new Date() } = o;
  const { certPem, keyPem } = await by.authority.issueServing({ dnsNames: [name], ttlSeconds: 3600, now: at });
  return { cert: certPem, key: keyPem };
}

function secret(name: string, data: Readonly<Record<string, string>>): string {
  const entries = Object.entries(data).map(([key, pem]) => `${key}: ${Buffer.from(pem).toString('base64')}`);
  return `{ apiVersion: v1, kind: Secret, metadata: { name: ${name}, namespace: shop }, data: { ${entries.join(', ')} } }`;
}

function rule(tls: string, host = HOST): string {
  return `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: tls, namespace: shop }
spec: { host: ${host}, trafficPolicy: { tls: ${tls} } }`;
}

const TRUSTED = secret('roots', { 'ca.crt': ca.authority.rootPem });
const SIMPLE = rule('{ mode: SIMPLE, credentialName: roots }');

function start(t: TestContext, ...yaml: readonly string[]): Promise<WaypointWorld> {
  return WaypointWorld.start(t, { yaml: [SHOP, OUTSIDE, ...yaml].join('\n---\n') });
}

/** Answers with who asked for what. */
function echo(options: ServerOptions) {
  return createServer(options, (req, res) => {
    const { servername, alpnProtocol } = req.socket as TLSSocket & { readonly servername?: string };
    const client = (req.socket as TLSSocket).getPeerCertificate().subjectaltname;
    res.end(JSON.stringify({ sni: servername, alpn: alpnProtocol, host: req.headers.host, client }));
  });
}

async function call(port: number, path = '/') {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: await response.text() };
}

test('a request in the clear reaches a server outside by TLS, which hears the name of the service', async (t) => {
  const world = await start(t, TRUSTED, SIMPLE);
  await world.serve(50, 8443, echo({ ...(await certificate()), ALPNProtocols: ['http/1.1'] }));
  const port = await world.through('web/client', `${VIP}:80`);
  const { status, text } = await call(port);
  assert.equal(status, 200, text);
  const { sni, alpn } = JSON.parse(text);
  assert.deepEqual([sni, alpn], [HOST, 'http/1.1']);
});

test('who is not the server that is meant gets no request, and nothing goes in the clear', async (t) => {
  const good = await certificate();
  const rows: Readonly<Record<string, readonly [string, ServerOptions, RegExp]>> = {
    'another name': [SIMPLE, await certificate({ name: 'evil.example.com' }), /not of api\.example\.com, but of evil/],
    'another authority': [SIMPLE, await certificate({ by: stranger }), /unable to verify|self.signed/],
    expired: [SIMPLE, await certificate({ at: new Date(Date.now() - DAY_MS) }), /expired/],
    'nobody but the web is trusted': [rule('{ mode: SIMPLE }'), good, /unable to (verify|get)|self.signed/],
    'other alternative names are wanted': [
      rule('{ mode: SIMPLE, credentialName: roots, subjectAltNames: [other.example.com] }'),
      good,
      /not of other\.example\.com/,
    ],
    'a Secret that is not there': [rule('{ mode: SIMPLE, credentialName: nowhere }'), good, /nowhere is not there/],
    'a Secret without authorities': [rule('{ mode: SIMPLE, credentialName: empty }'), good, /no certificate in ca.crt/],
    'a file of the proxy': [rule('{ mode: SIMPLE, caCertificates: /etc/ca.pem }'), good, /reads no files/],
  };
  for (const [name, [yaml, options, expected]] of Object.entries(rows)) {
    await t.test(name, async (t) => {
      const world = await start(t, TRUSTED, secret('empty', {}), yaml);
      const heard: string[] = [];
      await world.serve(
        50,
        8443,
        createServer(options, (req, res) => {
          heard.push(String(req.url));
          res.end();
        }),
      );
      const { status } = await call(await world.through('web/client', `${VIP}:80`));
      assert.equal(status, 503);
      assert.deepEqual(heard, []);
      const line = JSON.parse(await world.logged(/"response_code":503/)) as Readonly<Record<string, string>>;
      assert.equal(line['response_flags'], 'UF');
      assert.match(line['upstream_transport_failure_reason'] ?? '', expected);
    });
  }
});

test('TLS is asked for by other names, by any, or by nobody at all', async (t) => {
  const rows: Readonly<Record<string, readonly [string, ServerOptions, string]>> = {
    'a name of the rule': [
      rule('{ mode: SIMPLE, credentialName: roots, sni: other.example.com }'),
      await certificate({ name: 'other.example.com' }),
      'other.example.com',
    ],
    'alternative names of the rule': [
      rule('{ mode: SIMPLE, credentialName: roots, subjectAltNames: [a.example.com, b.example.com] }'),
      await certificate({ name: 'b.example.com' }),
      HOST,
    ],
    'nobody is verified': [
      rule('{ mode: SIMPLE, insecureSkipVerify: true }'),
      await certificate({ by: stranger, name: 'evil.example.com' }),
      HOST,
    ],
  };
  for (const [name, [yaml, options, sni]] of Object.entries(rows)) {
    await t.test(name, async (t) => {
      const world = await start(t, TRUSTED, yaml);
      await world.serve(50, 8443, echo(options));
      const { status, text } = await call(await world.through('web/client', `${VIP}:80`));
      assert.equal(status, 200, text);
      assert.equal(JSON.parse(text).sni, sni);
    });
  }
});

test('MUTUAL shows the certificate of the Secret, and a new one as soon as it is there', async (t) => {
  const own = async (name: string) => {
    const { key, chain } = await ca.material(ca.id('shop', name));
    return secret('client', { 'tls.crt': chain, 'tls.key': key, 'ca.crt': ca.authority.rootPem });
  };
  const world = await start(t, await own('first'), rule('{ mode: MUTUAL, credentialName: client }'));
  const strict = { ca: ca.authority.rootPem, requestCert: true, rejectUnauthorized: true };
  await world.serve(50, 8443, echo({ ...(await certificate()), ...strict }));
  const port = await world.through('web/client', `${VIP}:80`);
  const first = await call(port);
  assert.match(JSON.parse(first.text).client, /sa\/first/);
  await world.apply(await own('second'));
  const second = await call(port);
  assert.match(JSON.parse(second.text).client, /sa\/second/);
  await world.apply([TRUSTED, SIMPLE].join('\n---\n'));
  assert.equal((await call(port)).status, 503, 'without a certificate of ours');
});

test('a port of HTTP/2 is asked for h2, and one that can not is refused', async (t) => {
  const world = await start(t, TRUSTED, SIMPLE);
  const server = createSecureServer(await certificate());
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.respond({ ':status': 200 });
    stream.end(`${headers[':scheme']} ${headers[':method']}`);
  });
  await world.serve(50, 8444, server);
  assert.equal((await call(await world.through('web/client', `${VIP}:82`))).text, 'https GET');
  await world.apply(OUTSIDE.replace('targetPort: 8444', 'targetPort: 8445'));
  await world.serve(50, 8445, createTlsServer(await certificate()));
  assert.equal((await call(await world.through('web/client', `${VIP}:82`))).status, 503);
  await world.logged(/does not speak HTTP\/2/);
});

test('a connection that nobody reads goes by TLS, both ways, with half-close', async (t) => {
  const world = await start(t, TRUSTED, SIMPLE);
  const server = createTlsServer({ ...(await certificate()), allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => socket.write(chunk.toString().toUpperCase()));
    socket.on('end', () => socket.end('bye'));
  });
  await world.serve(50, 9443, server);
  const socket: Socket = connect({
    port: await world.through('web/client', `${VIP}:90`),
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  const heard: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => heard.push(chunk));
  socket.end('hello ');
  await once(socket, 'end');
  assert.equal(Buffer.concat(heard).toString(), 'HELLO bye');
});

test('in the mesh TLS goes inside of the tunnel', async (t) => {
  const host = 'cart.shop.svc.cluster.local';
  const world = await start(t, TRUSTED, rule('{ mode: SIMPLE, credentialName: roots }', host));
  for (const n of [1, 2]) await world.serve(n, 8080, echo(await certificate({ name: host })));
  const { status, text } = await call(await world.through('web/client', '10.0.0.100:80'));
  assert.equal(status, 200, text);
  assert.equal(JSON.parse(text).sni, host);
  assert.match(world.arrivals[0]?.pod ?? '', /^shop\/cart-/);
});

test('a BackendTLSPolicy has TLS spoken with a service of the mesh, and nothing is sent once its authorities are gone', async (t) => {
  const authorities = (pem: string) => `
apiVersion: v1
kind: ConfigMap
metadata: { name: ca, namespace: shop }
data: { ca.crt: ${JSON.stringify(pem)} }`;
  const yaml = `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: tls, namespace: shop }
spec:
  targetRefs: [{ group: "", kind: Service, name: cart, sectionName: http }]
  validation:
    hostname: asked.example.com
    caCertificateRefs: [{ group: "", kind: ConfigMap, name: ca }]
    subjectAltNames: [{ type: Hostname, hostname: "*.other.example.com" }, { type: URI, uri: "spiffe://x/y" }]`;
  const world = await start(t, authorities(ca.authority.rootPem), yaml);
  for (const n of [1, 2]) await world.serve(n, 8080, echo(await certificate({ name: 'a.other.example.com' })));
  const port = await world.through('web/client', '10.0.0.100:80');
  const { status, text } = await call(port);
  assert.equal(status, 200, text);
  assert.equal(JSON.parse(text).sni, 'asked.example.com');
  await world.apply(authorities(stranger.authority.rootPem));
  assert.equal((await call(port)).status, 503);
  world.remove('ConfigMap', 'shop/ca');
  assert.match((await call(port)).text, /ConfigMap shop\/ca is not there/);
});

const askedService = (name: string, n: number) => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: auth }
spec: { clusterIP: 10.0.0.${n}, selector: { app: asked }, ports: [{ name: http, port: 80, targetPort: 8000 }] }`;
/** The collector has a name of its own: services name it, too, and only the Gateway the other one. */
const ASKED_BY_GATEWAY = `
${askedService('asked', 102)}
---
${askedService('spans', 103)}
---
${podYaml('auth', 'asked-1', 3, 'asked')}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: tokens, namespace: shop }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: waypoint }]
  jwtRules: [{ issuer: me, jwksUri: "http://asked.auth/keys" }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ask, namespace: shop }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: waypoint }]
  action: CUSTOM
  provider: { name: authz }
  rules: [{}]`;

test('whom the waypoint asks itself is asked by TLS, and told nothing once that can not be had', async (t) => {
  const hosts = '*.auth.svc.cluster.local';
  const to = { port: 80, timeoutMs: 5_000 };
  const lists = { toUpstreamOnAllow: [], toDownstreamOnDeny: [], toDownstreamOnAllow: [] };
  const http = { pathPrefix: '/check', requestHeaders: [], additionalHeaders: [], ...lists };
  const collector = { ...to, service: 'auth/spans.auth.svc.cluster.local', path: '/v1/traces', headers: [] };
  const world = await WaypointWorld.start(t, {
    yaml: [SHOP, ASKED_BY_GATEWAY, TRUSTED, rule('{ mode: SIMPLE, credentialName: roots }', `"${hosts}"`)].join(
      '\n---\n',
    ),
    config: {
      authorizers: [
        {
          ...to,
          service: 'auth/asked.auth.svc.cluster.local',
          name: 'authz',
          failOpen: false,
          statusOnError: 503,
          http,
        },
      ],
      telemetry: {
        ...DEFAULT_MESH_CONFIG.telemetry,
        providers: [{ kind: 'traces', name: 'otel', collector }],
        defaultTraces: ['otel'],
        samplingPercentage: 100,
      },
    },
  });
  for (const n of [1, 2]) await world.http(n, 8080, (_, res) => res.end('cart'));
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
  const keys = JSON.stringify({ keys: [await exportJWK(publicKey)] });
  const heard: string[] = [];
  const server = createServer(await certificate({ name: hosts }), (req, res) => {
    heard.push(String(req.url));
    res.end(req.url === '/keys' ? keys : '');
  });
  await world.serve(3, 8000, server);
  const port = await world.through('web/client', '10.0.0.100:80');
  const token = await new SignJWT({ iss: 'me', sub: 'joe' }).setProtectedHeader({ alg: 'RS256' }).sign(privateKey);
  const get = async () =>
    (await fetch(`http://127.0.0.1:${port}/a`, { headers: { authorization: `Bearer ${token}` } })).status;
  assert.equal(await get(), 200);
  await eventually('spans arrive', () => heard.includes('/v1/traces'));
  assert.deepEqual(new Set(heard), new Set(['/keys', '/check/a', '/v1/traces']));
  heard.length = 0;
  world.remove('Secret', 'shop/roots');
  assert.equal(await get(), 503);
  assert.deepEqual(heard, []);
});

test('TLS for one port leaves the others as they are', async (t) => {
  const yaml = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: tls, namespace: shop }
spec:
  host: ${HOST}
  trafficPolicy:
    portLevelSettings: [{ port: { number: 80 }, tls: { mode: SIMPLE, credentialName: roots } }]`;
  const world = await start(t, TRUSTED, yaml);
  await world.serve(50, 8443, echo(await certificate()));
  await world.tcp(50, 9443, (socket) => socket.end('plain'));
  assert.equal((await call(await world.through('web/client', `${VIP}:80`))).status, 200);
  const socket = connect(await world.through('web/client', `${VIP}:90`), '127.0.0.1');
  const [first] = (await once(socket, 'data')) as [Buffer];
  assert.equal(first.toString(), 'plain');
  socket.destroy();
});
