/** The proxy of one pod: its listeners, its pool of tunnels, its live connections. */
import {
  chooseHbone,
  createHboneClient,
  createHboneServer,
  type HboneError,
  type HboneServer,
  type HboneSettings,
  RevocationGate,
} from '../../core/hbone/index.ts';
import { HAND_OVER_MS, type TcpConnection } from '../../core/net/index.ts';
import { MeshError } from '../../mesh/index.ts';
import { serveInboundHbone } from './inbound-hbone.ts';
import { serveInboundPlaintext } from './inbound-plaintext.ts';
import { type Listeners, listen } from './listeners.ts';
import { LiveConnections } from './live-connections.ts';
import type { Reporter, ResponseFlags } from './observer.ts';
import { OpenSockets } from './open-sockets.ts';
import { serveOutbound } from './outbound.ts';
import { dialFromPod, materialOf, type Pod } from './pod.ts';
import type { DataConfig, PodProxy, PodProxyDeps } from './pod-proxy-types.ts';
import { PolicyGate } from './policy-gate.ts';
import { ShortWays } from './same-node.ts';

/** How long a server of tunnels may outlive the connections that were cut at the deadline. */
const LAST_FRAMES_MS = 200;

/**
 * Starts serving a pod. Resolves once 15008, 15006 and 15001 listen; rejects when one of them can't be bound, and then
 * nothing is left behind.
 */
export async function startPodProxy(deps: PodProxyDeps): Promise<PodProxy> {
  const { config, observe, view, info } = deps;
  const live = new LiveConnections({ observe, now: deps.now, idleTimeoutMs: config.idleTimeoutMs });
  const gate = new PolicyGate({ view, info, observe, live, missingPolicyWaitMs: config.missingPolicyWaitMs });
  const gone = new AbortController();
  const settings = tunnelSettings(config);
  const { implementation } = chooseHbone(config.hbone);
  const revocations = deps.revocations && { revocations: deps.revocations };
  const client = createHboneClient({
    implementation,
    ...revocations,
    settings,
    onFault: (kind) => observe.tunnelFault(kind),
    poolUnusedReleaseMs: config.poolUnusedReleaseMs,
    maxStreamsPerConnection: config.poolMaxStreams,
  });
  const shortWays = new ShortWays({
    nodePods: config.sameNode === 'direct' ? deps.nodePods : undefined,
    dial: (to, timeoutMs) => dialFromPod(pod, to, { signal: gone.signal, timeoutMs }),
    material: (source) => materialOf(pod, source, gone.signal),
    gate: new RevocationGate(deps.revocations),
    lookEveryMs: config.sameNodeLookMs,
    now: deps.now,
  });
  let canSpoof = false;
  const pod: Pod = {
    deps,
    live,
    gate,
    client,
    shortWays,
    gone: gone.signal,
    get canSpoof() {
      return canSpoof;
    },
  };
  const ownMaterial = async () =>
    materialOf(pod, await live.starting((signal) => deps.workloadReady(signal)), gone.signal);
  const server = createHboneServer({
    implementation,
    ...revocations,
    settings,
    material: ownMaterial,
    onConnect: (request) => serveInboundHbone(pod, request),
    onFault: (kind) => observe.tunnelFault(kind),
    onHandshakeError: (error, src, dst) => {
      if (error.code === 'NOTHING_SAID') return; // probes of the port: the kubelet's, and our own for same-node traffic
      observe.handshakeFailed({
        direction: 'inbound',
        src,
        dst,
        error: error.message,
        code: error.code,
        flags: handshakeFlags(error),
      });
    },
  });
  const sockets = new OpenSockets(observe, config.maxConnections);
  const acceptTunnel = (connection: TcpConnection) => {
    if (sockets.add(connection, 'destination')) server.accept(connection);
  };
  type Serve = (pod: Pod, connection: TcpConnection) => Promise<void>;
  const capture = (reporter: Reporter, serve: Serve) => (connection: TcpConnection) => {
    if (sockets.add(connection, reporter)) void serve(pod, connection); // tells its failures to the observer
  };
  let listeners: Listeners;
  try {
    const { keepAlive } = config;
    const ports = [
      { port: config.inboundHbonePort, serve: acceptTunnel, keepAlive: undefined, isLocal: false }, // PINGs do that
      {
        port: config.inboundPlaintextPort,
        serve: capture('destination', serveInboundPlaintext),
        keepAlive,
        isLocal: false,
      },
      { port: config.outboundPort, serve: capture('source', serveOutbound), keepAlive, isLocal: true },
    ];
    listeners = listen(deps, deps.isGuest ? [] : ports);
  } catch (error) {
    live[Symbol.dispose]();
    throw error;
  }
  canSpoof = listeners.canSpoof;
  const known = deps.nodePods?.add({
    info,
    hbonePort: config.inboundHbonePort,
    gone: gone.signal,
    material: ownMaterial,
    serve: (request) => serveInboundHbone(pod, request),
  });
  return new RunningPod({ pod, listeners, server, sockets, gone, ...(known && { known }) });
}

type Parts = {
  readonly pod: Pod;
  readonly listeners: Listeners;
  readonly server: HboneServer;
  readonly sockets: OpenSockets;
  readonly gone: AbortController;
  /** Others of this node find the pod by it. */
  readonly known?: Disposable;
};

class RunningPod implements PodProxy {
  readonly #parts: Parts;
  #stopped: Promise<void> | undefined;
  #deadline: (() => void) | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  drain(deadlineMs: number): Promise<void> {
    const cut = new MeshError('DRAINED', 'connection closed due to connection drain');
    this.#stopped ??= this.#stop(deadlineMs, cut);
    return this.#stopped;
  }

  stopNow(): Promise<void> {
    const cut = new MeshError('POD_REMOVED', 'connection closed because the workload was removed');
    this.#stopped ??= this.#stop(0, cut);
    this.#deadline?.(); // a drain that is under way has no more time
    return this.#stopped;
  }

  reevaluate(): void {
    this.#parts.pod.gate.reevaluate();
  }

  connections() {
    return this.#parts.pod.live.show();
  }

  async #stop(deadlineMs: number, reason: MeshError): Promise<void> {
    const { pod, listeners, server, sockets, gone } = this.#parts;
    const { live, gate, client } = pod;
    this.#parts.known?.[Symbol.dispose]();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, deadlineMs);
    this.#deadline = resolve;
    await handOver(listeners, deadlineMs, late);
    const served = server.drain(deadlineMs + LAST_FRAMES_MS);
    // A tunnel that is being made, or was made a moment ago, is still going to carry something.
    await Promise.race([Promise.all([live.empty(), served]), late]);
    clearTimeout(timer);
    live.cutAll({ reason, flags: '-' });
    gone.abort(reason);
    await live.empty();
    await client[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await sockets.close();
    await served;
    pod.shortWays[Symbol.dispose]();
    gate[Symbol.dispose]();
    live[Symbol.dispose]();
  }
}

/** Nothing new afterwards. */
async function handOver(listeners: Listeners, deadlineMs: number, late: Promise<void>): Promise<void> {
  if (deadlineMs > 0) {
    listeners.leave();
    const { promise: handedOver, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, HAND_OVER_MS);
    await Promise.race([handedOver, late]);
    clearTimeout(timer);
  }
  listeners.close();
}

function handshakeFlags({ code }: HboneError): ResponseFlags {
  if (code === 'REVOKED') return 'CERT_REVOKED';
  return code === 'HTTP2_FAILED' ? 'H2_HANDSHAKE_FAILURE' : 'TLS_FAILURE';
}

function tunnelSettings(config: DataConfig): Partial<HboneSettings> {
  return {
    streamWindowBytes: config.streamWindowBytes,
    connectionWindowBytes: config.connectionWindowBytes,
    frameBytes: config.frameBytes,
    maxHandshakes: config.maxHandshakes,
  };
}
