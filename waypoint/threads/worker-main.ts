/** A thread that serves: its own loop, tunnels, connections and numbers. What it is told comes from the main thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { RevocationFile } from '../../core/certificates/index.ts';
import { keepLedger } from '../../core/net/index.ts';
import { createLogger, describeError, gathered, Registry } from '../../core/telemetry/index.ts';
import { guardHeap, Link, MaterialCache, settle } from '../../core/threads/index.ts';
import { systemClock } from '../../core/time/index.ts';
import { MeshError, spiffeId } from '../../mesh/index.ts';
import { startPlane } from '../plane.ts';
import type { MainCalls, WorkerCalls, WorkerSettings } from './protocol.ts';

if (parentPort === null) throw new MeshError('INTERNAL', 'this is the program of a worker thread');
const port = parentPort;
const settings: WorkerSettings = workerData;
keepLedger(settings.descriptors); // before anything is opened
const { config } = settings;

const log = createLogger({
  format: config.logFormat,
  level: config.logLevel,
  root: 'waypoint',
  write: gathered((text) => link.tell('lines', text)),
});
log.filter.add(settings.levels);
process.on('unhandledRejection', (reason) =>
  log.error('a failure that nobody handled', { error: describeError(reason) }),
);

const registry = new Registry();
const identity = spiffeId(config.trustDomain, config.pod.namespace, config.pod.serviceAccount);
const materials = new MaterialCache((of) => link.ask('material', of), Date.now);
const revocations =
  config.crlPath === undefined
    ? undefined
    : new RevocationFile({
        path: config.crlPath,
        clock: systemClock,
        log: log.scope('crl'),
        events: { loaded: () => {}, failed: () => {} }, // counted by the main thread, which reads it, too
      });
const accessLog = gathered((text) => link.tell('lines', text));
const plane = startPlane({
  config,
  log,
  registry,
  accessLog,
  material: (signal) => materials.fetch(identity, signal),
  ...(revocations && { revocations }),
  demand: async () => {}, // the main thread asks for what it is told, too, and passes everything on
  release: () => {},
});
const taps = new Map<number, Disposable>();

const link = new Link<MainCalls, WorkerCalls>((message) => port.postMessage(message), {
  update: ({ typeUrl, update }) => void plane.told.onUpdate(typeUrl, update), // what is refused is told by the main thread
  port: () => plane.port,
  open: () => plane.open(),
  drain: (deadlineMs) => plane.drain(deadlineMs),
  collect: () => registry.takeDeltas(),
  requests: () => plane.requests(),
  receipts: (limit) => plane.receipts.latest(limit),
  receipt: (id) => plane.receipts.get(id),
  tap: ({ id, filter }) => {
    const write = (line: string): boolean => {
      link.tell('tapped', { id, line });
      return true; // the main thread drops what its reader can not take
    };
    const tap = plane.taps.open(filter, Number.MAX_SAFE_INTEGER, { write, end: () => {} });
    if (tap !== undefined) taps.set(id, tap);
  },
  untap: (id) => {
    taps.get(id)?.[Symbol.dispose]();
    taps.delete(id);
  },
  renewed: (material) => materials.renewed(material),
  levels: (directives) => {
    log.filter.reset();
    log.filter.add(directives);
  },
  end: async () => {
    await plane.drain(0);
    setImmediate(() => process.exit(0));
  },
});

settle();
guardHeap();
port.on('message', (message) => link.received(message));
