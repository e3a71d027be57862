import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mustParseIp } from '../../mesh/index.ts';
import { accessLine, createLogger, FlowLedger, type Receipt, Receipts, ulid } from './index.ts';

test('a ULID is 26 digits that sort by time', () => {
  assert.equal(
    ulid(0, () => 0),
    '00000000000000000000000000',
  );
  assert.equal(
    ulid(1_469_918_176_385, () => 0.999),
    '01ARYZ6S41ZZZZZZZZZZZZZZZZ',
  );
  assert.ok(ulid(1, () => 0.9) < ulid(2, () => 0));
});

const facts: Omit<Receipt, 'id' | 'at'> = {
  direction: 'inbound',
  reporter: 'destination',
  src: { ip: '10.0.0.1' },
  dst: { ip: '10.0.0.2', port: 80 },
  verdict: 'deny',
  because: 'no-allow-match',
  considered: ['ns/p'],
};

function receipts(limits: { perPod?: number; total?: number } = {}) {
  let tick = 0;
  return new Receipts({ now: () => tick++, random: Math.random, ...limits });
}

test('a receipt is found by its id, with its time', () => {
  const ring = receipts();
  const { id, at } = ring.add('pod', facts);
  assert.equal(ring.get(id)?.at, at);
  assert.equal(at, '1970-01-01T00:00:00.000Z');
  assert.equal(ring.get('nothing'), undefined);
});

test('a noisy pod pushes out its own receipts only', () => {
  const ring = receipts({ perPod: 3, total: 100 });
  const quiet = ring.add('quiet', facts).id;
  const noisy = Array.from({ length: 10 }, () => ring.add('noisy', facts).id);
  assert.ok(ring.get(quiet));
  assert.deepEqual(
    noisy.map((id) => ring.get(id) !== undefined),
    [...Array(7).fill(false), true, true, true],
  );
  assert.deepEqual(
    ring.latest(2).map((r) => r.id),
    [noisy[9], noisy[8]],
  );
});

test('beyond the bound of the process the oldest of all goes', () => {
  const ring = receipts({ perPod: 3, total: 4 });
  const ids = ['a', 'b', 'c', 'd', 'e', 'a'].map((pod) => ring.add(pod, facts).id);
  assert.equal(ring.size, 4);
  assert.deepEqual(
    ids.map((id) => ring.get(id) !== undefined),
    [false, false, true, true, true, true],
  );
});

test('the ledger counts equal flows in one row and drops what was not seen for longest', () => {
  let now = 0;
  const ledger = new FlowLedger({ now: () => now, maxRows: 2 });
  const flow = (source: string) => ({ source, destination: 'w', port: 80, service: '', verdict: 'allow' }) as const;
  ledger.record(flow('a'));
  now = 1_000;
  ledger.record(flow('b'));
  now = 2_000;
  ledger.record(flow('a'));
  ledger.record(flow('c')); // pushes b out
  assert.deepEqual(
    ledger.rows().map((r) => [r.source, r.count, r.firstSeen, r.lastSeen]),
    [
      ['c', 1, '1970-01-01T00:00:02.000Z', '1970-01-01T00:00:02.000Z'],
      ['a', 2, '1970-01-01T00:00:00.000Z', '1970-01-01T00:00:02.000Z'],
    ],
  );
  assert.equal(ledger.dropped, 1);
});

test('flows that a dry run would have decided otherwise have a row of their own', () => {
  const ledger = new FlowLedger({ now: () => 0 });
  const flow = { source: 'a', destination: 'w', port: 80, service: '', verdict: 'allow' } as const;
  for (const row of [flow, { ...flow, dryRun: 'would deny' }, flow]) ledger.record(row);
  assert.deepEqual(
    ledger.rows().map((r) => [r.dryRun, r.count]),
    [
      [undefined, 2],
      ['would deny', 1],
    ],
  );
});

test('an access line has its fields in the order that log readers know', () => {
  const lines: string[] = [];
  const log = createLogger({ format: 'plain', level: 'info', now: () => 0, write: (line) => lines.push(line) });
  const fields = accessLine({
    src: {
      addr: { ip: mustParseIp('10.1.2.3'), port: 40112 },
      workload: 'web',
      namespace: 'shop',
      identity: 'spiffe://x',
      cluster: 'c1',
    },
    dst: { addr: { ip: mustParseIp('fd00::9'), port: 15008 }, workload: 'cart-0', namespace: 'shop', cluster: 'c1' },
    hboneAddr: '[fd00::9]:9090',
    service: 'cart.shop.svc.cluster.local',
    direction: 'outbound',
    end: { bytesSent: 512, bytesReceived: 2048, durationMs: 7.4, dryRun: 'would deny' },
  });
  log.target('access').info('connection complete', fields);
  assert.equal(
    lines[0],
    '1970-01-01T00:00:00.000000Z\tinfo\taccess\tconnection complete\tsrc.addr=10.1.2.3:40112 src.workload="web" src.namespace="shop" src.identity="spiffe://x" src.cluster="c1" dst.addr=[fd00::9]:15008 dst.hbone_addr=[fd00::9]:9090 dst.service="cart.shop.svc.cluster.local" dst.workload="cart-0" dst.namespace="shop" dst.cluster="c1" direction="outbound" bytes_sent=512 bytes_recv=2048 duration="7ms" dry_run="would deny"\n',
  );
});
