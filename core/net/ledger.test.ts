import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { closeLeftBehind, dialTcp, newLedger } from './index.ts';
import { recorded } from './ledger.ts';

/** Serves a port, gives one accepted connection and one closed listener away, says the port, and dies when told to. */
const PROGRAM = `
  const net = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
  const { sys } = await import(${JSON.stringify(new URL('./kernel.ts', import.meta.url).href)});
  const { parentPort, workerData } = await import('node:worker_threads');
  net.keepLedger(workerData);
  sys.close(net.listenTcp({ ip: '127.0.0.1', port: 0 }));
  const fd = net.listenTcp({ ip: '127.0.0.1', port: 0 });
  new net.TcpListener(fd, () => parentPort.postMessage('accepted'), { perTurn: 1, onError: () => {} });
  parentPort.postMessage(net.localAddress(fd).port);
  parentPort.on('message', () => { throw new Error('on purpose'); });
`;

test('what a dead thread left open is closed: connections are reset, its port refuses', async () => {
  const ledger = newLedger();
  const worker = new Worker(PROGRAM, { eval: true, workerData: ledger });
  worker.on('error', () => {});
  const [port] = await once(worker, 'message');
  const to = { ip: '127.0.0.1', port };
  const accepted = once(worker, 'message');
  const socket = await dialTcp({ to });
  await accepted;
  assert.equal([...recorded(ledger)].length, 2); // the listener and what it accepted
  const reset = once(socket, 'error');
  socket.resume();
  const gone = new Promise((done) => worker.once('exit', done)); // `once` of node:events would reject with the error
  worker.postMessage('die');
  await gone;
  assert.equal(closeLeftBehind(ledger), 2);
  const [error] = await reset;
  assert.equal(error.code, 'ECONNRESET');
  await assert.rejects(dialTcp({ to }), { code: 'ECONNREFUSED' });
  assert.equal(closeLeftBehind(ledger), 0);
});
