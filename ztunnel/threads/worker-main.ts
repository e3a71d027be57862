/** A thread that carries pods: its own loop, view, tunnels and numbers. What it knows and whom it serves comes from the main thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { RevocationFile } from '../../core/certificates/index.ts';
import { keepLedger, NetnsRef } from '../../core/net/index.ts';
import { createLogger, describeError, gathered, Registry } from '../../core/telemetry/index.ts';
import { guardHeap, Link, MaterialCache, settle } from '../../core/threads/index.ts';
import { systemClock } from '../../core/time/index.ts';
import { MeshError, View } from '../../mesh/index.ts';
import { MeshState } from '../mesh-state.ts';
import type { ServedPod } from './data-plane.ts';
import { LocalDataPlane } from './local.ts';
import type { MainCalls, PodAt, WorkerCalls, WorkerSettings } from './protocol.ts';

if (parentPort === null) throw new MeshError('INTERNAL', 'this is the program of a worker thread');
const port = parentPort;
const settings: WorkerSettings = workerData;
keepLedger(settings.descriptors); // before anything is opened

const log = createLogger({
  format: settings.logFormat,
  level: settings.logLevel,
  root: 'ztunnel',
  write: gathered((text) => link.tell('lines', text)),
});
log.filter.add(settings.levels);
process.on('unhandledRejection', (reason) =>
  log.error('a failure that nobody handled', { thread: settings.thread, error: describeError(reason) }),
);

const registry = new Registry();
const view = new View({ network: settings.network, localNode: settings.localNode });
const mesh = new MeshState({ view, localNode: settings.localNode, clock: systemClock });
const materials = new MaterialCache((identity) => link.ask('material', identity), Date.now);
// A file that is unusable when a thread is replaced keeps that thread from serving: nobody is trusted again for it.
const revocations =
  settings.crlPath === undefined
    ? undefined
    : new RevocationFile({
        path: settings.crlPath,
        clock: systemClock,
        log: log.scope('crl'),
        events: { loaded: () => {}, failed: () => {} }, // counted by the main thread, which reads it, too
      });
const plane = new LocalDataPlane({
  mesh,
  registry,
  log,
  material: (identity, signal) => materials.fetch(identity, signal),
  revocations,
  data: settings.data,
  dns: settings.dns,
  network: settings.network,
  logAllowed: settings.logAllowed,
  thread: settings.thread,
});
type Served = { readonly pod: ServedPod; readonly netns: NetnsRef };
const served = new Map<string, Served>();
const starting = new Map<string, Promise<void>>();

const link = new Link<MainCalls, WorkerCalls>((message) => port.postMessage(message), {
  update: async ({ typeUrl, update }) => {
    await mesh.onUpdate(typeUrl, update); // what is refused is refused by the main thread, too, and told there
  },
  standIns: (standIns) => mesh.useStandIns(standIns),
  start,
  drain: async ({ uid, deadlineMs }) => {
    await Promise.all([finish(uid, (pod) => pod.drain(deadlineMs)), plane.dismiss(uid, deadlineMs)]);
  },
  stop: (uid) => finish(uid, (pod) => pod.stopNow()),
  neighbour: async ({ info, netnsFd }) => {
    if (served.has(info.uid)) return;
    try {
      await plane.welcome(info, NetnsRef.duplicate(netnsFd));
    } catch (error) {
      log.warn('a pod of another thread is reached by tunnels only', { uid: info.uid, error: describeError(error) });
    }
  },
  neighbourGone: (uid) => plane.dismiss(uid),
  connections: (uid) =>
    served.get(uid)?.pod.connections() ?? plane.guestConnections(uid) ?? { inbound: [], outbound: [] },
  collect: () => registry.takeDeltas(),
  receipts: (limit) => plane.receipts(limit),
  receipt: (id) => plane.receipt(id),
  flows: () => plane.flows(),
  renewed: (material) => materials.renewed(material),
  forgotten: (identity) => materials.forgotten(identity),
  levels: (directives) => {
    log.filter.reset();
    log.filter.add(directives);
  },
  end: async () => {
    await plane[Symbol.asyncDispose]();
    setImmediate(() => process.exit(0)); // what is still open is idle tunnels, and their watches are closed on the way
  },
});

settle();
guardHeap();
port.on('message', (message) => link.received(message));

/** A start that is under way is waited for before its pod is ended. */
function start(pod: PodAt): Promise<void> {
  const started = begin(pod).finally(() => starting.delete(pod.info.uid));
  starting.set(pod.info.uid, started);
  return started;
}

async function begin({ info, netnsFd }: PodAt): Promise<void> {
  const netns = NetnsRef.duplicate(netnsFd);
  try {
    served.set(info.uid, { netns, pod: await plane.start(info, netns) });
  } catch (error) {
    netns[Symbol.dispose]();
    throw error;
  }
}

async function finish(uid: string, end: (pod: ServedPod) => Promise<void>): Promise<void> {
  await starting.get(uid)?.catch(() => {}); // whoever started it is told
  const found = served.get(uid);
  if (found === undefined) return;
  try {
    await end(found.pod); // a second call while this waits goes to the same pod: a drain may be cut short
  } finally {
    if (served.get(uid) === found) {
      served.delete(uid);
      found.netns[Symbol.dispose]();
    }
  }
}
