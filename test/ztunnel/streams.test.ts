import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { resetSocket } from '../../core/net/index.ts';
import type { TestHost } from '../support/netns.ts';
import { Conversation, call, readToEnd, type Target, withDeadline } from './support/apps.ts';
import { forEachPair } from './support/implementation.ts';
import { MeshWorld } from './support/mesh-world.ts';
import { inWorld } from './support/shared.ts';

const CONNECTIONS = 200;
const OPEN_TOGETHER = 1_000;
const BYTES_EACH = 64 << 10;
const LARGE_BYTES = 32 << 20;

forEachPair((pair) => {
  const scenario = inWorld(async () => {
    const world = await MeshWorld.create(pair);
    await world.host('server').listenEcho(8080);
    return world;
  });
  const echo = (world: MeshWorld): Target => ({ ip: world.host('server').ip4, port: 8080 });

  scenario('a caller that has said all still gets the whole answer', async (world) => {
    const server = world.host('server');
    await server.listen(8081, async (socket) => {
      socket.on('error', () => socket.destroy());
      const question = await readToEnd(socket); // answers only once the caller has ended
      socket.end(`${question.length} bytes came`);
    });
    assert.equal(
      await call(world.host('client'), { ip: server.ip4, port: 8081 }, 'x'.repeat(100_000)),
      '100000 bytes came',
    );
  });

  scenario('a server that has said all still hears the caller out', async (world) => {
    const server = world.host('server');
    const heard = Promise.withResolvers<string>();
    await server.listen(8082, (socket) => {
      socket.on('error', heard.reject);
      socket.end('that is all from me');
      readToEnd(socket).then(heard.resolve, heard.reject);
    });
    const socket = await world.host('client').dial({ ip: server.ip4, port: 8082 });
    assert.equal(await withDeadline(readToEnd(socket), 'the end of the server'), 'that is all from me');
    socket.end('but I have more to say');
    assert.equal(await withDeadline(heard.promise, 'the end of the caller'), 'but I have more to say');
  });

  scenario(`${CONNECTIONS} connections at once carry every byte in order, and nothing of them stays`, async (world) => {
    const calls = Array.from({ length: CONNECTIONS }, () =>
      echoed(world.host('client'), echo(world), randomBytes(BYTES_EACH)),
    );
    await Promise.all(calls);
    await Promise.all([world.a.quiet(), world.b.quiet()]);
  });

  scenario(
    `${OPEN_TOGETHER} connections that are open together all go on, and nothing of them stays`,
    async (world) => {
      const client = world.host('client');
      await using all = new AsyncDisposableStack();
      const open: Conversation[] = [];
      while (open.length < OPEN_TOGETHER) {
        // not more at once than the backlog of a listener takes
        const dialled = Array.from({ length: 100 }, () => Conversation.open(client, echo(world)));
        for (const conversation of await Promise.all(dialled)) open.push(all.use(conversation));
      }
      const [a, b] = await Promise.all([world.a.connections(), world.b.connections()]);
      assert.equal(a.outbound, OPEN_TOGETHER);
      // the reference shows the streams of one tunnel to one port as one
      if (world.b.isOurs) assert.equal(b.inbound, OPEN_TOGETHER);
      else assert.ok(b.inbound > 0);
      await Promise.all(
        open.map((conversation, i) => conversation.say(`line ${i} of ${randomBytes(200).toString('hex')}`)),
      );
      for (const { socket } of open) socket.end();
      await Promise.all(open.map((conversation) => conversation.ended()));
      await Promise.all([world.a.quiet(), world.b.quiet()]);
    },
  );

  scenario('one connection carries much more than any window, both ways at once', async (world) => {
    await echoed(world.host('client'), echo(world), randomBytes(LARGE_BYTES));
  });

  scenario('a reader that does not read stops its writer, and nobody else', async (world) => {
    const socket = await world.host('client').dial(echo(world)); // paused: nothing of the echo is read
    const written = await fill(socket);
    assert.ok(written < 256 << 20, `${written} bytes were taken for a reader that reads nothing`);
    using other = await Conversation.open(world.host('client'), echo(world));
    await other.say('still here');
    socket.destroy();
  });

  scenario('when the server resets, the caller hears of it', async (world) => {
    const server = world.host('server');
    await server.listen(8083, (socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', () => resetSocket(socket)).resume();
    });
    const socket = await world.host('client').dial({ ip: server.ip4, port: 8083 });
    socket.write('hello');
    const how = await withDeadline(
      readToEnd(socket).then(
        () => 'end',
        (error: NodeJS.ErrnoException) => error.code,
      ),
      'the end of the connection',
    );
    // Ours carries a reset as a reset; the reference, on whichever side it is, makes an orderly end of it.
    assert.equal(how, world.a.isOurs && world.b.isOurs ? 'ECONNRESET' : 'end');
  });

  scenario('when the caller resets, the server hears of it', async (world) => {
    const server = world.host('server');
    const over = Promise.withResolvers<string | undefined>();
    await server.listen(8084, (socket) => {
      socket.on('error', (error: NodeJS.ErrnoException) => over.resolve(error.code));
      socket.on('end', () => over.resolve('end'));
      socket.resume().write('welcome');
    });
    const socket = await world.host('client').dial({ ip: server.ip4, port: 8084 });
    socket.on('error', () => {});
    await withDeadline(new Promise((done) => socket.once('data', done).resume()), 'the welcome');
    resetSocket(socket);
    const how = await withDeadline(over.promise, 'the end of the connection');
    assert.equal(how, world.a.isOurs && world.b.isOurs ? 'ECONNRESET' : 'end');
  });
});

/** Sends bytes to an echo and checks what comes back. */
async function echoed(from: TestHost, to: Target, bytes: Buffer): Promise<void> {
  const socket = await from.dial(to);
  socket.setTimeout(15_000, () => socket.destroy(new Error('the echo has stopped')));
  socket.end(bytes);
  const hash = createHash('sha256');
  let length = 0;
  for await (const chunk of socket) {
    hash.update(chunk as Buffer);
    length += (chunk as Buffer).length;
  }
  assert.equal(length, bytes.length);
  assert.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'));
}

/** Writes until a write waits for longer than a moment, or far more than any buffer has been taken. */
async function fill(socket: Socket): Promise<number> {
  const piece = Buffer.alloc(1 << 20, 'x');
  let written = 0;
  socket.on('error', () => {});
  while (written < 256 << 20) {
    const { promise, resolve } = Promise.withResolvers<'taken'>();
    socket.write(piece, () => resolve('taken'));
    const stuck = new Promise<'stuck'>((done) => setTimeout(done, 500, 'stuck').unref());
    if ((await Promise.race([promise, stuck])) === 'stuck') return written;
    written += piece.length;
  }
  return written;
}
