import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY_MATCH, mustParseIp, View } from '../../mesh/index.ts';
import { parseConfig } from '../config.ts';
import { configView } from './config-view.ts';
import { dumpPolicies, dumpServices, dumpWorkloads } from './mesh-dump.ts';

const gateway = {
  destination: { kind: 'hostname', namespace: 'shop', hostname: 'wp.shop.svc.cluster.local' },
  hboneMtlsPort: 15008,
} as const;

function view(): View {
  const v = new View({ network: '', localNode: '' });
  v.upsertAddress({
    kind: 'workload',
    workload: {
      uid: 'c//Pod/shop/web',
      name: 'web',
      namespace: 'shop',
      addresses: [mustParseIp('10.0.0.1'), mustParseIp('fd00::1')],
      network: '',
      tunnelProtocol: 'HBONE',
      trustDomain: 'cluster.local',
      serviceAccount: 'web',
      waypoint: gateway,
      node: 'n1',
      canonicalName: 'web',
      canonicalRevision: '',
      workloadType: 'DEPLOYMENT',
      workloadName: 'web',
      nativeTunnel: false,
      authorizationPolicies: ['shop/p'],
      status: 'HEALTHY',
      clusterId: 'c',
      hostname: '',
      services: new Map([['shop/web.shop.svc', [{ servicePort: 80, targetPort: 8080, appProtocol: 'UNKNOWN' }]]]),
      networkMode: 'STANDARD',
      capacity: 1,
      locality: { region: 'r', zone: '', subzone: '' },
    },
  });
  v.upsertAddress({
    kind: 'service',
    service: {
      name: 'web',
      namespace: 'shop',
      hostname: 'web.shop.svc',
      addresses: [
        { network: '', address: mustParseIp('10.96.0.1') },
        { network: 'n2', address: mustParseIp('10.97.0.0'), length: 24 },
      ],
      ports: [{ servicePort: 80, targetPort: 8080, appProtocol: 'UNKNOWN' }],
      subjectAltNames: [],
      weightedWaypoints: [{ destination: gateway, weight: 3 }],
      loadBalancing: { routingPreference: ['NETWORK', 'REGION'], mode: 'FAILOVER', healthPolicy: 'ALLOW_ALL' },
      ipFamilies: 'DUAL',
      canonical: true,
      ingressUseWaypoint: false,
      visibility: 'PUBLIC',
    },
  });
  v.upsertAuthorization({
    name: 'p',
    namespace: 'shop',
    scope: 'WORKLOAD_SELECTOR',
    action: 'DENY',
    rules: [
      {
        clauses: [
          {
            matches: [
              {
                ...EMPTY_MATCH,
                principals: [{ kind: 'exact', value: 'a' }, { kind: 'presence' }],
                notSourceIps: [{ address: mustParseIp('10.0.0.0'), prefix: 8 }],
                destinationPorts: [80],
                serviceAccounts: [{ namespace: 'n', serviceAccount: 's' }],
              },
            ],
          },
        ],
      },
    ],
    dryRun: false,
  });
  return v;
}

test('workloads, services and policies have the shape that existing tools read', () => {
  const v = view();
  assert.deepEqual(dumpWorkloads(v), [
    {
      workloadIps: ['10.0.0.1', 'fd00::1'],
      waypoint: { destination: 'shop/wp.shop.svc.cluster.local', hboneMtlsPort: 15008 },
      protocol: 'HBONE',
      networkMode: 'Standard',
      uid: 'c//Pod/shop/web',
      name: 'web',
      namespace: 'shop',
      trustDomain: 'cluster.local',
      serviceAccount: 'web',
      workloadName: 'web',
      workloadType: 'deployment',
      canonicalName: 'web',
      node: 'n1',
      authorizationPolicies: ['shop/p'],
      status: 'Healthy',
      clusterId: 'c',
      locality: { region: 'r' },
      services: ['shop/web.shop.svc'],
      capacity: 1,
    },
  ]);
  assert.deepEqual(dumpServices(v), [
    {
      name: 'web',
      namespace: 'shop',
      hostname: 'web.shop.svc',
      vips: ['/10.96.0.1'],
      cidrVips: [{ network: 'n2', cidr: '10.97.0.0/24' }],
      ports: { '80': 8080 },
      endpoints: { 'c//Pod/shop/web': { workloadUid: 'c//Pod/shop/web', port: { '80': 8080 }, status: 'Healthy' } },
      subjectAltNames: [],
      weightedWaypoints: [
        { destination: { destination: 'shop/wp.shop.svc.cluster.local', hboneMtlsPort: 15008 }, weight: 3 },
      ],
      loadBalancer: { routingPreferences: ['Network', 'Region'], mode: 'Failover', healthPolicy: 'AllowAll' },
      ipFamilies: 'Dual',
      canonical: true,
      visibility: 'Public',
    },
  ]);
  assert.deepEqual(dumpPolicies(v), [
    {
      name: 'p',
      namespace: 'shop',
      scope: 'WorkloadSelector',
      action: 'Deny',
      rules: [
        [
          [
            {
              principals: [{ Exact: 'a' }, { Presence: [] }],
              serviceAccounts: [{ namespace: 'n', serviceAccount: 's' }],
              notSourceIps: ['10.0.0.0/8'],
              destinationPorts: [80],
            },
          ],
        ],
      ],
      dryRun: false,
    },
  ]);
});

test('the configuration is shown without its token', () => {
  const config = parseConfig({ env: { AUTH_TOKEN: 'hunter2', NODE_NAME: 'n1' }, readFile: () => undefined });
  const shown = configView(config);
  assert.equal(shown['localNode'], 'n1');
  assert.deepEqual(shown['secretTtl'], { secs: 86_400, nanos: 0 });
  assert.doesNotMatch(JSON.stringify(shown), /hunter2/);
});

test('a credential in a header towards the control plane is shown nowhere', () => {
  const env = { XDS_HEADER_AUTHORIZATION: 'Basic hunter2', CA_HEADER_X_API_KEY: 'hunter2' };
  const shown = configView(parseConfig({ env, readFile: () => undefined }));
  assert.deepEqual(shown['xdsHeaders'], { authorization: '<redacted>' });
  assert.deepEqual(shown['caHeaders'], { x_api_key: '<redacted>' });
});
