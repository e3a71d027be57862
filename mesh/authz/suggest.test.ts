import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../kube-object.ts';
import { buildModel } from '../predict/model.ts';
import { diffFlows } from './diff.ts';
import { identityOf, judgeFlow, type SeenFlow } from './flow.ts';
import { suggestPolicies } from './suggest.ts';

const APPS = ['cart', 'ledger', 'price', 'web'];
const pods: readonly KubeObject[] = APPS.flatMap((app, i) =>
  [1, 2].map((replica) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${app}-${replica}`,
      namespace: 'shop',
      labels: { app, 'pod-template-hash': 'x' },
      annotations: { 'ambient.istio.io/redirection': 'enabled' },
    },
    spec: { serviceAccountName: app },
    status: { phase: 'Running', podIP: `10.0.${i}.${replica}`, conditions: [{ type: 'Ready', status: 'True' }] },
  })),
);

/** Small and repeatable (mulberry32). */
function randomOf(seed: number): (below: number) => number {
  let a = seed;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function randomFlow(random: (below: number) => number): SeenFlow {
  const caller = ['cart', 'web', 'batch', 'reporter', '192.0.2.7'][random(5)] ?? '';
  const namespace = ['shop', 'office'][random(2)] ?? '';
  const app = APPS[random(3)] ?? '';
  return {
    source: caller.includes('.') ? caller : `spiffe://cluster.local/ns/${namespace}/sa/${caller}`,
    destination: `Kubernetes//Pod/shop/${app}-${1 + random(2)}`,
    port: [80, 8080, 9000][random(3)] ?? 80,
    service: '',
    verdict: random(4) === 0 ? 'deny' : 'allow',
    count: 1 + random(9),
    firstSeen: '2026-11-01T00:00:00Z',
    lastSeen: '2026-11-02T00:00:00Z',
  };
}

/** What a suggestion is about: any replica, one caller, one port. */
const pairOf = ({ source, destination, port }: SeenFlow) => `${source} ${destination.replace(/-\d$/, '')} ${port}`;

for (let seed = 1; seed <= 10; seed += 1) {
  test(`suggested policies allow what was seen with an identity, and nothing else where they apply (seed ${seed})`, () => {
    const random = randomOf(seed);
    const ledger = Array.from({ length: 12 }, () => randomFlow(random));
    const before = buildModel(pods);
    const { suggestions } = suggestPolicies(before, 'shop', ledger);
    const after = buildModel([...pods, ...suggestions.map(({ policy }) => policy)]);
    const proven = ledger.filter((flow) => flow.verdict === 'allow' && identityOf(flow) !== undefined);
    const allowed = new Set(proven.map(pairOf));
    const guarded = new Set(proven.map(({ destination }) => destination.replace(/-\d$/, '')));
    for (const flow of [...ledger, ...Array.from({ length: 300 }, () => randomFlow(random))]) {
      const isGuarded = guarded.has(flow.destination.replace(/-\d$/, ''));
      const expected = !isGuarded || allowed.has(pairOf(flow)) ? 'allow' : 'deny';
      assert.equal(judgeFlow(after, flow)?.verdict, expected, JSON.stringify(flow));
    }
    const { changes } = diffFlows(before, after, ledger);
    assert.ok(
      changes.every(({ effect }) => effect === 'cut'),
      'nothing is let in by them',
    );
  });
}

test('the pod of a waypoint gets no policy, and is not told as left open', () => {
  const waypoint: KubeObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'waypoint-1',
      namespace: 'shop',
      labels: { 'gateway.networking.k8s.io/gateway-name': 'waypoint', 'istio.io/dataplane-mode': 'none' },
    },
    spec: { serviceAccountName: 'waypoint' },
    status: { phase: 'Running', podIP: '10.0.9.1', conditions: [{ type: 'Ready', status: 'True' }] },
  };
  const { open, suggestions, unlabelled } = suggestPolicies(buildModel([...pods, waypoint]), 'shop', []);
  assert.equal(suggestions.length, 0);
  assert.deepEqual(unlabelled, []);
  assert.ok(!open.includes('shop/waypoint-1') && open.includes('shop/cart-1'));
});
