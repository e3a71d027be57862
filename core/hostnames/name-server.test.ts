import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import dnsPacket from 'dns-packet';
import { Hostnames } from './hostnames.ts';
import { openNameServer } from './name-server.ts';

/** A name server on loopback that knows `db.example.com` and counts what it is asked. */
async function nameServer() {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (message, from) => {
    const query = dnsPacket.decode(message);
    const [question] = query.questions ?? [];
    const name = question?.name ?? '';
    asked.push(`${question?.type} ${name}`);
    const isKnown = name === 'db.example.com';
    const answer = dnsPacket.encode({
      type: 'response',
      id: query.id ?? 0,
      flags: dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE | (isKnown ? 0 : 3), // NXDOMAIN
      questions: query.questions ?? [],
      answers: isKnown && question?.type === 'A' ? [{ type: 'A', name, ttl: 7, data: '192.0.2.7' }] : [],
    });
    socket.send(answer, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const server = openNameServer([`127.0.0.1:${socket.address().port}`]);
  const close = () => {
    server[Symbol.dispose]();
    socket.close();
  };
  return { ...server, asked, [Symbol.dispose]: close };
}

test('records come with their time to live, and a name is asked for just as it is written', async () => {
  using server = await nameServer();
  assert.deepEqual(
    (await server.lookUp('db.example.com', 4)).map(({ address, ttl }) => ({ address, ttl })),
    [{ address: '192.0.2.7', ttl: 7 }],
  );
  assert.deepEqual(server.asked, ['A db.example.com']);
});

test('a name, and a name that is not there, through a real question', async () => {
  using server = await nameServer();
  const hostnames = new Hostnames({ lookUp: server.lookUp, families: [4, 6], now: () => performance.now() });
  const { signal } = new AbortController();
  assert.deepEqual(await hostnames.resolve('db.example.com', signal), { addresses: ['192.0.2.7'] });
  assert.deepEqual(await hostnames.resolve('gone.example.com', signal), { error: 'the name has no address' });
});

test('closing ends the questions that are under way', async () => {
  const silent = createSocket('udp4').bind(0, '127.0.0.1');
  await once(silent, 'listening');
  const server = openNameServer([`127.0.0.1:${silent.address().port}`]);
  const question = server.lookUp('db.example.com', 4);
  server[Symbol.dispose]();
  await assert.rejects(question, { code: 'ECANCELLED' });
  silent.close();
});
