import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../core/telemetry/index.ts';
import {
  ADDRESS_TYPE,
  certificateServiceDefinition,
  createCertificateService,
  createDiscoveryService,
  ResourceStore,
  WAYPOINT_TYPE,
} from '../core/xds/index.ts';
import { eventually, startTestPlane } from '../core/xds/test-plane.ts';
import { startWaypoint } from './app.ts';
import { parseConfig } from './config.ts';

const IDENTITY = 'spiffe://cluster.local/ns/shop/sa/waypoint';

test('a waypoint that has no certificate yet is not ready, so that a rollout waits for it', async () => {
  await using stack = new AsyncDisposableStack();
  const discovery = createDiscoveryService<string>({
    stores: [new ResourceStore(WAYPOINT_TYPE), new ResourceStore(ADDRESS_TYPE)],
    authenticate: async () => 'waypoint',
    authorize: () => ({ kind: 'all' }),
    orderWaitMs: 20,
  });
  let signs = false;
  const plane = await startTestPlane([
    discovery,
    {
      definition: certificateServiceDefinition,
      implementation: createCertificateService(async ({ csrPem, ttlSeconds }) => {
        if (!signs) throw new Error('nothing is signed today');
        return (await plane.authority.sign({ csrPem, identities: [IDENTITY], ttlSeconds, now: new Date() })).chainPem;
      }),
    },
  ]);
  stack.use(plane);
  const lines: string[] = [];
  const env = {
    XDS_ADDRESS: plane.client.address,
    CA_ADDRESS: plane.client.address,
    XDS_ROOT_CA: plane.authority.rootPem,
    CA_ROOT_CA: plane.authority.rootPem,
    ALT_XDS_HOSTNAME: 'localhost',
    ALT_CA_HOSTNAME: 'localhost',
    AUTH_TOKEN: 'a-token',
    POD_NAME: 'waypoint-1',
    POD_NAMESPACE: 'shop',
    SERVICE_ACCOUNT: 'waypoint',
    INSTANCE_IP: '127.0.0.1',
    AMBIT_WAYPOINT_PORT: '0',
    AMBIT_WAYPOINT_ADMIN_PORT: '0',
    AMBIT_WAYPOINT_STATS_PORT: '0',
    AMBIT_WAYPOINT_READINESS_PORT: '0',
    AMBIT_WAYPOINT_LAME_DUCK: '0ms',
  };
  const write = (text: string) => void lines.push(text);
  const waypoint = await startWaypoint({
    config: parseConfig({ env, readFile: () => undefined }),
    log: createLogger({ format: 'plain', level: 'info', root: 'waypoint', write }),
    write,
    quit: () => assert.fail(lines.join('')),
    giveUp: assert.fail,
  });
  stack.defer(() => waypoint.drain());
  const asked = async () => (await fetch(`http://127.0.0.1:${waypoint.ports.readiness}/healthz/ready`)).status;
  const says = (words: string) => () => lines.some((line) => line.includes(words));
  await eventually(says('pending="certificate"'), 'all else is there');
  assert.equal(await asked(), 500);
  signs = true;
  await eventually(says('certificate received'), 'it is asked again');
  assert.equal(await asked(), 200);
});
