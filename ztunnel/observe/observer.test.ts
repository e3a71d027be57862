import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger, FlowLedger, labelText, Receipts, Registry } from '../../core/telemetry/index.ts';
import {
  type Authorization,
  EMPTY_MATCH,
  evaluate,
  mustParseIp,
  parseSpiffeId,
  type Service,
  View,
  type Workload,
} from '../../mesh/index.ts';
import type { ConnectionContext, PolicyEvent } from '../data/index.ts';
import { TCP_LABELS, tcpLabels, tcpLabelText } from './labels.ts';
import { tcpMetrics } from './metrics.ts';
import { Observer } from './observer.ts';

function workload(name: string, ip: string): Workload {
  return {
    uid: `c//Pod/shop/${name}-1`,
    name: `${name}-1`,
    namespace: 'shop',
    addresses: [mustParseIp(ip)],
    network: '',
    tunnelProtocol: 'HBONE',
    trustDomain: 'cluster.local',
    serviceAccount: name,
    node: 'n1',
    canonicalName: name,
    canonicalRevision: 'v1',
    workloadType: 'DEPLOYMENT',
    workloadName: `${name}-deploy`,
    nativeTunnel: false,
    authorizationPolicies: [],
    status: 'HEALTHY',
    clusterId: 'c1',
    hostname: '',
    services: new Map(),
    networkMode: 'STANDARD',
    capacity: 1,
    locality: { region: 'r1', zone: 'z1', subzone: '' },
  };
}

const web = workload('web', '10.0.0.1');
const cart = workload('cart', '10.0.0.2');
const service: Service = {
  name: 'cart',
  namespace: 'shop',
  hostname: 'cart.shop.svc.cluster.local',
  addresses: [],
  ports: [],
  subjectAltNames: [],
  weightedWaypoints: [],
  ipFamilies: 'AUTOMATIC',
  canonical: false,
  ingressUseWaypoint: false,
  visibility: 'PUBLIC',
};
const ID = {
  web: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web'),
  cart: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/cart'),
};
const addr = (ip: string, port: number) => ({ ip: mustParseIp(ip), port });

const outbound: ConnectionContext = {
  id: 'ab',
  direction: 'outbound',
  reporter: 'source',
  src: { addr: addr('10.0.0.1', 40112), workload: web, identity: ID.web },
  dst: { addr: addr('10.0.0.2', 15008), workload: cart, identity: ID.cart },
  hboneAddr: '10.0.0.2:9090',
  service,
  protocol: 'HBONE',
  securityPolicy: 'mutual_tls',
};
const inbound: ConnectionContext = { ...outbound, direction: 'inbound', reporter: 'destination' };

function world(level = 'info') {
  let now = 0;
  const lines: string[] = [];
  const registry = new Registry();
  const receipts = new Receipts({ now: () => 0, random: Math.random });
  const ledger = new FlowLedger({ now: () => 0 });
  const log = createLogger({
    format: 'plain',
    level,
    root: 'ztunnel',
    now: () => 0,
    write: (line) => lines.push(line.trimEnd().split('\t').slice(1).join('|')),
  });
  const observer = new Observer({ metrics: tcpMetrics(registry), receipts, ledger, log, now: () => now });
  registry.onCollect(() => observer.flush());
  const value = (name: string, labels: string) =>
    Number(new RegExp(`^${name}\\{[^}]*${labels}[^}]*\\} (.+)$`, 'm').exec(registry.render().body)?.[1] ?? Number.NaN);
  return {
    advance: (ms: number) => {
      now += ms;
    },
    ledger,
    lines,
    observer,
    receipts,
    registry,
    value,
  };
}

test('a connection is counted open at once, its bytes while it lives, and closed with its last flag', () => {
  const w = world();
  const connection = w.observer.opened(outbound);
  assert.equal(w.value('istio_tcp_connections_opened_total', 'response_flags="-"'), 1);
  connection.counters.received += 512;
  connection.counters.sent += 2048;
  assert.equal(w.value('istio_tcp_received_bytes_total', 'reporter="source"'), 512);
  assert.equal(w.value('istio_tcp_sent_bytes_total', 'reporter="source"'), 2048);
  connection.counters.received += 8;
  connection.closed({ flags: 'CONNECT', error: 'connection refused' });
  connection.closed({ flags: '-' });
  assert.equal(w.value('istio_tcp_received_bytes_total', 'response_flags="-"'), 520);
  assert.equal(w.value('istio_tcp_connections_closed_total', 'response_flags="CONNECT"'), 1);
  assert.equal(w.value('istio_tcp_connections_failed_total', 'response_flags="CONNECT"'), 1);
});

test('the access line of the source turns bytes round, that of the destination does not', () => {
  const w = world();
  for (const context of [outbound, inbound]) {
    const connection = w.observer.opened(context);
    connection.counters.received += 512;
    connection.counters.sent += 2048;
    w.advance(7);
    connection.closed({ flags: '-' });
  }
  const common =
    'src.addr=10.0.0.1:40112 src.workload="web-1" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/web" src.cluster="c1" dst.addr=10.0.0.2:15008 dst.hbone_addr=10.0.0.2:9090 dst.service="cart.shop.svc.cluster.local" dst.workload="cart-1" dst.namespace="shop" dst.identity="spiffe://cluster.local/ns/shop/sa/cart" dst.cluster="c1"';
  assert.deepEqual(w.lines, [
    `info|access|connection complete|${common} direction="outbound" bytes_sent=512 bytes_recv=2048 duration="7ms"`,
    `info|access|connection complete|${common} direction="inbound" bytes_sent=2048 bytes_recv=512 duration="7ms"`,
  ]);
});

test('a failure is an error line, an opening only shows at debug, an early denial is a warning without counters', () => {
  const w = world('debug');
  w.observer.opened({ ...outbound, src: { addr: outbound.src.addr } }).closed({ flags: 'DENY', error: 'denied' });
  w.observer.earlyDeny({ direction: 'inbound', src: addr('10.0.0.1', 1), dst: addr('fd00::2', 15006), error: 'loop' });
  assert.match(w.lines[0] ?? '', /^debug\|access\|connection opened\|src.addr=10.0.0.1:40112 dst.addr=/);
  assert.doesNotMatch(w.lines[0] ?? '', /bytes_|duration/);
  assert.match(w.lines[1] ?? '', /^error\|access\|connection complete\|.* duration="0ms" error="denied"$/);
  assert.equal(
    w.lines[2],
    'warn|access|connection failed|src.addr=10.0.0.1:1 dst.addr=[fd00::2]:15006 direction="inbound" error="loop"',
  );
  assert.equal(w.value('istio_tcp_connections_opened_total', ''), 1);
});

test('labels as text are those of the connection, whatever came to the same workload before it', () => {
  const { identity: _nobody, ...anonymous } = outbound.src;
  const contexts: readonly ConnectionContext[] = [
    outbound,
    { ...outbound, id: 'another' },
    inbound,
    { ...inbound, src: { addr: addr('10.0.0.9', 1), baggage: { workloadName: 'job' } } },
    { ...inbound, src: { addr: addr('10.0.0.9', 1), baggage: { workloadName: 'cron' } } },
    { ...outbound, src: anonymous },
    { ...outbound, dst: { ...outbound.dst, identity: ID.web } },
    { ...outbound, dst: { addr: addr('1.1.1.1', 443) } },
    { ...outbound, src: { ...outbound.src, workload: workload('job', '10.0.0.3') } },
    { ...outbound, service: { ...service, hostname: 'other.shop.svc.cluster.local' } },
    { ...outbound, securityPolicy: 'unknown' },
    { ...outbound, reporter: 'destination' },
  ];
  for (const before of contexts) {
    for (const context of contexts) {
      tcpLabelText(before);
      assert.equal(tcpLabelText(context), labelText(TCP_LABELS, tcpLabels(context)));
    }
  }
});

test('labels: the view wins over baggage, principals of callers only from TLS, what is missing is unknown', () => {
  const labels = tcpLabels({
    ...inbound,
    src: {
      addr: addr('10.0.0.9', 1),
      baggage: { workloadName: 'job', serviceName: 'batch', revision: 'v2', clusterId: 'c2', region: 'r2' },
    },
  });
  assert.deepEqual(labels, [
    'destination',
    'job',
    'batch',
    'v2',
    'unknown',
    'unknown',
    'job',
    'v2',
    'c2',
    'cart.shop.svc.cluster.local',
    'shop',
    'cart',
    'cart-deploy',
    'cart',
    'v1',
    'shop',
    'spiffe://cluster.local/ns/shop/sa/cart',
    'cart',
    'v1',
    'c1',
    'tcp',
    '-',
    'mutual_tls',
    'r2',
    'unknown',
    'r1',
    'z1',
  ]);
  const plain = tcpLabels({
    ...outbound,
    src: { addr: outbound.src.addr, workload: web },
    dst: { addr: addr('1.1.1.1', 443) },
    securityPolicy: 'unknown',
  });
  assert.equal(plain[5], 'unknown');
  assert.equal(plain[16], 'unknown');
});

function denial(when: 'accept' | 'live', dryRun = false): PolicyEvent {
  const view = new View({ network: '', localNode: '' });
  const policy: Authorization = {
    name: 'admins-only',
    namespace: 'shop',
    scope: 'NAMESPACE',
    action: 'ALLOW',
    rules: [
      {
        clauses: [
          { matches: [{ ...EMPTY_MATCH, principals: [{ kind: 'exact', value: 'cluster.local/ns/shop/sa/admin' }] }] },
        ],
      },
    ],
    dryRun,
  };
  view.upsertAddress({ kind: 'workload', workload: cart });
  view.upsertAuthorization(policy);
  const scope = view.policyScope(cart);
  const facts = { source: ID.web, from: addr('10.0.0.1', 40112), to: addr('10.0.0.2', 9090) };
  return { context: inbound, facts, scope, decision: evaluate(scope, facts), when };
}

test('a denial leaves a receipt that says which policies were looked at and what came closest, and a line with its id', () => {
  const w = world();
  const id = w.observer.denied(denial('accept'));
  const receipt = w.receipts.get(id);
  assert.deepEqual(receipt?.src, { identity: ID.web, ip: '10.0.0.1', workload: 'c//Pod/shop/web-1' });
  assert.deepEqual(receipt?.dst, {
    ip: '10.0.0.2',
    port: 9090,
    service: 'shop/cart.shop.svc.cluster.local',
    workload: 'c//Pod/shop/cart-1',
  });
  assert.equal(receipt?.verdict, 'deny');
  assert.deepEqual(receipt?.considered, ['shop/admins-only']);
  assert.equal(receipt?.nearestMiss?.field, 'principals');
  assert.match(w.lines[0] ?? '', new RegExp(`^info\\|policy\\|connection denied\\|.*receipt="${id}"$`));
  w.observer.denied(denial('live'));
  assert.match(w.lines[1] ?? '', /open connection denied/);
});

test('a receipt names so many policies and no more', () => {
  const w = world();
  const event = denial('accept');
  const view = new View({ network: '', localNode: '' });
  for (let i = 0; i < 1_000; i++) {
    view.upsertAuthorization({
      name: `p${i}`,
      namespace: 'shop',
      scope: 'NAMESPACE',
      action: 'ALLOW',
      rules: [],
      dryRun: false,
    });
  }
  const receipt = w.receipts.get(w.observer.denied({ ...event, scope: view.policyScope(cart) }));
  assert.equal(receipt?.considered.length, 65);
  assert.equal(receipt?.considered.at(-1), 'and 936 more');
});

test('a dry run that would deny leaves a receipt, a count and its mark on the flow and the access line, and refuses nothing', () => {
  const w = world();
  const event = denial('accept', true);
  assert.equal(event.decision.verdict, 'allow');
  const open = w.observer.opened(event.context);
  w.observer.dryRun(event);
  w.observer.allowed(event);
  open.closed({ flags: '-' });
  const said = 'no rule of ALLOW policy shop/admins-only matches: would deny';
  const [receipt] = w.receipts.latest(1);
  assert.deepEqual([receipt?.verdict, receipt?.because], ['dry-run-deny', said]);
  assert.deepEqual(receipt?.considered, ['shop/admins-only']);
  assert.equal(receipt?.nearestMiss?.field, 'principals');
  assert.match(w.lines[0] ?? '', /^info\|policy\|a dry-run policy would decide\|.*would deny/);
  assert.match(w.lines[1] ?? '', new RegExp(`^info\\|access\\|connection complete\\|.* dry_run="${said}"$`));
  assert.deepEqual(
    w.ledger.rows().map((r) => [r.verdict, r.dryRun, r.count]),
    [['allow', said, 1]],
  );
  const labels = 'policy="shop/admins-only",rule="none",action="ALLOW",would="deny",changes="true"';
  assert.equal(w.value('ambit_policy_dry_run_total', labels), 1);
});

test('a dry run that would change nothing is counted, and only that', () => {
  const w = world();
  const event = denial('accept', true);
  const hit = { policy: 'shop/p', rule: 3, action: 'DENY', would: 'deny', changes: false } as const;
  const unchanged = { ...event, decision: { ...event.decision, dryRunHits: [hit] } };
  const open = w.observer.opened(event.context);
  w.observer.dryRun(unchanged);
  w.observer.allowed(unchanged);
  open.closed({ flags: '-' });
  assert.equal(w.receipts.size, 0);
  assert.equal(w.ledger.rows()[0]?.dryRun, undefined);
  assert.equal(w.lines.length, 1);
  assert.doesNotMatch(w.lines[0] ?? '', /dry_run/);
  const labels = 'policy="shop/p",rule="3",action="DENY",would="deny",changes="false"';
  assert.equal(w.value('ambit_policy_dry_run_total', labels), 1);
});

test('a line names a few of the policies that are tried out, however many there are', () => {
  const w = world();
  const event = denial('accept', true);
  const hits = Array.from(
    { length: 100 },
    (_, rule) => ({ policy: 'shop/p', rule, action: 'DENY', would: 'deny', changes: true }) as const,
  );
  const many = { ...event, decision: { ...event.decision, dryRunHits: hits } };
  const open = w.observer.opened(event.context);
  w.observer.dryRun(many);
  w.observer.allowed(many);
  open.closed({ flags: '-' });
  for (const text of [w.lines.at(-1), w.ledger.rows()[0]?.dryRun]) {
    assert.match(text ?? '', /rule 3: would deny; and more/);
    assert.doesNotMatch(text ?? '', /rule 4/);
  }
});

test('what is tried out does not push out what was refused', () => {
  const w = world();
  const id = w.observer.denied(denial('accept'));
  for (let i = 0; i < 2_000; i++) w.observer.dryRun(denial('accept', true));
  assert.ok(w.receipts.get(id));
  assert.equal(w.receipts.size, 1_025);
});

test('the ledger has who talked to whom and how it ended', () => {
  const w = world();
  w.observer.denied(denial('accept'));
  const { source: _source, ...anonymous } = denial('accept').facts;
  w.observer.allowed({ ...denial('accept'), facts: anonymous });
  assert.deepEqual(
    w.ledger.rows().map((r) => [r.source, r.destination, r.port, r.service, r.verdict, r.count]),
    [
      ['10.0.0.1', 'c//Pod/shop/cart-1', 9090, 'shop/cart.shop.svc.cluster.local', 'allow', 1],
      [ID.web, 'c//Pod/shop/cart-1', 9090, 'shop/cart.shop.svc.cluster.local', 'deny', 1],
    ],
  );
});

test('behind a waypoint the line, the receipt and the ledger have both, the waypoint and the caller', () => {
  const w = world();
  const { context, facts, ...event } = denial('accept');
  const original = { identity: parseSpiffeId('spiffe://cluster.local/ns/far/sa/caller'), ip: mustParseIp('10.0.7.7') };
  const behind = { ...event, context: { ...context, original }, facts: { ...facts, original } };
  const open = w.observer.opened(behind.context);
  const id = w.observer.denied(behind);
  open.closed({ flags: 'DENY', error: 'denied' });
  const { identity } = original;
  assert.deepEqual(w.receipts.get(id)?.src.original, original);
  assert.equal(w.receipts.get(id)?.src.identity, ID.web);
  assert.deepEqual([w.ledger.rows()[0]?.source, w.ledger.rows()[0]?.waypoint], [identity, ID.web]);
  const line = w.lines.find((l) => l.includes('connection complete')) ?? '';
  assert.ok(line.includes(`src.identity="${ID.web}"`) && line.includes(`src.original="${identity}"`), line);
});

test('callers that are named by others than waypoints are counted, and fill no log', () => {
  const w = world();
  w.observer.sourceHeaderDropped(parseSpiffeId('spiffe://cluster.local/ns/far/sa/caller'));
  assert.equal(Number(/^ambit_source_headers_dropped_total (.+)$/m.exec(w.registry.render().body)?.[1]), 1);
  assert.deepEqual(w.lines, []);
});

test('open sockets are counted by reporter', () => {
  const w = world();
  w.observer.socketAccepted('source');
  w.observer.socketAccepted('source');
  w.observer.socketClosed('source');
  assert.match(w.registry.render().body, /istio_tcp_sockets_open\{reporter="source"\} 1\n/);
});

test('what may change says unstable in its help, what is stable does not', () => {
  const { registry } = world();
  registry.counter('x', 'X.').labels([]);
  const w = world();
  w.observer.opened(outbound).closed({ flags: 'DENY', error: 'x' });
  const help = new Map(
    [...w.registry.render().body.matchAll(/^# HELP (\S+) (.*)$/gm)].map((m) => [m[1], /unstable/.test(m[2] ?? '')]),
  );
  assert.equal(help.get('istio_tcp_connections_opened'), false);
  assert.equal(help.get('istio_tcp_received_bytes'), false);
  assert.equal(help.get('istio_tcp_connections_failed'), true);
});

test('what peers of tunnels do against the rules is counted by the limit that they hit', () => {
  const w = world();
  w.observer.tunnelFault('rapid-reset');
  w.observer.tunnelFault('rapid-reset');
  w.observer.tunnelFault('hpack-bomb');
  assert.equal(w.value('ambit_hbone_faults_total', 'kind="rapid-reset"'), 2);
  assert.equal(w.value('ambit_hbone_faults_total', 'kind="hpack-bomb"'), 1);
  assert.deepEqual(w.lines, []); // as many lines as frames would be a flood of their own
});
