import assert from 'node:assert/strict';
import { closeSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { request } from 'undici';
import {
  NetnsRef,
  openUdp,
  PacketCapture,
  type SeqpacketConnection,
  SeqpacketServer,
  UdpSocket,
} from '../core/net/index.ts';
import { createLogger } from '../core/telemetry/index.ts';
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  certificateServiceDefinition,
  createCertificateService,
  createDiscoveryService,
  ResourceStore,
  setAddress,
  setAuthorization,
} from '../core/xds/index.ts';
import { startTestPlane } from '../core/xds/test-plane.ts';
import { decodeHello, decodeResponse, encodeRequest, type ZdsRequest } from '../core/zds/index.ts';
import { type Authorization, EMPTY_MATCH, mustParseIp, type Workload } from '../mesh/index.ts';
import { service } from '../mesh/test-support.ts';
import { ScratchDir } from '../test/support/leftovers.ts';
import { eventually, needsRoot, readAll, TestNet } from '../test/support/netns.ts';
import { startZtunnel } from './app.ts';
import { parseConfig } from './config.ts';
import { queryBytes, show } from './dns/test-query.ts';

function workload(name: string, ip4: string, ip6: string): Workload {
  return {
    uid: `c//Pod/shop/${name}`,
    name,
    namespace: 'shop',
    addresses: [mustParseIp(ip4), mustParseIp(ip6)],
    network: '',
    tunnelProtocol: 'HBONE',
    trustDomain: 'cluster.local',
    serviceAccount: name,
    node: 'n1',
    canonicalName: name,
    canonicalRevision: 'latest',
    workloadType: 'DEPLOYMENT',
    workloadName: name,
    nativeTunnel: false,
    authorizationPolicies: [],
    status: 'HEALTHY',
    clusterId: 'c',
    hostname: '',
    services: new Map(),
    networkMode: 'STANDARD',
    capacity: 1,
  };
}

const denyWeb: Authorization = {
  name: 'deny-web',
  namespace: 'shop',
  scope: 'NAMESPACE',
  action: 'DENY',
  rules: [
    {
      clauses: [
        { matches: [{ ...EMPTY_MATCH, principals: [{ kind: 'exact', value: 'cluster.local/ns/shop/sa/web' }] }] },
      ],
    },
  ],
  dryRun: false,
};

/** A control plane, a CNI agent and one ztunnel in this process; pods are namespaces of their own. */
async function startWorld(threads = 2, env: Readonly<Record<string, string>> = {}) {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(new ScratchDir('ambit-ztunnel')).path;
  const addresses = new ResourceStore(ADDRESS_TYPE);
  const authorizations = new ResourceStore(AUTHORIZATION_TYPE);
  const discovery = createDiscoveryService<string>({
    stores: [authorizations, addresses],
    authenticate: async () => 'ztunnel',
    authorize: () => ({ kind: 'all' }),
    orderWaitMs: 20,
  });
  const issued: string[] = [];
  const plane = await startTestPlane([
    discovery,
    {
      definition: certificateServiceDefinition,
      implementation: createCertificateService(async ({ csrPem, impersonatedIdentity = '', ttlSeconds }) => {
        issued.push(impersonatedIdentity);
        const signed = { csrPem, identities: [impersonatedIdentity], ttlSeconds, now: new Date() };
        return (await plane.authority.sign(signed)).chainPem;
      }),
    },
  ]);
  stack.use(plane);
  const agent = stack.use(SeqpacketServer.listen(join(dir, 'ztunnel.sock')));
  const connections: SeqpacketConnection[] = [];
  agent.onConnection((connection) => connections.push(connection));
  stack.defer(() => {
    for (const connection of connections) connection[Symbol.dispose]();
  });

  const lines: string[] = [];
  const parsed = parseConfig({
    env: {
      XDS_ADDRESS: plane.client.address,
      CA_ADDRESS: plane.client.address,
      XDS_ROOT_CA: plane.authority.rootPem,
      CA_ROOT_CA: plane.authority.rootPem,
      ALT_XDS_HOSTNAME: 'localhost',
      ALT_CA_HOSTNAME: 'localhost',
      AUTH_TOKEN: 'a-token',
      NODE_NAME: 'n1',
      INPOD_UDS: join(dir, 'ztunnel.sock'),
      ENABLE_ORIG_SRC: 'false', // the return path of spoofed sources is the CNI's work
      ZTUNNEL_WORKER_THREADS: String(threads),
      CONNECTION_TERMINATION_DEADLINE: '200ms',
      ...env,
    },
    readFile: () => undefined,
  });
  let quits = 0;
  const ztunnel = await startZtunnel({
    config: { ...parsed, adminPort: 0, statsPort: 0, readinessPort: 0 },
    log: createLogger({
      format: 'plain',
      level: 'debug',
      root: 'ztunnel',
      write: (line) => lines.push(line.trimEnd()),
    }),
    write: (text) => lines.push(...text.trimEnd().split('\n')),
    giveUp: assert.fail,
    quit: () => {
      quits += 1;
    },
  });
  let drained = false;
  const drain = async () => {
    if (drained) return;
    drained = true;
    await ztunnel.drain();
  };
  stack.defer(drain);
  const get = async (port: number, path: string, method: 'GET' | 'POST' = 'GET') => {
    const { statusCode, body } = await request(`http://127.0.0.1:${port}${path}`, { method });
    return { status: statusCode, text: await body.text() };
  };
  const connection = async (): Promise<SeqpacketConnection> => {
    // Threads of a ztunnel that is started from its sources strip types first: seconds, beside other tests.
    return await eventually('the ztunnel to dial the agent', () => connections.at(-1), 30_000);
  };
  const tell = async (message: ZdsRequest, netns?: NetnsRef): Promise<string> => {
    const link = await connection();
    await link.send(encodeRequest(message), netns === undefined ? [] : [netns.fd]);
    const answer = await link.receive();
    assert.ok(answer);
    return decodeResponse(answer.packet).error;
  };
  const running = stack.move();
  return {
    addresses,
    authorizations,
    issued,
    lines,
    ztunnel,
    get,
    connection,
    tell,
    drain,
    connectionCount: () => connections.length,
    quits: () => quits,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** What the CNI would have written into the pod: outgoing TCP that is not ours goes to 15001. */
const REDIRECT = `
table inet ambit_test {
  chain output {
    type nat hook output priority -100; policy accept;
    meta l4proto tcp meta mark != 0x539 oifname != "lo" redirect to :15001
  }
}`;

const addPod = (name: string): ZdsRequest => ({
  kind: 'add',
  uid: `pod-${name}`,
  info: { name, namespace: 'shop', serviceAccount: name },
});

test('no pod is asked for before the mesh is known, and readiness says what is missing', {
  skip: needsRoot,
}, async () => {
  await using w = await startWorld();
  const { readiness } = w.ztunnel.ports;
  const link = await w.connection(); // dialled only after both types were acknowledged
  const hello = await link.receive();
  assert.ok(hello);
  decodeHello(hello.packet);
  assert.equal((await w.get(readiness, '/healthz/ready')).text, 'not ready, pending: workload proxy manager\n');
  assert.equal(await w.tell({ kind: 'snapshotSent' }), '');
  await eventually('ready', async () => (await w.get(readiness, '/healthz/ready')).status === 200);
});

async function twoPodsTalk(threads: number): Promise<void> {
  await using net = await TestNet.create({ hosts: { web: {}, cart: {} } });
  const [web, cart] = [net.host('web'), net.host('cart')];
  await using w = await startWorld(threads);
  const { admin, stats } = w.ztunnel.ports;
  setAddress(w.addresses, { kind: 'workload', workload: workload('web', web.ip4, web.ip6) });
  setAddress(w.addresses, { kind: 'workload', workload: workload('cart', cart.ip4, cart.ip6) });
  await (await w.connection()).receive(); // the hello
  assert.equal(await w.tell(addPod('web'), web.netns), '');
  assert.equal(await w.tell(addPod('cart'), cart.netns), '');
  assert.equal(await w.tell({ kind: 'snapshotSent' }), '');
  await eventually('certificates asked for before anybody connects', () => w.issued.length >= 2);
  assert.deepEqual([...w.issued].sort(), [
    'spiffe://cluster.local/ns/shop/sa/cart',
    'spiffe://cluster.local/ns/shop/sa/web',
  ]);

  await web.exec('nft -f -', REDIRECT);
  await cart.listenEcho(8080);
  let onTheWire = false;
  using capture = PacketCapture.open({ netns: cart.netns, interface: 'eth0' });
  const TLS_1_2_RECORD = Buffer.from([23, 3, 3]); // what TLS 1.3 says that its records are
  capture.onPacket((frame) => {
    onTheWire ||= Buffer.from(frame).includes(TLS_1_2_RECORD) || Buffer.from(frame).includes('hello world');
  });
  for (const ip of [cart.ip4, cart.ip6]) {
    const socket = await web.dial({ ip, port: 8080 });
    socket.end('hello world');
    assert.equal(await readAll(socket), 'hello world');
  }
  capture.flush();
  assert.equal(onTheWire, false, 'pods of one node need no wire, whichever threads serve them');
  const complete = await eventually('access lines of both ends', () => {
    const found = w.lines.filter((line) => line.includes('\taccess\tconnection complete\t'));
    return found.length >= 4 ? found : undefined;
  });
  const inbound = complete.find((line) => line.includes('direction="inbound"')) ?? '';
  assert.match(inbound, /src.identity="spiffe:\/\/cluster.local\/ns\/shop\/sa\/web"/);
  assert.match(inbound, /dst.workload="cart" .*bytes_sent=11 bytes_recv=11/);
  assert.equal(w.issued.length, 2); // one certificate each, shared by all connections

  const live = await web.dial({ ip: cart.ip4, port: 8080 });
  live.write('still here');
  await eventually('an echo', () => live.read() !== null);
  const dump = JSON.parse((await w.get(admin, '/config_dump')).text);
  assert.equal(dump.workloadState['pod-cart'].state, 'Up');
  assert.equal(dump.workloadState['pod-cart'].connections.inbound.length, 1);
  assert.equal(dump.workloadState['pod-web'].connections.outbound[0].protocol, 'HBONE');
  assert.deepEqual(
    dump.certificates.map((c: { identity: string; state: string }) => [c.identity.split('/').at(-1), c.state]),
    [
      ['cart', 'Available'],
      ['web', 'Available'],
    ],
  );
  assert.equal(dump.workloads.length, 2);
  assert.equal(dump.config.localNode, 'n1');
  const metrics = (await w.get(stats, '/stats/prometheus')).text;
  assert.match(
    metrics,
    /istio_tcp_connections_opened_total\{reporter="destination",.*connection_security_policy="mutual_tls".*\} 3\n/,
  );
  assert.match(metrics, /istio_build\{component="ztunnel",tag="[^"]+"\} 1\n/);
  const lag = threads === 1 ? ['main'] : ['main', '0', '1'];
  for (const thread of lag)
    assert.match(metrics, new RegExp(`ambit_loop_lag_seconds\\{thread="${thread}"\\} [0-9.e-]+\n`));
  assert.match(metrics, /workload_manager_active_proxy_count 2\n/);
  assert.match(metrics, /istio_xds_message_total\{url="type.googleapis.com\/istio.workload.Address"\} \d+\n/);

  setAuthorization(w.authorizations, denyWeb);
  live.on('error', () => {}); // cut by reset
  await eventually('the open connection to be cut', () => live.destroyed || live.readableEnded);
  const receipts = JSON.parse((await w.get(admin, '/receipts')).text);
  assert.match(receipts[0].because, /shop\/deny-web/);
  assert.equal(receipts[0].src.identity, 'spiffe://cluster.local/ns/shop/sa/web');
  assert.equal((await w.get(admin, `/receipts?id=${receipts[0].id}`)).status, 200);
  assert.equal((await w.get(admin, '/receipts?id=nothing')).status, 404);
  const { flows } = JSON.parse((await w.get(admin, '/flows')).text);
  assert.ok(flows.some((f: { verdict: string; count: number }) => f.verdict === 'allow' && f.count === 3));

  assert.equal(await w.tell({ kind: 'del', uid: 'pod-cart' }), '');
  const sockets = await cart.exec('cat /proc/net/tcp /proc/net/tcp6');
  assert.doesNotMatch(sockets, /:3AA0 \S+ 0A /i); // nobody listens on 15008 (0A is LISTEN)
}

for (const threads of [1, 2]) {
  test(
    `two pods talk with ${threads} thread(s); certificates, lines, metrics and the dump tell of it; a new policy cuts it`,
    {
      skip: needsRoot,
    },
    () => twoPodsTalk(threads),
  );
}

test('a connection waits for a policy that is named and has not arrived, as other control planes send it', {
  skip: needsRoot,
}, async () => {
  await using net = await TestNet.create({ hosts: { web: {}, cart: {} } });
  const [web, cart] = [net.host('web'), net.host('cart')];
  await using w = await startWorld();
  setAddress(w.addresses, { kind: 'workload', workload: workload('web', web.ip4, web.ip6) });
  const named = { ...workload('cart', cart.ip4, cart.ip6), authorizationPolicies: ['shop/web-only'] };
  setAddress(w.addresses, { kind: 'workload', workload: named });
  await (await w.connection()).receive();
  assert.equal(await w.tell(addPod('web'), web.netns), '');
  assert.equal(await w.tell(addPod('cart'), cart.netns), '');
  await web.exec('nft -f -', REDIRECT);
  await cart.listenEcho(8080);
  const socket = await web.dial({ ip: cart.ip4, port: 8080 });
  socket.end('patience');
  const tunnels = () => w.lines.some((line) => /connection opened.*direction="inbound"/.test(line));
  await eventually('the connection to arrive', tunnels);
  const rules = denyWeb.rules;
  const policy: Authorization = {
    name: 'web-only',
    namespace: 'shop',
    scope: 'WORKLOAD_SELECTOR',
    action: 'ALLOW',
    rules,
    dryRun: false,
  };
  setAuthorization(w.authorizations, policy);
  assert.equal(await readAll(socket), 'patience');
});

test('a pod asks its own thread for names, which counts and logs it', { skip: needsRoot }, async () => {
  await using net = await TestNet.create({ hosts: { web: {} } });
  const web = net.host('web');
  await using w = await startWorld(2);
  setAddress(w.addresses, { kind: 'workload', workload: workload('web', web.ip4, web.ip6) });
  setAddress(w.addresses, {
    kind: 'service',
    service: service('cart', { namespace: 'shop', addresses: ['10.96.0.1'] }),
  });
  await (await w.connection()).receive(); // the hello
  assert.equal(await w.tell(addPod('web'), web.netns), '');
  assert.equal(await w.tell({ kind: 'snapshotSent' }), '');
  const answers: Buffer[] = [];
  for (const ip of ['127.0.0.1', '::1']) {
    const events = { datagram: (view: Buffer) => void answers.push(Buffer.from(view)), failed: assert.fail };
    using client = new UdpSocket(openUdp({ netns: web.netns, connect: { ip, port: 15_053 } }), events, { perTurn: 1 });
    client.send(queryBytes({ name: 'cart' }));
    await eventually(`an answer on ${ip}`, () => answers.length > 0);
    assert.deepEqual(show(answers.pop() ?? Buffer.alloc(0)).answers, ['cart A 10.96.0.1']);
  }
  const metrics = (await w.get(w.ztunnel.ports.stats, '/metrics')).text;
  const labels =
    'request_query_type="a",request_protocol="udp",source_canonical_service="web",source_canonical_revision="latest"';
  assert.ok(metrics.includes(`istio_dns_requests_total{${labels}} 2`), metrics);
  await eventually('a line', () =>
    w.lines.some((line) =>
      /\tdns\tdns query\t.*src.workload="web" src.namespace="shop" query=A domain="cart" result="shop\/cart\.shop.*" endpoints=1/.test(
        line,
      ),
    ),
  );
  const { config } = JSON.parse((await w.get(w.ztunnel.ports.admin, '/config_dump')).text);
  assert.equal(config.dnsProxy, true);
  assert.equal(config.dnsProxyAddr, 'localhost:15053');
});

test('a pod whose DNS port is taken is refused with the reason, and is served once it is free', {
  skip: needsRoot,
}, async () => {
  await using net = await TestNet.create({ hosts: { web: {} } });
  const web = net.host('web');
  await using w = await startWorld(1);
  setAddress(w.addresses, { kind: 'workload', workload: workload('web', web.ip4, web.ip6) });
  await (await w.connection()).receive(); // the hello
  assert.equal(await w.tell({ kind: 'snapshotSent' }), '');
  const taken = openUdp({ netns: web.netns, bind: { ip: '127.0.0.1', port: 15_053 } });
  assert.match(await w.tell(addPod('web'), web.netns), /bind EADDRINUSE: listen on 127.0.0.1 port 15053 \(UDP\)/);
  closeSync(taken);
  assert.equal(await w.tell(addPod('web'), web.netns), '');
});

test('our own namespace is not taken for a pod', { skip: needsRoot }, async () => {
  await using w = await startWorld();
  await (await w.connection()).receive();
  using own = NetnsRef.current();
  assert.match(await w.tell(addPod('web'), own), /our own network namespace/);
  await eventually('a new connection after the protocol error', () => w.connectionCount() === 2);
});

test('quitting over the admin port asks the process to stop; draining closes every port', {
  skip: needsRoot,
}, async () => {
  await using w = await startWorld();
  const { admin, readiness, stats } = w.ztunnel.ports;
  assert.equal((await w.get(admin, '/quitquitquit')).status, 405);
  assert.equal((await w.get(admin, '/quitquitquit', 'POST')).status, 200);
  assert.equal(w.quits(), 1);
  assert.match((await w.get(admin, '/')).text, /config_dump/);
  await w.drain();
  for (const port of [admin, readiness, stats]) await assert.rejects(w.get(port, '/'));
});

test('a thread that dies is replaced: its connections are reset, those of others go on, its pods serve again', {
  skip: needsRoot,
}, async () => {
  await using net = await TestNet.create({ hosts: { web: {}, cart: {}, db: {}, eve: {} } });
  const hosts = { web: net.host('web'), cart: net.host('cart'), db: net.host('db') };
  const workers: Worker[] = [];
  const onWorker = (worker: Worker) => void workers.push(worker);
  process.on('worker', onWorker);
  using _listener = { [Symbol.dispose]: () => void process.off('worker', onWorker) };
  // The short way would be web's thread's, and outlive cart's.
  await using w = await startWorld(2, { AMBIT_ZTUNNEL_SAME_NODE: 'tunnel' });
  await (await w.connection()).receive();
  // web and db on thread 0, cart on thread 1
  for (const [name, host] of Object.entries(hosts)) {
    setAddress(w.addresses, { kind: 'workload', workload: workload(name, host.ip4, host.ip6) });
    assert.equal(await w.tell(addPod(name), host.netns), '');
    await host.listenEcho(8080);
  }
  await hosts.web.exec('nft -f -', REDIRECT);
  await hosts.db.exec('nft -f -', REDIRECT);
  const open = async (from: keyof typeof hosts, to: keyof typeof hosts) => {
    const socket = await hosts[from].dial({ ip: hosts[to].ip4, port: 8080 });
    let closed = false;
    socket
      .on('error', () => {})
      .on('close', () => {
        closed = true;
      });
    socket.write('hello');
    await eventually('an echo', () => socket.read() !== null);
    return { socket, closed: () => closed };
  };
  const through = await open('web', 'cart');
  const within = await open('db', 'web');
  const half = await net.host('eve').dial({ ip: hosts.cart.ip4, port: 15_008 }); // in the middle of its handshake
  let halfClosed = false;
  half
    .on('error', () => {})
    .on('close', () => {
      halfClosed = true;
    });
  half.resume().write(Buffer.from([22, 3, 1, 0, 200, 1]));
  const descriptors = readdirSync('/proc/self/fd').length;
  workers[1]?.postMessage(null); // cart's; no message: an uncaught TypeError there
  await eventually('the tunnel to cart to be cut', through.closed);
  await eventually('the handshake to be cut', () => halfClosed);
  within.socket.write('again');
  await eventually('another thread to go on', () => within.socket.read() !== null);
  await eventually('the thread to be replaced', () =>
    w.lines.some((line) => line.includes('a worker thread serves again')),
  );
  assert.ok(w.lines.some((line) => /a worker thread died.*error="Cannot read properties of null/.test(line)));
  const again = await open('web', 'cart');
  assert.equal(within.closed(), false);
  await eventually('descriptors as before', () => readdirSync('/proc/self/fd').length <= descriptors);
  again.socket.destroy();
  within.socket.destroy();
});
