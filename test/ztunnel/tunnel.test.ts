import assert from 'node:assert/strict';
import { startsTlsRecord } from '../../lab/capture/index.ts';
import { eventually } from '../support/netns.ts';
import { Conversation, call, isAnswered, listenWhoAmI } from './support/apps.ts';
import { forEachPair } from './support/implementation.ts';
import { onTheLink } from './support/link.ts';
import { MeshWorld } from './support/mesh-world.ts';
import { parseMetrics, total } from './support/metrics.ts';
import { hostnameOf, identityOf, portsOf, service } from './support/resources.ts';
import { inWorld } from './support/shared.ts';

/** Of an access line without service and error, in order (ztunnel.md 8.2). */
const FIELDS = [
  ...['addr', 'workload', 'namespace', 'identity', 'cluster'].map((field) => `src.${field}`),
  ...['addr', 'hbone_addr', 'workload', 'namespace', 'identity', 'cluster'].map((field) => `dst.${field}`),
  ...['direction', 'bytes_sent', 'bytes_recv', 'duration'],
];
const SECRET = 'a secret that nobody on the link may read';

forEachPair((pair) => {
  const scenario = inWorld(async () => {
    const world = await MeshWorld.create(pair);
    for (const name of ['near', 'server', 'other', 'outside'] as const) {
      await world.host(name).listenEcho(8080);
      await listenWhoAmI(world.host(name), 9090);
    }
    return world;
  });

  scenario('what two pods tell each other crosses the link inside TLS only', async (world) => {
    const server = world.host('server');
    for (const ip of [server.ip4, server.ip6]) {
      const { result, segments } = await onTheLink(server, () =>
        call(world.host('client'), { ip, port: 8080 }, SECRET),
      );
      assert.equal(result, SECRET);
      assert.ok(segments.length > 0);
      for (const { srcPort, dstPort, payload } of segments) {
        assert.ok(srcPort === 15008 || dstPort === 15008, `data from port ${srcPort} to ${dstPort}`);
        assert.ok(!payload.includes('secret'));
      }
      assert.ok(segments.some(({ payload }) => startsTlsRecord(payload)));
    }
  });

  scenario('both ends log the connection with both identities', async (world) => {
    const { ip4 } = world.host('server');
    const [atClient, atServer] = [world.a.log.length, world.b.log.length];
    await call(world.host('client'), { ip: ip4, port: 8080 }, 'eleven chars'.slice(0, 11));
    const parties = {
      'src.workload': 'client',
      'src.namespace': 'shop',
      'src.identity': identityOf('client'),
      'src.cluster': 'c1',
      'dst.addr': `${ip4}:15008`,
      'dst.hbone_addr': `${ip4}:8080`,
      'dst.workload': 'server',
      'dst.namespace': 'shop',
      'dst.identity': identityOf('server'),
      'dst.cluster': 'c1',
      bytes_sent: '11',
      bytes_recv: '11',
      duration: /^\d+ms$/,
    };
    const out = await world.a.access({ direction: 'outbound', ...parties }, atClient);
    const inn = await world.b.access({ direction: 'inbound', ...parties }, atServer);
    for (const { level, fields } of [out, inn]) {
      assert.equal(level, 'info');
      assert.match(fields['src.addr'] ?? '', new RegExp(`^${world.host('client').ip4}:\\d+$`));
      assert.deepEqual(Object.keys(fields), FIELDS);
    }
  });

  scenario(
    'what callers say at once arrives once, whole, and is counted on both ends, whatever its size',
    async (world) => {
      const { ip4 } = world.host('server');
      const client = world.host('client');
      await call(client, { ip: ip4, port: 8080 }); // the tunnel stands
      for (const bytes of [1, 8_191, 8_192, 8_193, 20_000, 300_000]) {
        const said = Array.from({ length: bytes }, (_, i) => String.fromCharCode(97 + (i % 23))).join('');
        const [atClient, atServer] = [world.a.log.length, world.b.log.length];
        const echoes = await Promise.all([said, said, said].map((text) => call(client, { ip: ip4, port: 8080 }, text)));
        for (const echo of echoes) assert.ok(echo === said, `${echo.length} bytes of ${bytes} came back, or others`);
        const counted = { bytes_sent: String(bytes), bytes_recv: String(bytes) };
        await world.a.access({ direction: 'outbound', ...counted }, atClient);
        await world.b.access({ direction: 'inbound', ...counted }, atServer);
      }
    },
  );

  scenario('the application sees the address of its caller, in both families', async (world) => {
    const client = world.host('client');
    for (const name of ['server', 'near'] as const) {
      const { ip4, ip6 } = world.host(name);
      assert.equal(await call(client, { ip: ip4, port: 9090 }), `${name} was called by ${client.ip4}`);
      assert.equal(await call(client, { ip: ip6, port: 9090 }), `${name} was called by ${client.ip6}`);
    }
  });

  scenario('two pods of one node talk through a tunnel, too', async (world) => {
    const near = world.host('near');
    const since = world.a.log.length;
    assert.equal(await call(world.host('client'), { ip: near.ip4, port: 8080 }, SECRET), SECRET);
    const identities = { 'src.identity': identityOf('client'), 'dst.identity': identityOf('near') };
    await world.a.access({ direction: 'outbound', ...identities }, since);
    await world.a.access({ direction: 'inbound', ...identities }, since);
  });

  scenario('a pod talks to what is not in the mesh in plaintext and without identities', async (world) => {
    const outside = world.host('outside');
    const since = world.a.log.length;
    for (const ip of [outside.ip4, outside.ip6]) {
      const { result, segments } = await onTheLink(outside, () =>
        call(world.host('client'), { ip, port: 8080 }, SECRET),
      );
      assert.equal(result, SECRET);
      assert.ok(segments.some(({ payload }) => payload.includes(SECRET)));
    }
    const { fields } = await world.a.access({ direction: 'outbound', 'dst.addr': `${outside.ip4}:8080` }, since);
    assert.equal(fields['src.workload'], 'client');
    const samples = parseMetrics(await world.a.metrics());
    const plaintext = { reporter: 'source', source_workload: 'client', connection_security_policy: 'unknown' };
    assert.ok(total(samples, 'istio_tcp_connections_opened_total', plaintext) >= 2);
    for (const absent of ['src.identity', 'dst.identity', 'dst.hbone_addr']) assert.equal(fields[absent], undefined);
  });

  scenario('a caller outside the mesh is served in plaintext while nothing forbids it', async (world) => {
    const [outside, server] = [world.host('outside'), world.host('server')];
    const since = world.b.log.length;
    assert.equal(await call(outside, { ip: server.ip4, port: 9090 }), `server was called by ${outside.ip4}`);
    assert.equal(await call(outside, { ip: server.ip6, port: 9090 }), `server was called by ${outside.ip6}`);
    const { fields } = await world.b.access({ direction: 'inbound', 'dst.addr': `${server.ip4}:9090` }, since);
    assert.equal(fields['dst.workload'], 'server');
    for (const absent of ['src.identity', 'dst.identity', 'dst.hbone_addr']) assert.equal(fields[absent], undefined);
  });

  scenario('a service address spreads connections over endpoints on both nodes', async (world) => {
    const vips = ['10.96.0.10', 'fd00:96::10'];
    const key = `shop/${hostnameOf('shop')}`;
    for (const name of ['near', 'server'] as const) {
      world.plane.setWorkload({ ...world.workload(name), services: new Map([[key, portsOf({ 80: 9090 })]]) });
    }
    world.plane.setService(service({ name: 'shop', vips, ports: { 80: 9090 } }));
    await world.applied();
    const [since, atServer] = [world.a.log.length, world.b.log.length];
    for (const ip of vips) {
      const answers = new Set<string | undefined>();
      for (let i = 0; i < 40 && answers.size < 2; i++) {
        answers.add((await call(world.host('client'), { ip, port: 80 })).split(' ')[0]);
      }
      assert.deepEqual([...answers].sort(), ['near', 'server']);
    }
    const named = { 'dst.service': hostnameOf('shop'), 'dst.workload': 'server' };
    await world.a.access({ direction: 'outbound', ...named }, since);
    await world.b.access({ direction: 'inbound', ...named }, atServer);
  });

  scenario('connections and their bytes are counted by both ends', async (world) => {
    const labels = {
      source_workload: 'client',
      source_principal: identityOf('client'),
      source_workload_namespace: 'shop',
      source_cluster: 'c1',
      destination_workload: 'other',
      destination_principal: identityOf('other'),
      destination_workload_namespace: 'shop',
      request_protocol: 'tcp',
      connection_security_policy: 'mutual_tls',
      response_flags: '-',
    };
    const ends = [
      [world.a, { ...labels, reporter: 'source' }],
      [world.b, { ...labels, reporter: 'destination' }],
    ] as const;
    const count = async ([ztunnel, wanted]: (typeof ends)[number], what: string) =>
      total(parseMetrics(await ztunnel.metrics()), `istio_tcp_${what}_total`, wanted);
    using conversation = await Conversation.open(world.host('client'), { ip: world.host('other').ip4, port: 8080 });
    for (const end of ends) {
      assert.equal(await count(end, 'connections_opened'), 1);
      assert.equal(await count(end, 'connections_closed'), 0);
    }
    conversation.socket.end();
    assert.equal(await conversation.ended(), 'end');
    for (const end of ends) {
      await eventually(
        'the connection is counted as closed',
        async () => (await count(end, 'connections_closed')) === 1,
      );
      assert.equal(await count(end, 'received_bytes'), 'first\n'.length);
      assert.equal(await count(end, 'sent_bytes'), 'first\n'.length);
    }
  });

  scenario('a server that is not there is a failed connection, not a silent one', async (world) => {
    const server = world.host('server');
    const [since, atServer] = [world.a.log.length, world.b.log.length];
    assert.equal(await isAnswered(world.host('client'), { ip: server.ip4, port: 7 }), false);
    const tunnel = { 'dst.hbone_addr': `${server.ip4}:7` };
    assert.equal((await world.a.access({ direction: 'outbound', error: /./, ...tunnel }, since)).level, 'error');
    assert.equal((await world.b.access({ direction: 'inbound', error: /./, ...tunnel }, atServer)).level, 'error');
  });

  scenario('a conversation goes on for as long as both want', async (world) => {
    using conversation = await Conversation.open(world.host('client'), { ip: world.host('server').ip4, port: 8080 });
    for (let i = 0; i < 20; i++) await conversation.say(`word ${i}`);
  });
});
