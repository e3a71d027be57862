import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import dnsPacket, { type Answer, type RecordType } from 'dns-packet';
import type { EndpointSlice, Pod, Service } from '../types.ts';
import { answerQuery } from './answer.ts';
import { DnsServer } from './server.ts';
import { Zone } from './zone.ts';

const service = (name: string, spec: Service['spec']): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'n' },
  spec,
});
const slice = (name: string, endpoints: EndpointSlice['endpoints']): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace: 'n', labels: { 'kubernetes.io/service-name': name } },
  addressType: 'IPv4',
  endpoints,
  ports: [{ name: 'pg', protocol: 'TCP', port: 5432 }],
});
const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n' },
  spec: { containers: [] },
  status: { phase: 'Running', podIP: '10.244.1.9', podIPs: [{ ip: '10.244.1.9' }, { ip: 'fd00:244:1::9' }] },
};
const many = Array.from({ length: 100 }, (_, i) => ({ addresses: [`10.244.9.${i}`] }));
const zone = new Zone({
  domain: 'cluster.local',
  services: [
    service('web', {
      clusterIP: '10.96.0.5',
      clusterIPs: ['10.96.0.5', 'fd00:96::5'],
      ports: [{ name: 'http', port: 80 }],
    }),
    service('db', { clusterIP: 'None' }),
    service('empty', { clusterIP: 'None' }),
    service('many', { clusterIP: 'None' }),
    service('out', { type: 'ExternalName', externalName: 'web.n.svc.cluster.local' }),
  ],
  slices: [
    slice('db', [
      { addresses: ['10.244.1.2'], hostname: 'db-0', conditions: { ready: true } },
      { addresses: ['10.244.1.3'], conditions: { ready: true } },
      { addresses: ['10.244.1.4'], conditions: { ready: false } },
    ]),
    slice('many', many),
  ],
  pods: [pod],
});

const RCODES: Readonly<Record<number, string>> = { 0: 'NOERROR', 1: 'FORMERR', 3: 'NXDOMAIN', 4: 'NOTIMP' };
const short = (answer: Answer): unknown => {
  if (answer.type === 'SRV') return `${answer.data.port} ${answer.data.target}`;
  return 'data' in answer ? String(answer.data) : answer.type;
};
function ask(name: string, type: RecordType) {
  const query = dnsPacket.decode(dnsPacket.encode({ type: 'query', id: 7, flags: 256, questions: [{ type, name }] }));
  const answer = answerQuery(query, zone, 'cluster.local', () => 0.999);
  return { rcode: RCODES[(answer.flags ?? 0) & 15], answers: (answer.answers ?? []).map(short), answer };
}

const rows: readonly (readonly [name: string, type: RecordType, rcode: string, answers: readonly string[]])[] = [
  ['web.n.svc.cluster.local', 'A', 'NOERROR', ['10.96.0.5']],
  ['WEB.n.svc.Cluster.Local', 'A', 'NOERROR', ['10.96.0.5']],
  ['web.n.svc.cluster.local', 'AAAA', 'NOERROR', ['fd00:96::5']],
  ['web.n.svc.cluster.local', 'TXT', 'NOERROR', []],
  ['_http._tcp.web.n.svc.cluster.local', 'SRV', 'NOERROR', ['80 web.n.svc.cluster.local']],
  ['_http._udp.web.n.svc.cluster.local', 'SRV', 'NXDOMAIN', []],
  ['_tcp.web.n.svc.cluster.local', 'A', 'NOERROR', []],
  ['n.svc.cluster.local', 'A', 'NOERROR', []],
  ['nobody.n.svc.cluster.local', 'A', 'NXDOMAIN', []],
  ['db.n.svc.cluster.local', 'A', 'NOERROR', ['10.244.1.2', '10.244.1.3']],
  ['db-0.db.n.svc.cluster.local', 'A', 'NOERROR', ['10.244.1.2']],
  ['10-244-1-3.db.n.svc.cluster.local', 'A', 'NOERROR', ['10.244.1.3']],
  ['10-244-1-4.db.n.svc.cluster.local', 'A', 'NXDOMAIN', []],
  [
    '_pg._tcp.db.n.svc.cluster.local',
    'SRV',
    'NOERROR',
    ['5432 db-0.db.n.svc.cluster.local', '5432 10-244-1-3.db.n.svc.cluster.local'],
  ],
  ['empty.n.svc.cluster.local', 'A', 'NOERROR', []],
  ['out.n.svc.cluster.local', 'A', 'NOERROR', ['web.n.svc.cluster.local', '10.96.0.5']],
  ['10-244-1-9.n.pod.cluster.local', 'A', 'NOERROR', ['10.244.1.9']],
  ['fd00-244-1--9.n.pod.cluster.local', 'AAAA', 'NOERROR', ['fd00:244:1::9']],
  ['10-244-1-8.n.pod.cluster.local', 'A', 'NXDOMAIN', []],
  ['5.0.96.10.in-addr.arpa', 'PTR', 'NOERROR', ['web.n.svc.cluster.local']],
  ['2.1.244.10.in-addr.arpa', 'PTR', 'NOERROR', ['db-0.db.n.svc.cluster.local']],
  [
    '5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa',
    'PTR',
    'NOERROR',
    ['web.n.svc.cluster.local'],
  ],
  ['dns-version.cluster.local', 'TXT', 'NOERROR', ['1.1.0']],
  ['example.org', 'A', 'NXDOMAIN', []],
];
for (const [name, type, rcode, answers] of rows) {
  test(`${type} ${name} gives ${rcode} ${answers.join(' ')}`, () => {
    const got = ask(name, type);
    assert.equal(got.rcode, rcode);
    assert.deepEqual(got.answers, answers);
  });
}

test('an SRV answer brings the addresses of its targets along', () => {
  const { answer } = ask('_pg._tcp.db.n.svc.cluster.local', 'SRV');
  assert.deepEqual((answer.additionals ?? []).map(short), ['10.244.1.2', '10.244.1.3']);
});

test('an answer with nothing says for how long that holds', () => {
  const { answer } = ask('nobody.n.svc.cluster.local', 'A');
  const [soa] = answer.authorities ?? [];
  assert.equal(soa?.type === 'SOA' && soa.data.minimum, 5);
});

const start = (problems: unknown[]) =>
  DnsServer.start({
    listen: [
      { ip: '127.0.0.1', port: 0 },
      { ip: '::1', port: 0 },
    ],
    domain: 'cluster.local',
    zone: () => zone,
    random: () => 0.5,
    onProblem: (problem) => problems.push(problem),
  });
const query = (name: string, additionals: Answer[] = []) =>
  Buffer.from(dnsPacket.encode({ type: 'query', id: 9, flags: 256, questions: [{ type: 'A', name }], additionals }));

async function overUdp(ip: string, port: number, ...packets: Buffer[]) {
  const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4');
  try {
    for (const packet of packets) socket.send(packet, port, ip);
    const [message] = (await once(socket, 'message', { signal: AbortSignal.timeout(5_000) })) as [Buffer];
    return { answer: dnsPacket.decode(message), bytes: message.length };
  } finally {
    socket.close();
  }
}

test('the server answers over UDP on both families', async () => {
  await using server = await start([]);
  for (const [i, ip] of ['127.0.0.1', '::1'].entries()) {
    const { answer } = await overUdp(ip, server.ports[i] ?? 0, query('web.n.svc.cluster.local'));
    assert.deepEqual((answer.answers ?? []).map(short), ['10.96.0.5']);
    assert.equal(answer.id, 9);
  }
});

test('an answer that does not fit into UDP is cut and comes whole over TCP', async () => {
  await using server = await start([]);
  const [port = 0] = server.ports;
  const cut = await overUdp('127.0.0.1', port, query('many.n.svc.cluster.local'));
  assert.equal(cut.answer.flag_tc, true);
  assert.ok(cut.bytes <= 512);
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  const packet = query('many.n.svc.cluster.local');
  socket.write(Buffer.concat([Buffer.from([0, packet.length]), packet.subarray(0, 5)]));
  socket.write(packet.subarray(5));
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    const all = Buffer.concat(chunks);
    if (all.length >= 2 && all.length >= 2 + all.readUInt16BE(0)) break;
  }
  socket.destroy();
  const answer = dnsPacket.decode(Buffer.concat(chunks).subarray(2));
  assert.equal(answer.answers?.length, 100);
});

test('a packet that is no DNS is told and does no harm', async () => {
  const problems: unknown[] = [];
  await using server = await start(problems);
  const { answer } = await overUdp(
    '127.0.0.1',
    server.ports[0] ?? 0,
    Buffer.from('nonsense'),
    query('web.n.svc.cluster.local'),
  );
  assert.equal(answer.answers?.length, 1);
  assert.equal(problems.length, 1);
});
