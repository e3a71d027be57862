import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger, serveHttp } from '../core/telemetry/index.ts';
import { encodeWaypoint, WAYPOINT_TYPE } from '../core/xds/index.ts';
import { type BackendPolicy, NO_LIMITS, type WaypointResource } from '../mesh/index.ts';
import { adminRoutes } from './admin.ts';
import { parseConfig } from './config.ts';
import { Told } from './told.ts';

/** With a key that nobody may see. */
const backend = (key: string): BackendPolicy => ({
  service: 'shop/asked',
  port: 0,
  balancing: 'RANDOM',
  refusal: '',
  limits: NO_LIMITS,
  tls: { sni: 'asked', names: [], unverified: false, roots: '', chain: 'its certificate', key },
});
const COMMON = { namespace: 'shop', policies: [], authentications: [], authorizers: [], references: [] };
const GATEWAY: WaypointResource = {
  minRevision: 4,
  name: 'shop/w',
  gateway: {
    ...COMMON,
    name: 'w',
    trustDomains: ['cluster.local'],
    pathNormalization: 'BASE',
    receiptHeader: false,
    backends: [backend('key 1')],
  },
};
const SERVICE: WaypointResource = {
  minRevision: 2,
  name: 'shop/w/service/shop/cart',
  service: { ...COMMON, hostname: 'cart', ports: [], backends: [backend('key 2')] },
};

test('a dump tells of the TLS that is spoken, and of no private key', async () => {
  const told = new Told({
    network: '',
    localNode: '',
    demand: async () => {},
    release: () => {},
    onChange: () => {},
  });
  const upserted = [GATEWAY, SERVICE].map((one) => ({ name: one.name, version: '', bytes: encodeWaypoint(one) }));
  assert.deepEqual(told.onUpdate(WAYPOINT_TYPE, { upserted, removed: [] }), []);
  const plane = {
    receipts: async () => [],
    receipt: async () => undefined,
    requests: async () => ({ dropped: 0, requests: [] }),
    tap: () => undefined,
  };
  const routes = adminRoutes({
    config: parseConfig({ env: { POD_NAMESPACE: 'shop', SERVICE_ACCOUNT: 'w' }, readFile: () => undefined }),
    told,
    plane,
    certificates: { dump: () => [] },
    log: createLogger({ format: 'plain', level: 'info', root: 'waypoint', write: () => {} }),
    quit: () => {},
  });
  await using server = await serveHttp({ port: 0, host: 'localhost', routes });
  const dump = await (await fetch(`http://127.0.0.1:${server.port}/config_dump`)).text();
  assert.equal(dump.match(/"its certificate"/g)?.length, 2);
  assert.equal(dump.match(/"withheld"/g)?.length, 2);
  assert.doesNotMatch(dump, /key [12]/);
});
