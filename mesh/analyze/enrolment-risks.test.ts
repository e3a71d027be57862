import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../kube-object.ts';
import { buildModel } from '../predict/model.ts';
import { type EnrolmentEvidence, enrolmentRisks, leavingRisks } from './enrolment-risks.ts';
import { ambient, inShort, object, peers, pod, policy, service } from './test-support.ts';

const NOTHING: EnrolmentEvidence = { flows: [], open: [], isLive: false };
const ENROL = { namespace: 'shop', strict: false };
const STRICT = { namespace: 'shop', strict: true };
const OUT = { captured: false };
const shop: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } };
const cart = pod('shop/cart', { ...OUT, ip: '10.1.0.1', ports: { http: 8080 } });
const SHOP = [shop, cart];
const component = (app: Record<string, string>, name: string, ready = 'True') => ({
  ...pod(`istio-system/${name}`, { ...OUT, labels: app }),
  status: { phase: 'Running', podIPs: [{ ip: '10.9.0.1' }], conditions: [{ type: 'Ready', status: ready }] },
});
const AGENT = component({ 'k8s-app': 'istio-cni-node' }, 'agent');
const ZTUNNEL = component({ app: 'ztunnel' }, 'ztunnel');
const ISTIOD = component({ app: 'istiod' }, 'istiod');
const CLOSED = object('networking.k8s.io/v1', 'NetworkPolicy', 'shop/n', {
  podSelector: {},
  ingress: [{ ports: [{ port: 8080 }] }],
});
const UDP = service('shop/dns', { ports: [{ port: 53, protocol: 'UDP' }, { port: 53 }] });
const POLICY = policy('shop/p', { rules: [{ from: [{ source: { namespaces: ['shop'] } }] }] });

type Row = readonly [string, readonly KubeObject[], typeof ENROL, EnrolmentEvidence, readonly string[]];
const rows: readonly Row[] = [
  ['an ordinary namespace', SHOP, ENROL, NOTHING, []],
  ['a namespace that does not exist yet', [cart], ENROL, NOTHING, []],
  [
    'a pod on its host',
    [...SHOP, pod('shop/agent', { ...OUT, spec: { hostNetwork: true } })],
    ENROL,
    NOTHING,
    ['AMB0301 Pod shop/agent spec.hostNetwork'],
  ],
  [
    'a pod with a sidecar',
    [...SHOP, pod('shop/old', { ...OUT, annotations: { 'sidecar.istio.io/status': '{}' } })],
    ENROL,
    NOTHING,
    ['AMB0305 Pod shop/old metadata.annotations["sidecar.istio.io/status"]'],
  ],
  [
    'a NetworkPolicy that would block the tunnel',
    [...SHOP, CLOSED],
    ENROL,
    NOTHING,
    ['AMB0401 NetworkPolicy shop/n spec.ingress[0].ports'],
  ],
  [
    'a NetworkPolicy of others that would block the tunnel',
    [
      ...SHOP,
      ambient('office'),
      pod('office/api'),
      {
        ...CLOSED,
        metadata: { namespace: 'office', name: 'n' },
        spec: {
          podSelector: {},
          ingress: [
            {
              from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'shop' } } }],
              ports: [{ port: 80 }],
            },
          ],
        },
      },
    ],
    ENROL,
    NOTHING,
    ['AMB0401 NetworkPolicy office/n spec.ingress[0].ports'],
  ],
  [
    'what is wrong in any case is no news',
    [...SHOP, ambient('office'), pod('office/agent', { ...OUT, spec: { hostNetwork: true } })],
    ENROL,
    NOTHING,
    [],
  ],
  [
    'a port that the mesh takes',
    [...SHOP, pod('shop/proxy', { ...OUT, ports: { tunnel: 15_008 } })],
    ENROL,
    NOTHING,
    ['AMB0602 Pod shop/proxy spec.containers[0].ports[0].containerPort'],
  ],
  [
    'the power to change rules',
    [
      ...SHOP,
      pod('shop/vpn', {
        ...OUT,
        spec: { containers: [{ name: 'c', securityContext: { capabilities: { add: ['NET_ADMIN'] } } }] },
      }),
    ],
    ENROL,
    NOTHING,
    ['AMB0604 Pod shop/vpn spec.containers[0].securityContext'],
  ],
  [
    'further networks',
    [...SHOP, pod('shop/vm', { ...OUT, annotations: { 'k8s.v1.cni.cncf.io/networks': 'storage' } })],
    ENROL,
    NOTHING,
    ['AMB0604 Pod shop/vm metadata.annotations["k8s.v1.cni.cncf.io/networks"]'],
  ],
  ['UDP', [...SHOP, UDP], ENROL, NOTHING, ['AMB0603 Service shop/dns spec.ports']],
  ['a policy that waits for the namespace', [...SHOP, POLICY], ENROL, NOTHING, ['AMB0605 AuthorizationPolicy shop/p']],
  [
    'a policy for pods that are not there',
    [...SHOP, policy('shop/p', { selector: { matchLabels: { app: 'x' } } })],
    ENROL,
    NOTHING,
    [],
  ],
  ['a policy of another namespace', [...SHOP, policy('office/p', {})], ENROL, NOTHING, []],
  [
    'a policy that is only tried out',
    [...SHOP, policy('shop/p', {}, { annotations: { 'istio.io/dry-run': 'true' } })],
    ENROL,
    NOTHING,
    [],
  ],
  ['a policy that is in force already', [ambient('shop'), cart, POLICY], ENROL, NOTHING, []],
  [
    'STRICT for the mesh, which the namespace comes under',
    [...SHOP, peers('istio-system/default', { mtls: { mode: 'STRICT' } })],
    ENROL,
    NOTHING,
    ['AMB0605 PeerAuthentication istio-system/default'],
  ],

  [
    'STRICT: pods outside the mesh may be callers',
    [ambient('shop'), cart, pod('legacy/batch', OUT)],
    STRICT,
    NOTHING,
    ['AMB0606 Namespace shop'],
  ],
  [
    'STRICT: everybody is in the mesh',
    [ambient('shop'), cart, ambient('office'), pod('office/web')],
    STRICT,
    NOTHING,
    [],
  ],
  [
    'STRICT: a service for the outside',
    [ambient('shop'), cart, service('shop/cart', { type: 'NodePort', selector: { app: 'cart' } })],
    STRICT,
    NOTHING,
    ['AMB0204 Service shop/cart spec.type'],
  ],
];
for (const [name, objects, step, evidence, want] of rows) {
  test(`before a step: ${name}`, () => {
    const got = enrolmentRisks(buildModel(objects), step, evidence);
    assert.deepEqual(got.map(inShort).sort(), [...want].sort(), JSON.stringify(got, null, 1));
  });
}

const flow = (source: string) => ({
  source,
  destination: 'Kubernetes//Pod/shop/cart',
  port: 8080,
  verdict: 'allow' as const,
  count: 1,
  lastSeen: '2026-01-01T00:00:00Z',
});
const inside = pod('shop/cart', { ip: '10.1.0.1' });
const IN = [ambient('shop'), inside, AGENT, ZTUNNEL, ISTIOD];
const live = (more: Partial<EnrolmentEvidence> = {}): EnrolmentEvidence => ({ ...NOTHING, isLive: true, ...more });
const open = { pod: 'shop/cart', source: '10.3.0.1', port: 8080 };
const exempt = peers('shop/exempt', {
  selector: { matchLabels: { app: 'cart' } },
  mtls: { mode: 'STRICT' },
  portLevelMtls: { 8080: { mode: 'PERMISSIVE' } },
});
const liveRows: readonly Row[] = [
  [
    'before enrolment nobody sees the callers, and that is said',
    [...SHOP, AGENT, ZTUNNEL, ISTIOD],
    ENROL,
    live(),
    ['AMB0608 Namespace shop'],
  ],
  [
    'a node without an agent',
    [...SHOP, ZTUNNEL, ISTIOD],
    ENROL,
    live(),
    ['AMB0601 Node node-1', 'AMB0608 Namespace shop'],
  ],
  [
    'no controller',
    [...SHOP, AGENT, ZTUNNEL],
    ENROL,
    live(),
    ['AMB0601 Deployment istio-system/istiod', 'AMB0608 Namespace shop'],
  ],
  [
    'a ztunnel that is not ready',
    [...SHOP, AGENT, ISTIOD, component({ app: 'ztunnel' }, 'ztunnel', 'False')],
    ENROL,
    live(),
    ['AMB0601 Node node-1', 'AMB0608 Namespace shop'],
  ],
  [
    'a plaintext caller in the ledger',
    IN,
    STRICT,
    live({ flows: [flow('10.3.0.1')] }),
    ['AMB0202 PeerAuthentication shop/default'],
  ],
  ['a caller of the mesh in the ledger', IN, STRICT, live({ flows: [flow('spiffe://cluster.local/ns/x/sa/y')] }), []],
  ['a plaintext connection that is open', IN, STRICT, live({ open: [open] }), ['AMB0607 Pod shop/cart']],
  ['it stays when nothing becomes STRICT', IN, ENROL, live({ open: [open] }), []],
  ['it stays on a port that is exempt', [...IN, exempt], STRICT, live({ open: [open] }), []],
];
for (const [name, objects, step, evidence, want] of liveRows) {
  test(`in a live mesh: ${name}`, () => {
    const got = enrolmentRisks(buildModel(objects), step, evidence);
    assert.deepEqual(got.map(inShort).sort(), [...want].sort(), JSON.stringify(got, null, 1));
  });
}

test('who leaves takes the enforcement of policies along', () => {
  const leaving = (...more: readonly KubeObject[]) =>
    leavingRisks(buildModel([ambient('shop'), inside, ...more]), 'shop').map(inShort);
  assert.deepEqual(leaving(), []);
  assert.deepEqual(leaving(POLICY), ['AMB0101 AuthorizationPolicy shop/p']);
});
