import assert from 'node:assert/strict';
import { type GatewayAddress, mustParseIp } from '../../mesh/index.ts';
import { eventually } from '../support/netns.ts';
import { call } from './support/apps.ts';
import { connectAndRead } from './support/hbone-caller.ts';
import { forEachPair } from './support/implementation.ts';
import { MeshWorld } from './support/mesh-world.ts';
import { parseMetrics } from './support/metrics.ts';
import { authorization, hostnameOf, identityOf, match, portsOf, service, workload } from './support/resources.ts';
import { inWorld } from './support/shared.ts';
import type { ZtunnelProcess } from './support/ztunnel-process.ts';

/** Of everything that is counted for a connection, in order (ztunnel.md 8.1). */
const LABELS = [
  'reporter',
  ...[
    'workload',
    'canonical_service',
    'canonical_revision',
    'workload_namespace',
    'principal',
    'app',
    'version',
    'cluster',
  ].map((label) => `source_${label}`),
  ...['service', 'service_namespace', 'service_name', 'workload', 'canonical_service', 'canonical_revision'].map(
    (label) => `destination_${label}`,
  ),
  ...['workload_namespace', 'principal', 'app', 'version', 'cluster'].map((label) => `destination_${label}`),
  ...['request_protocol', 'response_flags', 'connection_security_policy'],
  ...['source_region', 'source_zone', 'destination_region', 'destination_zone'],
];

forEachPair((pair) => {
  const scenario = inWorld(
    async () => {
      const world = await MeshWorld.create({ ...pair, env: { ISTIO_META_ISTIO_VERSION: 'tested' } });
      await world.host('server').listenEcho(8080);
      return world;
    },
    async (world) => {
      world.plane.removeAllAuthorizations();
      await world.applied();
    },
  );

  scenario('a resource that cannot be read is refused by its name, and the others are taken', async (world) => {
    world.plane.setAddressBytes('the-broken-one', Uint8Array.of(0xff, 0xff, 0xff));
    world.plane.setWorkload(workload({ name: 'newcomer', node: 'a', ips: ['10.77.1.1'] }));
    await eventually('both ztunnels complain', () => world.plane.nacks.length >= 2);
    for (const nack of world.plane.nacks) assert.match(nack, /the-broken-one/);
    for (const ztunnel of [world.a, world.b]) {
      const names = (await dump(ztunnel)).workloads.map(({ name }) => name);
      assert.ok(names.includes('newcomer'), String(names));
    }
    assert.equal(await call(world.host('client'), { ip: world.host('server').ip4, port: 8080 }), 'hello');
    world.plane.removeAddress('the-broken-one');
    world.plane.removeAddress('c1//v1/Pod/shop/newcomer');
    world.plane.nacks.length = 0;
  });

  scenario('both ztunnels show the same configuration in the same words', async (world) => {
    const waypoint: GatewayAddress = {
      destination: { kind: 'hostname', namespace: 'shop', hostname: hostnameOf('waypoint') },
      hboneMtlsPort: 15008,
    };
    const services = new Map([[`shop/${hostnameOf('svc')}`, portsOf({ 80: 8080 })]]);
    world.plane.setWorkload({
      ...world.workload('other'),
      services,
      waypoint: {
        destination: { kind: 'address', network: '', address: mustParseIp('10.77.3.1') },
        hboneMtlsPort: 15008,
      },
      authorizationPolicies: ['shop/full'],
      locality: { region: 'r', zone: 'z', subzone: 's' },
      capacity: 3,
    });
    world.plane.setService(
      service({
        name: 'svc',
        vips: ['10.96.0.40', 'fd00:96::40'],
        ports: { 80: 8080, 443: 0 },
        waypoint,
        subjectAltNames: [identityOf('svc')],
        loadBalancing: { routingPreference: ['NETWORK', 'NODE'], mode: 'FAILOVER', healthPolicy: 'ALLOW_ALL' },
        ipFamilies: 'DUAL',
      }),
    );
    const special = workload({
      name: 'special',
      node: 'c',
      ips: ['10.77.3.2'],
      network: 'far',
      networkMode: 'HOST_NETWORK',
      networkGateway: {
        destination: { kind: 'address', network: '', address: mustParseIp('fd00::9') },
        hboneMtlsPort: 15009,
      },
      applicationTunnel: { protocol: 'PROXY', port: 15088 },
      nativeTunnel: true,
      workloadType: 'CRONJOB',
      tunnelProtocol: 'NONE',
      status: 'UNHEALTHY',
      hostname: 'special.example',
      canonicalRevision: '',
      services,
    });
    world.plane.setWorkload(special);
    const range = {
      ...service({ name: 'range', vips: [], ports: {} }),
      addresses: [{ network: 'far', address: mustParseIp('10.97.0.0'), length: 24 }],
      weightedWaypoints: [{ destination: waypoint, weight: 7 }],
      loadBalancing: { routingPreference: ['SUBZONE'], mode: 'STRICT', healthPolicy: 'ONLY_HEALTHY' },
      ipFamilies: 'IPV6_ONLY',
      canonical: false,
      visibility: 'NAMESPACE',
    } as const;
    world.plane.setService(range);
    const plain = service({ name: 'plain', vips: ['10.96.0.41'], ports: { 80: 80 } });
    world.plane.setService(plain);
    world.plane.setAuthorization(authorization({ name: 'global', namespace: 'istio-system', scope: 'GLOBAL' }));
    world.plane.setAuthorization(
      authorization({
        name: 'full',
        scope: 'WORKLOAD_SELECTOR',
        action: 'DENY',
        matches: [
          match({
            principals: [{ kind: 'exact', value: 'cluster.local/ns/x/sa/y' }, { kind: 'presence' }],
            notNamespaces: [{ kind: 'prefix', value: 'sys' }],
            namespaces: [{ kind: 'suffix', value: '-x' }],
            sourceIps: [{ address: mustParseIp('10.0.0.0'), prefix: 8 }],
            notDestinationIps: [{ address: mustParseIp('fd00::'), prefix: 64 }],
            destinationPorts: [80, 443],
            serviceAccounts: [{ namespace: 'x', serviceAccount: 'y' }],
          }),
        ],
      }),
    );
    world.plane.setAuthorization(authorization({ name: 'try', dryRun: true, matches: [] }));
    await world.applied();
    const [a, b] = [await dump(world.a), await dump(world.b)];
    for (const section of ['workloads', 'services', 'policies'] as const) {
      assert.ok(a[section].length > 0);
      assert.deepEqual(a[section], b[section], section);
    }
    world.plane.setWorkload(world.workload('other'));
    world.plane.removeWorkload(special);
    world.plane.removeService(range);
    world.plane.removeService(plain);
    world.plane.removeService(service({ name: 'svc', vips: [], ports: {} }));
  });

  scenario('the certificates that are held are shown, one for each account of the node', async (world) => {
    for (const [ztunnel, accounts] of [
      [world.a, ['client', 'near']],
      [world.b, ['other', 'server']],
    ] as const) {
      const certificates = await eventually('all certificates are there', async () => {
        const shown = (await dump(ztunnel)).certificates;
        return shown.length === 2 && shown.every(({ state }) => state === 'Available') && shown;
      });
      assert.deepEqual(
        certificates.map(({ identity }) => identity),
        accounts.map(identityOf),
      );
      for (const { certChain, rootCerts, identity } of certificates) {
        const serials = world.plane.issued.filter((issued) => issued.identity === identity).map(({ serial }) => serial);
        const [leaf] = certChain;
        assert.equal(BigInt(leaf?.serialNumber ?? 0), BigInt(`0x${serials.at(-1)}`));
        assert.match(Buffer.from(leaf?.pem ?? '', 'base64').toString(), /^-----BEGIN CERTIFICATE-----/);
        assert.match(leaf?.expirationTime ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
        assert.equal(rootCerts.length, 1);
      }
    }
  });

  scenario('the metrics that dashboards know are there, stable ones and others', async (world) => {
    await call(world.host('client'), { ip: world.host('server').ip4, port: 8080 });
    for (const ztunnel of [world.a, world.b]) {
      const text = await ztunnel.metrics();
      for (const name of ['connections_opened', 'connections_closed', 'received_bytes', 'sent_bytes']) {
        assert.match(text, new RegExp(`^# TYPE istio_tcp_${name} counter$`, 'm'));
        assert.match(text, new RegExp(`^istio_tcp_${name}_total{reporter="(source|destination)",`, 'm'));
        assert.doesNotMatch(text, new RegExp(`^# HELP istio_tcp_${name} .*unstable`, 'm'));
      }
      const sample = parseMetrics(text).find(({ name }) => name === 'istio_tcp_connections_opened_total');
      assert.deepEqual(Object.keys(sample?.labels ?? {}), LABELS);
      assert.match(text, /^istio_build{component="ztunnel",tag="tested"} 1$/m);
      for (const type of ['workload.Address', 'security.Authorization']) {
        assert.match(text, new RegExp(`^istio_xds_message_total{url="type.googleapis.com/istio.${type}"} [1-9]`, 'm'));
      }
      assert.match(text, /^# HELP istio_xds_message .*unstable/m);
      assert.match(text, /^workload_manager_active_proxy_count 2$/m);
      assert.match(text, /^# EOF$/m);
      assert.equal((await ztunnel.get(15020, '/stats/prometheus')).status, 200);
      assert.equal((await ztunnel.get(15020, '/nothing')).status, 404);
    }
  });

  scenario('a refusal names a receipt, which says why', async (world, t) => {
    if (!world.b.isOurs) return t.skip('a ztunnel of the reference gives no receipts');
    const principals = [{ kind: 'exact', value: 'cluster.local/ns/shop/sa/near' }] as const;
    world.plane.setAuthorization(authorization({ name: 'allow-near', matches: [match({ principals })] }));
    await world.applied();
    const [from, to] = [world.host('outside'), world.host('server')];
    const source = await world.plane.ca.material(world.plane.ca.id('shop', 'client'));
    const { status, headers } = await connectAndRead({ from, to, source, authority: `${to.ip4}:8080` });
    assert.equal(status, 401);
    const id = headers.get('ambit-receipt') ?? '';
    const { body } = await world.b.get(15000, `/receipts?id=${id}`);
    for (const part of [id, identityOf('client'), 'shop/allow-near', 'ALLOW', 'nearestMiss'])
      assert.ok(body.includes(part), body);
  });
});

type Certificate = { readonly pem: string; readonly serialNumber: string; readonly expirationTime: string };
type Dump = {
  readonly workloads: readonly { readonly name: string }[];
  readonly services: readonly unknown[];
  readonly policies: readonly unknown[];
  readonly certificates: readonly {
    readonly identity: string;
    readonly state: string;
    readonly certChain: readonly Certificate[];
    readonly rootCerts: readonly Certificate[];
  }[];
};

async function dump(ztunnel: ZtunnelProcess): Promise<Dump> {
  return JSON.parse((await ztunnel.get(15000, '/config_dump')).body) as Dump;
}
