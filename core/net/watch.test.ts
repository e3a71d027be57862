import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { KernelError, listenTcp, READABLE, Watch } from './index.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

test('a watch outlives forced garbage collection, is closed within its own callback, and twice', async () => {
  for (let i = 0; i < 50; i++) {
    const fd = listenTcp({ ip: '127.0.0.1', port: 0 });
    const woken = Promise.withResolvers<void>();
    const watch = new Watch(fd, {
      ready: () => {
        watch[Symbol.dispose]();
        watch[Symbol.dispose]();
        collect();
        woken.resolve();
      },
      failed: woken.reject,
    });
    watch.want(READABLE);
    collect();
    const { localAddress, dialTcp } = await import('./index.ts');
    const socket = await dialTcp({ to: { ip: '127.0.0.1', port: localAddress(fd)?.port ?? 0 } });
    await woken.promise;
    socket.destroy();
    closeSync(fd);
  }
});

test('a receiver that throws is told, and the process lives', async () => {
  const fd = listenTcp({ ip: '127.0.0.1', port: 0 });
  const failed = Promise.withResolvers<unknown>();
  const watch = new Watch(fd, {
    ready: () => {
      watch[Symbol.dispose]();
      throw new Error('mine');
    },
    failed: failed.resolve,
  });
  watch.want(READABLE);
  const { localAddress, dialTcp } = await import('./index.ts');
  const socket = await dialTcp({ to: { ip: '127.0.0.1', port: localAddress(fd)?.port ?? 0 } });
  assert.match(String(await failed.promise), /mine/);
  socket.destroy();
  closeSync(fd);
});

test('what can not be watched is an error, not a crash', () => {
  const fd = openSync('/etc/passwd', 'r');
  assert.throws(() => new Watch(fd, { ready: () => {}, failed: () => {} }), KernelError);
  closeSync(fd);
});

test('a worker thread has its own way into the kernel', async () => {
  const worker = new Worker(
    `const net = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
     const { parentPort } = await import('node:worker_threads');
     const fd = net.listenTcp({ ip: '127.0.0.1', port: 0 });
     const server = await net.serveFd(fd, (s) => s.resume().end('from a worker'));
     const socket = await net.dialTcp({ to: { ip: '127.0.0.1', port: server.address().port } });
     let text = ''; for await (const chunk of socket) text += chunk;
     socket.end(); server.close(); parentPort.postMessage(text);`,
    { eval: true },
  );
  const text = await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  assert.equal(text, 'from a worker');
  await worker.terminate();
});

test('node:net can serve beside it', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  server.close();
});
