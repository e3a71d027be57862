/** The data plane: tunnels in, what is decided about them, tunnels out. Told what to do by whoever feeds `told`. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ConnectRequest,
  chooseHbone,
  createHboneClient,
  createHboneServer,
  formatBaggage,
  type Revocations,
  type TlsMaterial,
} from '../core/hbone/index.ts';
import { Hostnames, type LookUp, openNameServer } from '../core/hostnames/index.ts';
import { type HttpVersion, threadDeadlines } from '../core/http/index.ts';
import { listenTcp, localAddress, TcpListener } from '../core/net/index.ts';
import { describeError, type Logger, Receipts, type Registry, standardOutput } from '../core/telemetry/index.ts';
import { systemClock } from '../core/time/index.ts';
import { type IpAddress, MeshError, serviceKey, type Workload } from '../mesh/index.ts';
import { type ChainConfig, Chains } from './chains.ts';
import type { WaypointConfig } from './config.ts';
import type { Exchange } from './exchange.ts';
import { httpChain } from './http-chain.ts';
import { openFetcher } from './jwks/fetch-json.ts';
import { meshFetch } from './jwks/mesh-fetch.ts';
import { JwksStore } from './jwks/store.ts';
import { LiveRequests } from './live-requests.ts';
import { LiveStreams } from './live-streams.ts';
import { Observer } from './observe/observer.ts';
import type { RequestRows } from './observe/request-ledger.ts';
import type { Taps } from './observe/taps.ts';
import { ownPlace, ownSource, ownUid } from './place.ts';
import { cut } from './policy/cut.ts';
import { backendScope } from './policy/scope.ts';
import { PolicyRecorder } from './policy/watch.ts';
import { refusal as refusedAddress } from './refused-addresses.ts';
import { serveStream } from './serve.ts';
import type { Source } from './source.ts';
import { tcpChain } from './tcp-chain.ts';
import { Told, type ToldChange } from './told.ts';
import { SpanExporters } from './trace/exporters.ts';
import { type DialParts, dialEndpoint } from './upstream/dial.ts';
import { type Chosen, Endpoints } from './upstream/endpoints.ts';
import { onlyAllowed } from './upstream/meant-host.ts';
import { Pool } from './upstream/pool.ts';
import { post } from './upstream/post.ts';

export type PlaneOptions = {
  readonly config: WaypointConfig;
  readonly log: Logger;
  readonly registry: Registry;
  /** Our own key and certificate; waits for the first one within its own deadline. */
  readonly material: (signal?: AbortSignal) => Promise<TlsMaterial>;
  readonly revocations?: Revocations;
  /** What names mean; default: what the name servers of `/etc/resolv.conf` say. */
  readonly lookUp?: LookUp;
  /** Why an address that a name leads to is not called; undefined: it is. Default: those that only the node may call are not. */
  readonly refusal?: (ip: IpAddress) => string | undefined;
  /** Takes lines of access logs; default: standard output. */
  readonly accessLog?: (line: string) => void;
  /** As {@link Told} wants them. */
  readonly demand: (name: string) => Promise<void>;
  readonly release: (names: Iterable<string>) => void;
};

export interface Plane extends AsyncDisposable {
  readonly told: Told;
  /** Why requests were denied. */
  readonly receipts: Receipts;
  /** What was asked, and is being asked. */
  requests(): RequestRows;
  /** Who watches requests live. */
  readonly taps: Taps;
  /** Where tunnels are accepted; who comes before `open` waits. */
  readonly port: number;
  /** Begins to accept. To be called when it was told what to do. */
  open(): void;
  /** Serves one stream, however it came: through a tunnel, or made by whoever measures and tests. Never rejects. */
  serve(request: ConnectRequest): Promise<void>;
  /** No more streams; what is under way has until the deadline, and is cut then. */
  drain(deadlineMs: number): Promise<void>;
}

/** Names below wildcards that are remembered. */
const MAX_ASKED_NAMES = 1_024;
/** Last frames of connections that were cut at the deadline. */
const LAST_FRAMES_MS = 200;
/** Spans of the last requests. */
const LAST_SPANS_MS = 1_000;
/** As many sockets are accepted in one turn of the loop. */
const ACCEPTS_PER_TURN = 64;

/** Takes the port at once. @throws KernelError when it is in use. */
export function startPlane(o: PlaneOptions): Plane {
  const { config, log, registry, revocations } = o;
  const now = () => performance.now();
  const gone = new AbortController();
  const { implementation } = chooseHbone(config.hbone);
  const client = createHboneClient({ implementation, ...(revocations && { revocations }) });
  const nameServer = openNameServer();
  const { lookUp = nameServer.lookUp, refusal = refusedAddress } = o;
  const names = { lookUp, families: config.ipv6 ? ([4, 6] as const) : ([4] as const), now };
  const hostnames = new Hostnames(names);
  // Apart: callers can think of many.
  const asked = new Hostnames({ ...names, maxNames: MAX_ASKED_NAMES });
  const live = new LiveStreams();
  const requests = new LiveRequests();
  const receipts = new Receipts({ now: Date.now, random: Math.random });
  const watch = new PolicyRecorder(receipts, registry);

  const told: Told = new Told({
    network: config.network,
    localNode: config.localNode,
    demand: o.demand,
    release: o.release,
    onChange: (change) => {
      chains.changed(change);
      live.reevaluate((caller) => told.gateway === undefined || told.isTrusted(caller));
      requests.reevaluate(
        (x) => concerns(change, x),
        (x) => chains.standing(x),
        (x, denial) => cut(x, denial, watch),
      );
    },
  });
  const uid = ownUid(config);
  const fallback = ownPlace(config);
  const place = (): Workload => told.view.workloadByUid(uid) ?? fallback;
  const endpoints = new Endpoints({
    view: told.view,
    place,
    policy: (service, port) => told.backend(service, port),
    random: Math.random,
    now,
  });
  /** Whoever owns a name outside decides where it leads: not into the mesh, past the policies of what is there. */
  const refusalOfAsked = (ip: IpAddress): string | undefined => {
    const { view } = told;
    const isOurs =
      view.workloadByAddress(view.network, ip) !== undefined ||
      view.serviceByVip(view.network, ip, undefined, { ranges: false }) !== undefined;
    return refusal(ip) ?? (isOurs ? 'of the mesh' : undefined);
  };
  const dialParts: DialParts = {
    client,
    material: o.material,
    alternatives: (identity) => told.alternatives(identity),
    resolve: (hostname, signal) => hostnames.resolve(hostname, signal),
    resolveAsked: async (hostname, signal) => onlyAllowed(await asked.resolve(hostname, signal), refusalOfAsked),
    random: Math.random,
    connectTimeoutMs: config.connectTimeoutMs,
    baggage: () => formatBaggage(place()),
    gone: gone.signal,
  };
  const dial = (chosen: Chosen, source: Source, version: HttpVersion | undefined) =>
    dialEndpoint(dialParts, chosen, source, { near: source.ip, version });
  const pool = new Pool({ dial, limits: config.limits });
  const onBug = (error: unknown) => log.error('a bug of the waypoint', { error: describeError(error) });
  const own = ownSource(fallback);
  const postParts = { endpoints, pool, source: own };
  const exporters = new SpanExporters({
    resource: { 'service.name': `${config.pod.serviceAccount}.${config.pod.namespace}` },
    clock: systemClock,
    log: log.scope('trace'),
    spans: registry.counter('ambit_trace_spans', 'Spans, by what became of them (unstable).', ['outcome']),
    postTo: ({ service, port, path, headers }) => {
      const fields = Object.fromEntries(headers.map(({ name, value }) => [name, value]));
      const to = { service, port, path, headers: { ...fields, 'content-type': 'application/json' } };
      return (body, signal) => post(postParts, to, body, signal);
    },
  });
  const observer = new Observer({
    log: log.scope('access'),
    registry,
    write: o.accessLog ?? standardOutput(),
    always: config.accessLog === 'off' ? [] : [{ encoding: config.accessLog, format: '', filter: '' }],
    exporterOf: (tracing) => exporters.of(tracing),
    gateway: () => told.gateway,
    wallClock: Date.now,
    env: (name) => process.env[name],
  });
  const fetcher = openFetcher({ refusal });
  const store = new JwksStore({
    fetchJson: meshFetch({
      ...{ endpoints, pool, own: () => own, deadlines: threadDeadlines() },
      addressesKnown: () => told.addressesKnown(),
      hasService: (service) => told.view.serviceByKey(service) !== undefined,
      outside: fetcher.fetch,
    }),
    now,
    onProblem: (source, error) => log.scope('jwks').warn('no keys', { source, error: describeError(error) }),
  });
  const httpParts = {
    own: () => own,
    endpoints,
    pool,
    now,
    observerOf: (of: ChainConfig) => observer.requests(of),
    onBug,
    watch,
    live: requests,
    standing: (x: Exchange) => chains.standing(x),
    backendScope: (key: string) => {
      const known = told.service(key);
      return known?.kind === 'told' ? backendScope(known.config) : known?.kind;
    },
    receiptHeader: config.receiptHeader,
    store,
    wallClock: Date.now,
    deadlines: threadDeadlines(),
    random: Math.random,
    pause: (ms: number) => sleep(ms),
    replayBytes: config.replayBytes,
  };
  const chains: Chains = new Chains(told, {
    http: (of) => httpChain(httpParts, of),
    tcp: (of) => tcpChain(of, Math.random, (key) => told.service(key)),
  });
  const parts = {
    told,
    chains,
    endpoints,
    dial,
    live,
    limits: config.limits,
    detectionTimeoutMs: config.detectionTimeoutMs,
    observer,
    watch,
    now,
  };
  const server = createHboneServer({
    implementation,
    ...(revocations && { revocations }),
    settings: { maxConcurrentStreams: config.limits.streams },
    material: () => o.material(),
    trustDomains: () => told.gateway?.trustDomains ?? [config.trustDomain],
    onConnect: (request) => serveStream(parts, request),
    onHandshakeError: (error, from) => {
      if (error.code !== 'NOTHING_SAID')
        log.scope('tunnel').info('a handshake failed', { from: from.ip, error: error.message });
    },
  });
  const fd = listenTcp({ port: config.ports.hbone, ip: config.ipv6 ? '::' : '0.0.0.0', reusePort: true });
  const port = localAddress(fd)?.port ?? config.ports.hbone;
  let listener: TcpListener | undefined;
  const open = (): void => {
    listener ??= new TcpListener(fd, (connection) => server.accept(connection), {
      perTurn: ACCEPTS_PER_TURN,
      onError: (error) => log.scope('tunnel').warn('the listener complains', { error: error.message }),
    });
  };

  const stop = async (deadlineMs: number): Promise<void> => {
    open(); // it owns the descriptor; who waits there is served
    listener?.finish();
    const served = server.drain(deadlineMs + LAST_FRAMES_MS);
    await live.drain(deadlineMs);
    if (deadlineMs > 0) await exporters.finish(LAST_SPANS_MS);
    pool.drain();
    gone.abort(new MeshError('DRAINED', 'the waypoint is stopping'));
    await served;
    observer.taps.close();
    exporters[Symbol.dispose]();
    pool.cut();
    await client[Symbol.asyncDispose]();
    await fetcher[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    nameServer[Symbol.dispose]();
  };
  let stopped: Promise<void> | undefined;
  const drain = (deadlineMs: number): Promise<void> => {
    stopped ??= stop(deadlineMs);
    return stopped;
  };
  return {
    told,
    receipts,
    taps: observer.taps,
    requests: () => {
      const { ledger } = observer;
      for (const x of requests.passed()) ledger.saw(x); // what goes on and on is known before it is over
      return { dropped: ledger.dropped, requests: ledger.rows(`${config.pod.namespace}/${told.gateway?.name ?? ''}`) };
    },
    port,
    open,
    serve: (request) => serveStream(parts, request),
    drain,
    [Symbol.asyncDispose]: () => drain(0),
  };
}

/** Whether policies of that request may have changed: of what was called, or of what a route has turned it to. */
function concerns({ gateway, services }: ToldChange, { called, target }: Exchange): boolean {
  if (gateway || (called.service !== undefined && services.has(serviceKey(called.service)))) return true;
  return target.kind === 'service' && services.has(target.service);
}
