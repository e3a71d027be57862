import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';

setFlagsFromString('--expose-gc'); // for the workers that are made from here on

const at = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

/** Keeps some memory open to descriptors, and allocates what it keeps, or not. */
const PROGRAM = `
  const { listenTcp, READABLE, Watch } = await import(${at('../net/index.ts')});
  const { guardHeap } = await import(${at('./heap-guard.ts')});
  const { parentPort, workerData } = await import('node:worker_threads');
  for (let i = 0; i < 50; i++) {
    const fd = listenTcp({ ip: '127.0.0.1', port: 0 });
    new Watch(fd, { ready: () => {}, failed: () => {} }).want(READABLE);
  }
  guardHeap(5, 0);
  const kept = [];
  let allocated = 0;
  const allocate = () => {
    const some = Array.from({ length: 20_000 }, (_, i) => ({ i }));
    allocated += some.length;
    if (workerData === 'kept') kept.push(some);
    if (allocated < 20_000_000) setImmediate(allocate);
    else process.exit(0);
  };
  allocate();
`;

const start = (keeps: 'kept' | 'garbage') =>
  new Worker(PROGRAM, {
    eval: true,
    workerData: keeps,
    trackUnmanagedFds: false,
    resourceLimits: { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 4 },
  });

test('a worker that leaks ends before its heap is full, and the process lives', async () => {
  const worker = start('kept');
  const exited = new Promise((done) => worker.once('exit', done));
  const error = await new Promise((done) => worker.once('error', done));
  assert.match(String(error), /its heap is almost full: \d+ of \d+ MiB/);
  assert.equal(await exited, 1);
});

test('a worker that makes much garbage and keeps none of it lives on', async () => {
  const worker = start('garbage');
  assert.deepEqual(await once(worker, 'exit'), [0]);
});
