import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { eventually } from '../../test/support/netns.ts';
import { Registry } from '../telemetry/index.ts';
import { type AnyWorkerCalls, type Call, type Death, WorkerThread } from './index.ts';

const at = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

/** Watches many ports. Connections to the first call back, and kill it where it was told to die in such a callback. */
const PROGRAM = `
  import { parentPort, workerData } from 'node:worker_threads';
  import { keepLedger, listenTcp, localAddress, READABLE, Watch } from ${at('../net/index.ts')};
  import { Link } from ${at('./link.ts')};
  keepLedger(workerData.descriptors);
  const fail = () => { throw new Error('on purpose'); };
  const recurse = () => 1 + recurse();
  const die = {
    throw: fail,
    reject: () => queueMicrotask(fail),
    later: () => void setTimeout(fail),
    recurse,
    leave: () => process.exit(7),
    hang: () => {
      for (const end = performance.now() + workerData.ms; performance.now() < end; );
      if (workerData.leaves) process.exit(7);
    },
  }[workerData.how];
  let calls = 0;
  const ready = () => {
    calls += 1;
    if (workerData.where === 'callback' && calls === 3) die();
  };
  const failed = (error) => { throw error; };
  const ports = Array.from({ length: 200 }, () => {
    const fd = listenTcp({ ip: '127.0.0.1', port: 0 });
    new Watch(fd, { ready, failed }).want(READABLE);
    return localAddress(fd).port;
  });
  const link = new Link((message) => parentPort.postMessage(message), { port: () => ports[0] });
  parentPort.on('message', (message) => message.name === 'die' ? die() : link.received(message));
`;
type Program = AnyWorkerCalls & { readonly port: Call<undefined, number>; readonly die: Call<undefined, void> };

type Case = { readonly how: string; readonly where: 'message' | 'callback'; readonly why: RegExp };
const DEATHS: Readonly<Record<string, Case>> = {
  'an error in a message': { how: 'throw', where: 'message', why: /^on purpose$/ },
  'an error in a microtask of a message': { how: 'reject', where: 'message', why: /^on purpose$/ },
  'endless recursion in a message': { how: 'recurse', where: 'message', why: /call stack/ },
  'leaving in a message': { how: 'leave', where: 'message', why: /^it ended by itself$/ },
  'an error while a descriptor calls back': { how: 'throw', where: 'callback', why: /^on purpose$/ },
  'an error in a microtask of such a callback': { how: 'reject', where: 'callback', why: /^on purpose$/ },
  'an error in a timer of such a callback': { how: 'later', where: 'callback', why: /^on purpose$/ },
  'endless recursion in such a callback': { how: 'recurse', where: 'callback', why: /call stack/ },
};
/** At the same time. */
const WORKERS = 4;
const openFds = () => readdirSync('/proc/self/fd').length;

for (const [name, one] of Object.entries(DEATHS)) {
  test(`a worker that dies of ${name} takes nobody along, and leaves nothing open`, async () => {
    const before = openFds();
    await Promise.all(Array.from({ length: WORKERS }, () => dies(one)));
    await eventually('nothing is open that was not before', () => openFds() <= before);
  });
}

async function dies({ how, where, why }: Case): Promise<void> {
  const died = Promise.withResolvers<Death>();
  const worker = new WorkerThread<Program, Record<never, never>>({
    entry: new URL(`data:text/javascript,${encodeURIComponent(PROGRAM)}`),
    name: 'doomed',
    settings: { how, where },
    registry: new Registry(),
    handlers: {},
    onDeath: died.resolve,
    hangMs: 60_000,
    onHang: () => assert.fail('it does not hang'),
  });
  const port = await worker.link.ask('port', undefined);
  // In the middle of connections, which nobody accepts: every turn of its loop is told of them again.
  const callers = Array.from({ length: 20 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  const cut = callers.map((caller) => new Promise((done) => caller.once('close', done)));
  const asked = where === 'message' ? worker.link.ask('die', undefined) : worker.link.ask('port', undefined);
  const answered = asked.catch((error: unknown) => assert.match(String(error), /WORKER_DIED/));
  const { why: told, descriptors } = await died.promise;
  assert.match(told, why);
  assert.equal(descriptors, 200);
  await Promise.all([answered, ...cut]);
}

for (const [what, ms, hangs] of [
  ['hangs is told of, once', 2_000, 1],
  ['is busy for a while is not told of', 200, 0],
] as const) {
  test(`a worker that ${what}`, async () => {
    const died = Promise.withResolvers<Death>();
    let told = 0;
    const worker = new WorkerThread<Program, Record<never, never>>({
      entry: new URL(`data:text/javascript,${encodeURIComponent(PROGRAM)}`),
      name: 'doomed',
      settings: { how: 'hang', where: 'message', ms, leaves: true },
      registry: new Registry(),
      handlers: {},
      onDeath: died.resolve,
      hangMs: 900,
      onHang: () => {
        told += 1;
      },
    });
    await worker.link.ask('port', undefined);
    const asked = worker.link.ask('die', undefined).catch(() => {});
    await died.promise;
    await asked;
    assert.equal(told, hangs);
  });
}

test('the process ends with its own status while a worker is in the middle of something', () => {
  for (const isCalled of [true, false]) {
    const main = `
      import { once } from 'node:events';
      import { connect } from 'node:net';
      import { Worker } from 'node:worker_threads';
      import { exitAtOnce } from ${at('../net/index.ts')};
      const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(PROGRAM)})), {
        workerData: { descriptors: new Int32Array(new SharedArrayBuffer(1 << 17)), how: 'throw', where: 'message' },
      });
      worker.postMessage({ kind: 'ask', id: 1, name: 'port' });
      const [{ value: port }] = await once(worker, 'message');
      if (${isCalled}) await once(connect(port, '127.0.0.1'), 'connect');
      process.on('exit', () => console.log('last words'));
      exitAtOnce(3);`;
    const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', main];
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { timeout: 20_000, encoding: 'utf8' });
    assert.deepEqual([status, signal, stdout, stderr], [3, null, 'last words\n', '']);
  }
});
