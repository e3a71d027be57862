import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LoadBalancing, Workload } from '../model.ts';
import { at, seeded, service, viewOf, workload } from '../test-support.ts';
import { decideOutbound } from './outbound.ts';
import { backend, decide, lb, source, vip } from './test-flow.ts';

const place = (region: string, zone: string, subzone = '') => ({ locality: { region, zone, subzone } });
const here = workload('here', { addresses: ['10.0.0.9'], node: 'n1', ...place('r', 'z', 's') });

test('locality narrows the choice as the mode says', () => {
  const names = (loadBalancing: LoadBalancing | undefined, endpoints: readonly Workload[]) => {
    const s = service('echo', { ...vip, ...(loadBalancing && { loadBalancing }) });
    const chosen = new Set<string>();
    for (let i = 0; i < 16; i++) {
      const d = decide([s, ...endpoints], '10.1.0.1', 80, here, () => i / 16);
      chosen.add(d.kind === 'hbone' ? d.destination.name : d.kind === 'refuse' ? d.reason : d.kind);
    }
    return [...chosen].sort().join(' ');
  };
  const a = backend('a', '10.0.0.1', { node: 'n1', ...place('r', 'z', 's') });
  const b = backend('b', '10.0.0.2', { node: 'n2', ...place('r', 'z', 's') });
  const c = backend('c', '10.0.0.3', { node: 'n3', ...place('r', 'z2', 's') });
  const d = backend('d', '10.0.0.4', { node: 'n4', ...place('r2', 'z', 's') });
  const rows: readonly [string, LoadBalancing | undefined, readonly Workload[], string][] = [
    ['no preference', undefined, [a, b, c, d], 'a b c d'],
    ['preferences without a mode', lb('UNSPECIFIED_MODE', 'NODE'), [a, b, c, d], 'a b c d'],
    ['failover to the best', lb('FAILOVER', 'REGION', 'ZONE'), [a, b, c, d], 'a b'],
    ['failover down to the node', lb('FAILOVER', 'NETWORK', 'REGION', 'ZONE', 'SUBZONE', 'NODE'), [a, b, c, d], 'a'],
    ['failover to the region', lb('FAILOVER', 'REGION', 'ZONE'), [c, d], 'c'],
    [
      'a mismatch stops the count',
      lb('FAILOVER', 'REGION', 'ZONE'),
      [d, { ...d, name: 'e', uid: 'e', ...place('r3', 'x') }],
      'd e',
    ],
    ['failover to anywhere', lb('FAILOVER', 'REGION', 'ZONE'), [d], 'd'],
    ['strict to the node', lb('STRICT', 'NODE'), [a, b, c], 'a'],
    ['strict without anybody', lb('STRICT', 'NODE'), [b, c], 'no-endpoint-in-scope'],
    ['strict wants every scope', lb('STRICT', 'REGION', 'ZONE'), [b, c, d], 'b'],
    ['same cluster', lb('STRICT', 'CLUSTER'), [a, { ...b, clusterId: 'other' }], 'a'],
    ['unhealthy ones do not count', lb('FAILOVER', 'NODE'), [{ ...a, status: 'UNHEALTHY' }, b, c], 'b c'],
  ];
  for (const [name, balancing, endpoints, want] of rows) assert.equal(names(balancing, endpoints), want, name);
});

test('the choice is weighted by capacity, and a capacity of nothing is not chosen', () => {
  const random = seeded(1);
  const count: Record<string, number> = { a: 0, b: 0, c: 0 };
  const resources = [
    service('echo', vip),
    backend('a', '10.0.0.1', { capacity: 3 }),
    backend('b', '10.0.0.2'),
    backend('c', '10.0.0.3', { capacity: 0 }),
  ];
  const view = viewOf(source, ...resources);
  for (let i = 0; i < 4000; i++) {
    const d = decideOutbound(view, { source, from: at('10.0.0.9', 1), originalDst: at('10.1.0.1', 80) }, random);
    if (d.kind === 'hbone') count[d.destination.name] = (count[d.destination.name] ?? 0) + 1;
  }
  assert.equal(count['c'], 0);
  assert.ok(Math.abs((count['a'] ?? 0) - 3000) < 120, JSON.stringify(count));
  const zeros = decide(
    [service('echo', vip), backend('a', '10.0.0.1', { capacity: 0 }), backend('b', '10.0.0.2', { capacity: 0 })],
    '10.1.0.1',
    80,
  );
  assert.equal(zeros.kind, 'hbone');
});
