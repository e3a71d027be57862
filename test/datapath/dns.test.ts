import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { openUdp, UdpSocket } from '../../core/net/index.ts';
import { service, workload } from '../../mesh/test-support.ts';
import { queryBytes, replyBytes, show } from '../../ztunnel/dns/test-query.ts';
import { eventually, needsRoot, readAll } from '../support/netns.ts';
import { type Behaviour, DnsPod } from './dns-pod.ts';

const root = { skip: needsRoot };
const CART = service('cart', { namespace: 'shop', addresses: ['10.96.0.1', 'fd00:96::1'] });
const API = service('api.example.com', {
  namespace: 'shop',
  hostname: 'api.example.com',
  addresses: ['240.240.0.1'],
  canonical: false,
});
const DB_KEY = 'shop/db.shop.svc.cluster.local';
const DB = service('db', { namespace: 'shop', addresses: [] });
const WIDE = service('wide', { namespace: 'shop', addresses: [] });
const MANY = Array.from({ length: 256 }, (_, i) =>
  workload(`wide-${i}`, {
    namespace: 'shop',
    addresses: [`10.9.0.${i}`],
    services: { 'shop/wide.shop.svc.cluster.local': {} },
  }),
);

/** Knows `known.example` and says of anything else that there is no such name. */
const upstream: Behaviour = (query) => {
  const { packet } = { packet: query };
  const isKnown = packet.includes('known');
  return replyBytes(
    query,
    isKnown ? { answers: [{ type: 'A', name: 'known.example', ttl: 5, data: '192.0.2.7' }] } : { flags: 3 },
  );
};
const silent: Behaviour = () => undefined;
const openFds = () => readdirSync('/proc/self/fd').length;

test('a pod that asks any name server, over any protocol and family, is answered by the mesh', root, async () => {
  await using pod = await DnsPod.create({
    resources: [CART, API, DB, workload('db-0', { addresses: ['10.0.0.9'], services: { [DB_KEY]: {} } })],
  });
  await pod.host.exec('ip route add 192.0.2.0/24 dev eth0; ip -6 route add 2001:db8::/64 dev eth0');
  for (const how of ['udp', 'tcp'] as const) {
    for (const to of ['192.0.2.53', '2001:db8::53']) {
      const ask = async (name: string, type: 'A' | 'AAAA' = 'A') => {
        const { rcode, flags, answers } = show(await pod.ask({ name, type }, how, to));
        return [rcode, flags, ...answers];
      };
      assert.deepEqual(await ask('cart'), ['NOERROR', 'aa rd ra', 'cart A 10.96.0.1']);
      assert.deepEqual(await ask('cart.shop.svc.cluster.local', 'AAAA'), [
        'NOERROR',
        'aa rd ra',
        'cart.shop.svc.cluster.local AAAA fd00:96::1',
      ]);
      assert.deepEqual(await ask('api.example.com'), ['NOERROR', 'aa rd ra', 'api.example.com A 240.240.0.1']);
      assert.deepEqual(await ask('api.example.com', 'AAAA'), ['NOERROR', 'aa rd ra']);
      assert.deepEqual(await ask('db'), ['NOERROR', 'aa rd ra', 'db A 10.0.0.9']);
      assert.deepEqual(await ask('api.example.com.svc.cluster.local'), [
        'NOERROR',
        'aa rd ra',
        'api.example.com.svc.cluster.local CNAME api.example.com',
        'api.example.com A 240.240.0.1',
      ]);
    }
  }
  assert.deepEqual(pod.observer.upstream, []);
});

test(
  'what the mesh does not know is asked of the name servers of the node, from the pod, under the mark',
  root,
  async () => {
    await using pod = await DnsPod.create({ resources: [CART], dns: upstream });
    for (const how of ['udp', 'tcp'] as const) {
      const known = show(await pod.ask({ name: 'known.example', edns: 1232 }, how, pod.net.host('dns2').ip4));
      assert.deepEqual([known.rcode, known.flags, known.answers], ['NOERROR', 'rd ra', ['known.example A 192.0.2.7']]);
      const missing = show(await pod.ask({ name: 'missing.example' }, how, pod.net.host('dns2').ip6));
      assert.deepEqual([missing.rcode, missing.answers], ['NXDOMAIN', []]);
      const other = show(await pod.ask({ name: 'cart', type: 'SRV' }, how, pod.net.host('dns2').ip4));
      assert.equal(other.rcode, 'NXDOMAIN', 'other types of mesh names are asked elsewhere, too');
    }
    assert.deepEqual(pod.observer.upstream, [false, true, true, false, true, true]);
    assert.ok(pod.dns?.from.every((ip) => ip === pod.host.ip4));
    const ids = pod.dns?.seen.map((query) => query.readUInt16BE(0)) ?? [];
    assert.ok(
      ids.some((id) => id !== 4711),
      'the question goes under an id of our own',
    );
  },
);

test('a long answer is cut over UDP by what the client takes, and whole over TCP', root, async () => {
  await using pod = await DnsPod.create({ resources: [WIDE, ...MANY] });
  const to = pod.net.host('dns').ip4;
  const [plain, edns, tcp] = [
    show(await pod.ask({ name: 'wide' }, 'udp', to)),
    show(await pod.ask({ name: 'wide', edns: 1232 }, 'udp', to)),
    show(await pod.ask({ name: 'wide' }, 'tcp', to)),
  ];
  assert.equal(plain.flags, 'aa tc rd ra');
  assert.equal(edns.answers.length, 74); // the reference's number
  assert.ok(plain.answers.length < edns.answers.length);
  assert.equal(tcp.flags, 'aa rd ra');
  assert.equal(new Set(tcp.answers).size, 256);
  const again = show(await pod.ask({ name: 'wide' }, 'tcp', to));
  assert.notDeepEqual(again.answers, tcp.answers, 'in another order each time');
});

test('an answer that upstream cut short is cut short for the client, who comes back by TCP', root, async () => {
  const many = Array.from({ length: 60 }, (_, i) => ({
    type: 'A' as const,
    name: 'large.example',
    ttl: 5,
    data: `192.0.2.${i}`,
  }));
  await using pod = await DnsPod.create({
    dns: (query, protocol) => replyBytes(query, protocol === 'udp' ? { flags: 1 << 9 } : { answers: many }),
  });
  assert.equal(show(await pod.ask({ name: 'large.example' }, 'udp', pod.net.host('dns2').ip4)).flags, 'tc rd ra');
  assert.equal(show(await pod.ask({ name: 'large.example' }, 'tcp', pod.net.host('dns2').ip4)).answers.length, 60);
});

test('a name server that is dead costs no answer while another lives', root, async () => {
  const servers = (net: DnsPod['net']) => [net.host('dns').ip4, net.host('dns2').ip6];
  for (const dns of [undefined, silent, (query: Buffer) => replyBytes(query, { flags: 2 })]) {
    await using pod = await DnsPod.create({ ...(dns && { dns }), dns2: upstream, servers });
    for (const how of ['udp', 'tcp'] as const) {
      const { rcode, answers } = show(await pod.ask({ name: 'known.example' }, how));
      assert.deepEqual([rcode, answers], ['NOERROR', ['known.example A 192.0.2.7']], how);
    }
  }
});

test(
  'when no name server answers, the client hears of it at the deadline; of one that refuses at once',
  root,
  async () => {
    await using pod = await DnsPod.create({ dns: silent, config: { deadlineMs: 400 } });
    for (const how of ['udp', 'tcp'] as const) {
      const started = performance.now();
      assert.equal(show(await pod.ask({ name: 'known.example' }, how, pod.net.host('dns2').ip4)).rcode, 'SERVFAIL');
      assert.ok(performance.now() - started >= 395, how);
    }
    const queries = pod.dns?.seen.length ?? 0;
    assert.ok(queries <= 5, `one question is asked a few times at most, not ${queries}`);
    await using refused = await DnsPod.create({ config: { deadlineMs: 60_000 } });
    for (const how of ['udp', 'tcp'] as const) {
      assert.equal(
        show(await refused.ask({ name: 'known.example' }, how, refused.net.host('dns2').ip4)).rcode,
        'SERVFAIL',
      );
    }
  },
);

test('a packet that is lost on the way is sent again before the client gives up', root, async () => {
  let lost = 0;
  await using pod = await DnsPod.create({
    dns: (query) => {
      lost += 1;
      return lost === 1 ? undefined : upstream(query, 'udp');
    },
  });
  assert.equal(show(await pod.ask({ name: 'known.example' }, 'udp', pod.net.host('dns2').ip4)).rcode, 'NOERROR');
});

test('the DNS of the cluster, as a pod of the mesh, is not asked its own questions again', root, async () => {
  const KEY = 'shop/kube-dns.shop.svc.cluster.local';
  const kubeDns = service('kube-dns', { namespace: 'shop', addresses: ['10.96.0.10'] });
  const services = new Map([[KEY, []]]);
  await using pod = await DnsPod.create({
    resources: [kubeDns],
    client: { services },
    servers: () => ['10.96.0.10', '127.0.0.53'],
  });
  const { rcode } = show(await pod.ask({ name: 'known.example' }, 'udp', pod.net.host('dns').ip4));
  assert.equal(rcode, 'SERVFAIL');
  await pod.ask({ name: 'known.example' }, 'tcp', pod.net.host('dns').ip4);
  assert.equal(pod.observer.warnings.length, 2, 'each is told once');
  assert.match(pod.observer.warnings.join(), /10\.96\.0\.10.*dns-capture=false.*127\.0\.0\.53/);
});

test(
  'a pod that the control plane does not know yet gets SERVFAIL, which is no statement about the name',
  root,
  async () => {
    await using pod = await DnsPod.create({ resources: [CART], unknown: true });
    assert.equal(show(await pod.ask({ name: 'cart' }, 'udp', pod.net.host('dns').ip4)).rcode, 'SERVFAIL');
  },
);

test('nobody but the pod is served: other hosts do not even find the port', root, async () => {
  await using pod = await DnsPod.create({ resources: [CART] });
  const heard: string[] = [];
  const stranger = new UdpSocket(
    openUdp({ netns: pod.net.host('dns').netns, connect: { ip: pod.host.ip4, port: 15_053 } }),
    { datagram: () => heard.push('an answer'), failed: (error) => heard.push(error.code) },
    { perTurn: 4 },
  );
  stranger.send(queryBytes({ name: 'cart' }));
  await eventually('it is refused', () => heard.length > 0);
  assert.deepEqual(heard, ['ECONNREFUSED']);
  stranger[Symbol.dispose]();
});

test('a pod that asks more than may be under way is told so at once, and asks on afterwards', root, async () => {
  await using pod = await DnsPod.create({
    dns: silent,
    config: { maxPodQueries: 8, deadlineMs: 500 },
    resources: [CART],
  });
  using client = pod.udp(pod.net.host('dns2').ip4);
  for (let id = 1; id <= 24; id += 1) client.socket.send(queryBytes({ name: 'slow.example', id }));
  await eventually('the surplus is refused', () => client.answers.length === 16);
  client.socket.send(queryBytes({ name: 'cart', id: 99 }));
  await eventually('names of the mesh are answered all the same', () =>
    client.answers.some((answer) => answer.readUInt16BE(0) === 99 && show(answer).rcode === 'NOERROR'),
  );
  assert.equal(pod.observer.dropped_.filter((reason) => reason === 'too-many').length, 16);
  await eventually('the others fail at their deadline', () => client.answers.length === 25);
  assert.equal(show(await pod.ask({ name: 'cart' }, 'udp', pod.net.host('dns2').ip4)).rcode, 'NOERROR');
});

test('several questions share one TCP connection, and a slow one does not hold up the others', root, async () => {
  let release: (() => void) | undefined;
  await using pod = await DnsPod.create({ resources: [CART], dns: silent, config: { deadlineMs: 600 } });
  const socket = await pod.host.dial({ ip: pod.net.host('dns2').ip4, port: 53 });
  const framed = (bytes: Buffer) => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
  const ids: number[] = [];
  let rest = Buffer.alloc(0);
  const done = new Promise<void>((resolve) => {
    release = resolve;
  });
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      ids.push(rest.readUInt16BE(2));
      rest = rest.subarray(2 + rest.readUInt16BE(0));
    }
    if (ids.length === 101) release?.();
  });
  const all = [framed(queryBytes({ name: 'slow.example', id: 1 }))];
  for (let id = 2; id <= 101; id += 1) all.push(framed(queryBytes({ name: 'cart', id })));
  const bytes = Buffer.concat(all);
  socket.write(bytes.subarray(0, 7)); // the first message comes in pieces
  setImmediate(() => socket.write(bytes.subarray(7)));
  socket.resume();
  await done;
  assert.equal(ids.at(-1), 1);
  assert.equal(new Set(ids).size, 101);
});

test(
  'an idle TCP connection is closed, one more than allowed is refused, and what is no DNS is cut',
  root,
  async () => {
    await using pod = await DnsPod.create({ resources: [CART], config: { idleTimeoutMs: 300, maxConnections: 2 } });
    const dial = () => pod.host.dial({ ip: pod.net.host('dns').ip4, port: 53 });
    const idle = await dial();
    const half = await dial();
    half.write(Buffer.from([0, 20, 1]));
    await assert.rejects(async () => readAll(await dial()), /ECONNRESET/);
    assert.equal(await readAll(idle), '');
    assert.equal(await readAll(half), '');
    const rude = await dial();
    rude.write(Buffer.from([0, 3, 1, 2, 3]));
    await assert.rejects(readAll(rude), /ECONNRESET/);
    assert.equal(show(await pod.ask({ name: 'cart' }, 'tcp', pod.net.host('dns').ip4)).rcode, 'NOERROR');
  },
);

test('random and mangled messages do not stop it, and hold nothing afterwards', root, async () => {
  await using pod = await DnsPod.create({ resources: [CART, API], dns: upstream, config: { deadlineMs: 300 } });
  const to = pod.net.host('dns2').ip4;
  const before = openFds();
  let state = 42;
  const random = (below: number) => {
    state = (state * 16_807) % 2_147_483_647;
    return state % below;
  };
  const valid = ['cart', 'api.example.com', 'known.example'].map((name) => queryBytes({ name, edns: 1232 }));
  const mangled = () => {
    const bytes = random(4) === 0 ? Buffer.alloc(random(80)) : Buffer.from(valid[random(3)] ?? []);
    for (let i = random(8); i > 0 && bytes.length > 0; i -= 1) bytes[random(bytes.length)] = random(256);
    return bytes.subarray(0, random(3) === 0 ? random(bytes.length + 1) : bytes.length);
  };
  const until = performance.now() + 1_500;
  let sent = 0;
  {
    using client = pod.udp(to);
    while (performance.now() < until) {
      for (let i = 0; i < 40; i += 1) client.socket.send(mangled());
      sent += 40;
      const socket = await pod.host.dial({ ip: to, port: 53 });
      socket.on('error', () => {});
      const message = mangled();
      socket.write(Buffer.concat([Buffer.from([message.length >> 8, random(256)]), message]));
      if (random(2) === 0) socket.destroy();
      else socket.resume().end();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  assert.ok(sent > 400);
  const { rcode } = await eventually('it answers as before', async () => {
    const shown = show(await pod.ask({ name: 'cart' }, 'udp', to));
    return shown.rcode === 'NOERROR' && shown;
  });
  assert.equal(rcode, 'NOERROR');
  assert.equal(show(await pod.ask({ name: 'known.example' }, 'tcp', to)).rcode, 'NOERROR');
  await eventually('nothing is held', () => openFds() <= before + 2);
});

test('what is under way when the ztunnel drains is still answered; nothing new is', root, async () => {
  await using pod = await DnsPod.create({ dns: silent, dns2: silent, resources: [CART] });
  using client = pod.udp(pod.net.host('dns2').ip4);
  client.socket.send(queryBytes({ name: 'slow.example', id: 5 }));
  await eventually('it is asked upstream', () => (pod.dns?.seen.length ?? 0) > 0);
  await pod.proxy.drain(3_000);
  await eventually('its own answer, at its own deadline', () => client.answers.length === 1);
  client.socket.send(queryBytes({ name: 'cart', id: 6 }));
  await eventually('nobody listens any more', () => client.errors.length > 0);
});

test(
  'a question that comes over TCP just before the ztunnel drains is answered, and then the connection closes',
  root,
  async () => {
    await using pod = await DnsPod.create({ resources: [CART] });
    const [asking, idle] = [
      await pod.host.dial({ ip: pod.net.host('dns').ip4, port: 53 }),
      await pod.host.dial({ ip: pod.net.host('dns').ip6, port: 53 }),
    ];
    const message = queryBytes({ name: 'cart' });
    asking.write(Buffer.concat([Buffer.from([0, message.length]), message]));
    const started = performance.now();
    const drained = pod.proxy.drain(5_000);
    const chunks: Buffer[] = [];
    for await (const chunk of asking) chunks.push(chunk as Buffer);
    assert.deepEqual(show(Buffer.concat(chunks).subarray(2)).answers, ['cart A 10.96.0.1']);
    assert.equal(await readAll(idle), '');
    await drained;
    assert.ok(performance.now() - started < 4_000, 'nobody waits for the deadline');
  },
);

test('a pod that goes takes what is under way with it', root, async () => {
  await using pod = await DnsPod.create({ dns: silent, config: { deadlineMs: 60_000 } });
  using client = pod.udp(pod.net.host('dns2').ip4);
  client.socket.send(queryBytes({ name: 'slow.example' }));
  await eventually('it is asked upstream', () => (pod.dns?.seen.length ?? 0) > 0);
  const started = performance.now();
  await pod.proxy.stopNow();
  assert.ok(performance.now() - started < 2_000);
});

test('a successor shares the port, and takes over when the old one goes', root, async () => {
  await using pod = await DnsPod.create({ resources: [CART] });
  const before = openFds();
  assert.throws(
    () => openUdp({ netns: pod.host.netns, bind: { ip: '127.0.0.1', port: 15_053 } }),
    /EADDRINUSE.*127\.0\.0\.1 port 15053/,
  );
  assert.equal(openFds(), before);
  const successor = openUdp({ netns: pod.host.netns, bind: { ip: '127.0.0.1', port: 15_053 }, reusePort: true });
  const taken: string[] = [];
  const socket = new UdpSocket(
    successor,
    { datagram: (view) => taken.push(view.toString('latin1')), failed: assert.fail },
    { perTurn: 4 },
  );
  await pod.proxy.drain(1_000);
  using client = pod.udp(pod.net.host('dns').ip4);
  client.socket.send(queryBytes({ name: 'cart' }));
  await eventually('it is the one that hears', () => taken.length === 1);
  socket[Symbol.dispose]();
});
