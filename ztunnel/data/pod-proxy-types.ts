/** What a pod's proxy needs and what it offers: the other half of the seam with the rest of the ztunnel. */

import type { HboneImplementation, Revocations, TlsMaterial } from '../../core/hbone/index.ts';
import type { Hostnames } from '../../core/hostnames/index.ts';
import { DEFAULT_KEEPALIVE, type KeepAlive, type NetnsRef } from '../../core/net/index.ts';
import type { SpiffeId, View, Workload } from '../../mesh/index.ts';
import type { NodePods } from './node-pods.ts';
import type { ConnectionInfo, ConnectionObserver } from './observer.ts';

/** Settings of the data path; {@link defaultDataConfig} has the reference's values. Ports are fixed, except for tests. */
export type DataConfig = {
  /** AMBIT_HBONE: what carries the tunnels. `auto`: the plane, where the runtime can. */
  readonly hbone: HboneImplementation | 'auto';
  /** 15001. */
  readonly outboundPort: number;
  /** 15006. */
  readonly inboundPlaintextPort: number;
  /** 15008: ours to listen on. The peers' comes with their decision. */
  readonly inboundHbonePort: number;
  /** False: bind 0.0.0.0 instead of the dual-stack wildcard. */
  readonly ipv6: boolean;
  /** SO_MARK of listeners (shared mode) and outgoing sockets; undefined: none (dedicated mode without PACKET_MARK). */
  readonly mark: number | undefined;
  /** SO_REUSEPORT on listeners, so that a new ztunnel can take over from an old one. */
  readonly reusePort: boolean;
  /** ENABLE_ORIG_SRC: keep the caller's address towards the application. `auto`: try, and do without where it fails. */
  readonly originalSource: 'required' | 'never' | 'auto';
  /** Of captured and outgoing sockets; undefined: not on those that are accepted. */
  readonly keepAlive: KeepAlive | undefined;
  /** LOCALHOST_APP_TUNNEL: applications that want a PROXY header are reached over loopback. */
  readonly localhostAppTunnel: boolean;
  /** ENABLE_RESPONSE_BAGGAGE: response baggage, and reading request baggage. */
  readonly responseBaggage: boolean;
  /** Whether an authenticated peer that is refused learns the receipt's id (`ambit-receipt`). */
  readonly receiptHeader: boolean;
  readonly connectTimeoutMs: number;
  /** How long a connection may be half-closed or idle. */
  readonly idleTimeoutMs: number;
  /** How long new connections wait for policies that are named but not held. */
  readonly missingPolicyWaitMs: number;
  /** Of one pod: sockets that its listeners hold, and connections that are served, tunnelled ones each by itself. */
  readonly maxConnections: number;
  readonly maxHandshakes: number;
  readonly maxAcceptsPerTurn: number;
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  readonly frameBytes: number;
  readonly poolMaxStreams: number;
  readonly poolUnusedReleaseMs: number;
  /** AMBIT_ZTUNNEL_SAME_NODE: `direct` relays between two pods of this node without a tunnel. */
  readonly sameNode: 'direct' | 'tunnel';
  /** How often the network is asked whether it still permits the tunnel that a direct relay replaces. */
  readonly sameNodeLookMs: number;
};

/** The values of ztunnel.md sections 1, 3 and 9 and of design.md, "Numbers". */
export function defaultDataConfig(): DataConfig {
  return {
    hbone: 'auto',
    outboundPort: 15_001,
    inboundPlaintextPort: 15_006,
    inboundHbonePort: 15_008,
    ipv6: true,
    mark: 1337,
    reusePort: true,
    originalSource: 'auto',
    keepAlive: DEFAULT_KEEPALIVE,
    localhostAppTunnel: true,
    responseBaggage: true,
    receiptHeader: true,
    connectTimeoutMs: 10_000,
    idleTimeoutMs: 3_600_000,
    missingPolicyWaitMs: 2_000,
    maxConnections: 20_000,
    maxHandshakes: 256,
    maxAcceptsPerTurn: 64,
    streamWindowBytes: 4 << 20,
    connectionWindowBytes: 16 << 20,
    frameBytes: 1 << 20,
    poolMaxStreams: 100,
    poolUnusedReleaseMs: 300_000,
    sameNode: 'direct',
    sameNodeLookMs: 30_000,
  };
}

/** Who the pod is, as ZDS (or PROXY_WORKLOAD_INFO) says. */
export type PodInfo = {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
};

export type PodProxyDeps = {
  /** What this thread knows of the mesh. The owner calls `reevaluate` after it changed. */
  readonly view: View;
  /** The pod's namespace; undefined: our own (dedicated mode). Owned by the caller, open until the proxy has stopped. */
  readonly netns: NetnsRef | undefined;
  readonly info: PodInfo;
  /** The pod's own record; waits up to 5 s for it, then rejects. */
  readonly workloadReady: (signal: AbortSignal) => Promise<Workload>;
  /** The current key and certificate of an identity; waits for the first one within its own deadline. */
  readonly material: (identity: SpiffeId, signal?: AbortSignal) => Promise<TlsMaterial>;
  /** Others that this process serves; absent: every way is a tunnel. */
  readonly nodePods?: NodePods;
  /** Another thread listens for this pod: here only pods of this thread reach it, by the short way. */
  readonly isGuest?: boolean;
  /** Of endpoints that are known by name only. */
  readonly hostnames: Pick<Hostnames, 'resolve'>;
  /** Undefined: nothing is revoked. */
  readonly revocations?: Revocations;
  readonly observe: ConnectionObserver;
  readonly config: DataConfig;
  /** In [0, 1). */
  readonly random: () => number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** NETWORK: where this proxy is. */
  readonly network: string;
};

export interface PodProxy {
  /** Listeners close, tunnels get GOAWAY, live connections have until the deadline; then what is left is cut. */
  drain(deadlineMs: number): Promise<void>;
  /** The pod is gone: cuts everything now. */
  stopNow(): Promise<void>;
  /** Policies or the workload changed: connections that are denied now are cut. */
  reevaluate(): void;
  connections(): { readonly inbound: readonly ConnectionInfo[]; readonly outbound: readonly ConnectionInfo[] };
}
