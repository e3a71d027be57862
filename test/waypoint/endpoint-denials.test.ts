/** Policies of an endpoint's own node, which judges the true caller again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HboneError } from '../../core/hbone/index.ts';
import { SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';
/** Both pods answer alike. */
async function shop(t: Parameters<typeof WaypointWorld.start>[0], status: 401 | 503, receipt?: string) {
  const world = await WaypointWorld.start(t, { yaml: SHOP, env: { AMBIT_WAYPOINT_RECEIPT_HEADER: 'true' } });
  for (const n of [1, 2]) await world.http(n, 8080, (_req, res) => res.end('ok'));
  const denial = { status, ...(receipt !== undefined && { receipt }) };
  for (const pod of ['shop/cart-1', 'shop/cart-2']) world.denials.set(pod, denial);
  return { world, url: `http://127.0.0.1:${await world.through('web/client', `${CART}:80`)}/` };
}

test('what an endpoint’s node denies is 403 with its receipt, is not tried again and says nothing against the endpoint', async (t) => {
  const { world, url } = await shop(t, 401, '01HRECEIPT');
  for (let i = 1; i <= 20; i++) {
    const response = await fetch(url);
    assert.deepEqual(
      [response.status, await response.text(), response.headers.get('ambit-receipt'), world.arrivals.length],
      [403, 'RBAC: access denied', '01HRECEIPT', i],
    );
  }
  await world.logged(
    /"response_code":403,"response_flags":"-","response_code_details":"endpoint_access_denied\{401\}".*"receipt":"01HRECEIPT".*"policy_reason":"the node of the endpoint denied/,
  );
  world.denials.clear(); // an endpoint that was put aside would be gone now
  const answers = await Promise.all(Array.from({ length: 20 }, async () => (await fetch(url)).status));
  assert.deepEqual(new Set(answers), new Set([200]));
  assert.deepEqual(new Set(world.arrivals.slice(20).map(({ pod }) => pod)), new Set(['shop/cart-1', 'shop/cart-2']));
});

test('a denial without a receipt that can be shown gets one of the waypoint’s own', async (t) => {
  const { world, url } = await shop(t, 401, 'no"id');
  const receipt = (await fetch(url)).headers.get('ambit-receipt') ?? '';
  assert.match(
    world.plane.receipts.get(receipt)?.because ?? '',
    /the node of the endpoint denied the caller with 401$/,
  );
});

test('any other refusal of a node is a failed connection, and goes to another endpoint', async (t) => {
  const { world, url } = await shop(t, 503);
  world.denials.delete('shop/cart-2');
  for (let i = 0; i < 4; i++) assert.equal((await fetch(url)).status, 200);
});

test('a connection that an endpoint’s node denies is refused as denied, with the receipt, for the caller’s own node to tell', async (t) => {
  const { world } = await shop(t, 401, '01HRECEIPT');
  const refused = world.open('web/client', `${CART}:90`);
  await assert.rejects(refused, (error: HboneError) => {
    assert.deepEqual([error.status, error.headers?.get('ambit-receipt')], [401, '01HRECEIPT']);
    return true;
  });
  await world.logged(/the node of the endpoint denied the caller with 401 \(receipt 01HRECEIPT\)/);
});
