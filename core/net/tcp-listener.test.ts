import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { eventually } from '../../test/support/netns.ts';
import { closeFds, dialTcp, listenTcp, localAddress, type TcpConnection, TcpListener } from './index.ts';

/** Another process, since nothing happens between two system calls of our own. */
const CALLER = `
  const { connect } = require('node:net');
  const told = { answered: 0, failed: [] };
  let isOver = false;
  const call = () => new Promise((resolve) => {
    const socket = connect(Number(process.argv[1]), process.argv[2]);
    socket.on('end', () => { told.answered += 1; });
    socket.on('error', (error) => told.failed.push(error.code));
    socket.on('close', resolve);
    socket.resume();
  });
  const callAgain = async () => { while (!isOver) await call(); };
  process.on('message', () => { isOver = true; });
  process.send('ready');
  Promise.all([callAgain(), callAgain(), callAgain(), callAgain()]).then(() => {
    process.send(told);
    process.disconnect();
  });
`;

const GENERATIONS = 60;

test('a port that is not shared is left without a word, and once it is closed nothing happens', async () => {
  const fd = listenTcp({ ip: '127.0.0.1', port: 0 });
  const to = localAddress(fd) ?? assert.fail('no port');
  let served = 0;
  const serve = (connection: TcpConnection) => {
    served += 1;
    connection.close();
  };
  using listener = new TcpListener(fd, serve, { perTurn: 1, onError: assert.ifError });
  listener.leave();
  const caller = (await dialTcp({ to })).resume();
  await eventually('it is still served', () => served === 1);
  caller.destroy();
  listener.finish();
  const before = readdirSync('/proc/self/fd').length;
  const successor = listenTcp({ ip: '127.0.0.1', port: 0 }); // its number may be that of the closed one
  listener.leave();
  listener.finish();
  closeFds([successor]);
  assert.equal(readdirSync('/proc/self/fd').length, before);
});

for (const ip of ['127.0.0.1', '::1']) {
  test(`sixty generations hand a port of ${ip} on, and no connection is lost`, async () => {
    const first = listenTcp({ ip, port: 0, reusePort: true });
    const port = localAddress(first)?.port ?? assert.fail('no port');
    const served = new Array<number>(GENERATIONS + 1).fill(0);
    const serve = (fd: number, generation: number) =>
      new TcpListener(
        fd,
        (connection) => {
          served[generation] = (served[generation] ?? 0) + 1;
          connection.close(); // an end that was no reset: the answer
        },
        { perTurn: 64, onError: assert.ifError },
      );
    const serves = (generation: number, connections: number) =>
      eventually(`${connections} connections`, () => (served[generation] ?? 0) >= connections);
    const calls = ['-e', CALLER, String(port), ip];
    const caller = spawn(process.execPath, calls, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    let elder = serve(first, 0);
    try {
      await once(caller, 'message');
      for (let generation = 1; generation <= GENERATIONS; generation += 1) {
        await serves(generation - 1, 8);
        using leaving = elder;
        elder = serve(listenTcp({ ip, port, reusePort: true }), generation);
        leaving.leave();
        await serves(generation, 8); // what was half open with the elder has come
        const last = served[generation - 1];
        await serves(generation, 40);
        assert.equal(served[generation - 1], last, 'nothing new reaches the elder');
        leaving.finish();
      }
      caller.send('enough');
      const [told] = await once(caller, 'message');
      assert.deepEqual(told.failed, []);
      assert.ok(told.answered > GENERATIONS);
    } finally {
      caller.kill();
      elder[Symbol.dispose]();
    }
  });
}
