/** The part that the compiler can't check: memory that OpenSSL and libuv hold while the collector runs. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { mustParseIp } from '../../../mesh/index.ts';
import { TestCa } from '../../../test/support/certificates.ts';
import { connectTcp, TcpConnection } from '../../net/index.ts';
import { createHboneClient, createHboneServer } from '../index.ts';
import { eventually } from '../leg-contract.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const CONNECTIONS = 2_000;
const AT_ONCE = 40;
const openFds = () => readdirSync('/proc/self/fd').length;

it('thousands of connections that end in every way, under forced collection: no crash, and nothing stays open', async () => {
  const ca = await TestCa.create();
  const [cart, web] = [ca.id('shop', 'cart'), ca.id('shop', 'web')];
  const [own, good, expired] = [await ca.material(cart), await ca.material(web), await ca.expired(web)];
  const refused: string[] = [];
  const server = createHboneServer({
    implementation: 'plane',
    material: () => Promise.resolve(own),
    onHandshakeError: (error) => void refused.push(error.code),
    onConnect: (request) => {
      const leg = request.respond(200);
      leg.deliver({
        data: (view) => void (leg.write(view) || leg.pause()),
        writable: () => leg.resume(),
        end: () => leg.end(),
        reset: () => {},
      });
    },
  });
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (s) =>
    server.accept(TcpConnection.adopt(s)),
  );
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  assert.ok(typeof address === 'object' && address !== null);
  const { port } = address;
  const client = createHboneClient({ implementation: 'plane', poolUnusedReleaseMs: 1 });

  const one = async (i: number): Promise<void> => {
    let raw: TcpConnection | undefined;
    const connect = async () => {
      raw = await connectTcp({ to: { ip: '127.0.0.1', port } });
      return raw;
    };
    const way = i % 5;
    if (way === 0) {
      // Hangs up in the middle of the handshake.
      const socket = (await connect()).toSocket();
      socket.on('error', () => {});
      socket.write(Buffer.from('1603010200010001fc0303', 'hex'));
      socket.resetAndDestroy();
      socket.destroy();
      return;
    }
    const opening = client.open({
      dial: { ip: mustParseIp('127.0.0.1'), port },
      source: way === 1 ? expired : good,
      expected: [cart],
      authority: '10.0.0.1:80',
      headers: {},
      connect,
      poolKey: String(i),
    });
    if (way === 1) return void (await assert.rejects(opening));
    const { leg } = await opening;
    const payload = Buffer.alloc(100_000, i);
    const { promise, resolve } = Promise.withResolvers<string>();
    let echoed = 0;
    leg.deliver({
      data: (view) => {
        assert.ok(payload.subarray(0, view.length).equals(view));
        echoed += view.length;
        if (way === 2 && echoed > 50_000) leg.reset('cancel');
        if (way === 3 && echoed > 50_000) raw?.close();
      },
      writable: () => {},
      end: () => resolve('end'),
      reset: (code) => resolve(code),
    });
    leg.write(payload);
    leg.end();
    const ended = await promise;
    if (way === 4) assert.deepEqual([ended, echoed], ['end', payload.length]);
    await leg.closed;
  };

  let before = 0;
  for (let i = 0; i < CONNECTIONS; i += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => one(i + n)));
    if (i % (5 * AT_ONCE) === 0) collect();
    if (i === 5 * AT_ONCE) before = openFds();
  }
  await eventually('descriptors are back', () => openFds() <= before + AT_ONCE, 10_000);
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  collect();
  await eventually('all are closed', () => openFds() <= before);
  assert.ok(refused.filter((code) => code === 'EXPIRED').length === CONNECTIONS / 5);
  listener.close();
  await once(listener, 'close');
});
