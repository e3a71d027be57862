import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CliError } from '../errors.ts';
import { HttpStatusError } from '../http-over.ts';
import { ambit, memoryCluster } from '../test-support.ts';
import { CLASS, object, pod, waypoint } from '../waypoint/test-waypoints.ts';

const ID = '01JZ0V8Q6M3W7R9X2K4T5N1B8C';
const RECEIPT = {
  id: ID,
  at: '2026-11-28T10:00:00.000Z',
  direction: 'inbound',
  reporter: 'destination',
  src: { identity: 'spiffe://cluster.local/ns/shop/sa/web', ip: '10.1.0.1' },
  dst: { ip: '10.96.0.1', port: 8080, service: 'shop/cart.shop.svc.cluster.local' },
  request: { method: 'GET', path: "/admin/'x\u001b", host: 'cart.shop:8080' },
  verdict: 'deny',
  because: 'no rule of an ALLOW policy matches',
  considered: ['shop/get-only'],
  nearestMiss: { policy: 'shop/get-only', rule: 0, field: 'paths', wanted: '/items', got: '/admin/x' },
};
const PODS = [
  CLASS,
  waypoint('shop/gate'),
  pod('shop/gate-1', 'gate', { phase: 'Running' }),
  pod('shop/gate-2', 'gate', { phase: 'Running' }),
  pod('shop/front-1', 'front', { phase: 'Running' }),
  object('Pod', 'istio-system/ztunnel', {
    labels: { app: 'ztunnel' },
    spec: { nodeName: 'node-1' },
    status: { phase: 'Running' },
  }),
];

const answering = (holder: string, silent?: string) =>
  memoryCluster(PODS, {
    podHttp: (request) => {
      assert(request.endsWith(`:15000/receipts?id=${ID}`), request);
      assert(!request.startsWith('shop/front'), 'a pod of another gateway is not asked');
      if (silent !== undefined && request.startsWith(silent)) throw new CliError('pod is gone');
      if (!request.startsWith(holder)) throw new HttpStatusError(404, 'not here');
      return JSON.stringify(RECEIPT);
    },
  });

test('a denial of a waypoint is found at its pod, and explained by the request', async () => {
  const { code, out, said } = await ambit(['why', '--receipt', ID], answering('shop/gate-2'));
  assert.equal(code, 1, said);
  assert.equal(
    out,
    `receipt ${ID}: DENIED
On 2026-11-28T10:00:00.000Z, by waypoint shop/gate-2.

  caller      10.1.0.1
  identity    spiffe://cluster.local/ns/shop/sa/web
  service     shop/cart.shop.svc.cluster.local
  waypoint    shop/gate-2, for 10.96.0.1 port 8080
  request     GET cart.shop:8080/admin/'x\\u001b
x policy      no rule of an ALLOW policy matches
              considered: shop/get-only
              closest: shop/get-only, rule 0, wants paths /items, and this is /admin/x

Next:
  - if this should be allowed, look at paths in AuthorizationPolicy shop/get-only, spec.rules[0]
  - policies may have changed since; what holds now: ambit why sa/web.shop cart.shop.svc.cluster.local:8080 --method GET --path '/admin/'\\''x\\u001b'`,
  );
});

test('waypoints that do not answer are named, and counted where nobody has it', async () => {
  const { code, out } = await ambit(['why', '--receipt', ID], answering('nobody', 'shop/gate-1'));
  assert.equal(code, 2);
  assert.match(out, /1 of 1 node and 1 of 2 pods of waypoints answered, and none has a receipt/);
  assert.match(out, /Waypoint shop\/gate-1 did not answer: pod is gone/);
});
