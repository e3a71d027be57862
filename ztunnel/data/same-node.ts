/**
 * The short way between two pods of one node: after everything that a tunnel would check, the two proxies relay in memory, and
 * no byte leaves the two pods' namespaces. What may not take it goes through the tunnel, which says why.
 *
 *     closed --look: the network and both certificates permit it--> open for 30 s --look again--> ...
 *                                    the network refuses two looks in a row: what runs on it is cut
 */
import { setMaxListeners } from 'node:events';
import { HboneError, type RevocationGate, type Standing, type TlsMaterial } from '../../core/hbone/index.ts';
import { certificatesOf, TrustRoots, verifyPeer } from '../../core/identity/index.ts';
import type { TcpConnection } from '../../core/net/index.ts';
import {
  mustParseIp,
  type OutboundDecision,
  type SocketAddress,
  type SpiffeId,
  spiffeParts,
  type Workload,
} from '../../mesh/index.ts';
import type { NodePods, ServedPod } from './node-pods.ts';

type Tunnelled = Extract<OutboundDecision, { kind: 'hbone' }>;

/** A look that failed counts for a part of the usual time only. */
const SOONER = 6;
/** On one node an answer takes microseconds: who waits for longer takes the tunnel, which has time. */
const LOOK_TIMEOUT_MS = 1_000;

/** What the ways of a pod need of it. */
export type WayDeps = {
  /** The others; absent: there are no short ways. */
  readonly nodePods: NodePods | undefined;
  /** Dials from the pod's namespace, as the tunnel would. */
  readonly dial: (to: SocketAddress, timeoutMs: number) => Promise<TcpConnection>;
  /** The pod's own certificate. */
  readonly material: (source: Workload) => Promise<TlsMaterial>;
  /** Keeps revoked certificates out. */
  readonly gate: RevocationGate;
  /** How long one look counts: so often the network and the certificates are asked anew. */
  readonly lookEveryMs: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
};

export type ShortWay = {
  readonly destination: ServedPod;
  readonly identity: SpiffeId;
  /** Our end of the connection that showed that the network permits it: where a tunnel would come from. */
  readonly from: SocketAddress;
  /** Aborted when either certificate is revoked. */
  readonly revoked: AbortSignal;
  /** `cut` is called when the way is closed for good. Call the result when the connection is over. */
  hold(cut: (reason: string) => void): () => void;
};

/** One source pod's ways to others of its node. */
export class ShortWays implements Disposable {
  readonly #deps: WayDeps;
  readonly #ways = new Map<string, Way>();

  constructor(deps: WayDeps) {
    this.#deps = deps;
  }

  /** Undefined: take the tunnel. Never rejects. */
  async to(source: Workload, route: Tunnelled): Promise<ShortWay | undefined> {
    const destination = this.#deps.nodePods?.find(route.destination);
    if (destination === undefined || !leadsTo(destination, source, route)) return undefined;
    const key = `${route.dial.ip}|${route.expectedIdentities.join()}`;
    let way = this.#ways.get(key);
    if (way?.destination !== destination) {
      way?.[Symbol.dispose]();
      const forget = (gone: Way) => {
        if (this.#ways.get(key) === gone) this.#ways.delete(key);
      };
      way = new Way(this.#deps, { source, route, destination, forget });
      this.#ways.set(key, way);
    }
    return (await way.isOpen()) ? way : undefined;
  }

  [Symbol.dispose](): void {
    for (const way of this.#ways.values()) way[Symbol.dispose]();
    this.#ways.clear();
  }
}

/** The record must be another pod's, with no waypoint before it, and the port the one that pod listens on. */
function leadsTo({ hbonePort, gone }: ServedPod, source: Workload, { via, destination, dial }: Tunnelled): boolean {
  return (
    via === 'direct' &&
    destination.uid !== source.uid &&
    destination.networkMode === 'STANDARD' &&
    destination.addresses.includes(dial.ip) &&
    dial.port === hbonePort &&
    !gone.aborted
  );
}

type WayOptions = {
  readonly source: Workload;
  readonly route: Tunnelled;
  readonly destination: ServedPod;
  readonly forget: (way: Way) => void;
};

type Seen = { readonly from: SocketAddress; readonly identity: SpiffeId };

class Way implements ShortWay, Disposable {
  readonly #deps: WayDeps;
  readonly #o: WayOptions;
  readonly #held = new Set<(reason: string) => void>();
  readonly #revoked = new AbortController();
  /** The certificates that were judged good, and are judged again when a revocation list changes. */
  #judged: { readonly own: TlsMaterial; readonly theirs: TlsMaterial } | undefined;
  readonly #standings: Standing[] = [];
  #looking: Promise<boolean> | undefined;
  #seen: Seen | undefined;
  /** Until then the last look counts, whatever it saw. */
  #seenUntilMs = 0;
  #isOpen = false;
  /** Of the network, in a row. */
  #refusals = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: WayDeps, o: WayOptions) {
    this.#deps = deps;
    this.#o = o;
    setMaxListeners(0, this.#revoked.signal); // one for each connection
  }

  get destination(): ServedPod {
    return this.#o.destination;
  }

  get identity(): SpiffeId {
    return this.#whatWasSeen.identity;
  }

  get from(): SocketAddress {
    return this.#whatWasSeen.from;
  }

  get revoked(): AbortSignal {
    return this.#revoked.signal;
  }

  get #whatWasSeen(): Seen {
    if (this.#seen === undefined) throw new Error('a short way that was never open');
    return this.#seen;
  }

  /** Looks if the last look is too old. */
  isOpen(): Promise<boolean> {
    if (this.#deps.now() < this.#seenUntilMs) return Promise.resolve(this.#isOpen);
    return this.#look();
  }

  hold(cut: (reason: string) => void): () => void {
    this.#held.add(cut);
    this.#lookLater(this.#seenUntilMs - this.#deps.now());
    return () => {
      this.#held.delete(cut);
      if (this.#held.size === 0) this.#stopLooking();
    };
  }

  [Symbol.dispose](): void {
    this.#stopLooking();
    this.#held.clear();
    this.#stopJudging();
  }

  #stopJudging(): void {
    for (const standing of this.#standings.splice(0)) standing[Symbol.dispose]();
    this.#judged = undefined;
  }

  #stopLooking(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** One look at a time serves all who ask. */
  #look(): Promise<boolean> {
    this.#looking ??= this.#ask().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** The network first: a real connection, as the tunnel would make it. Then both certificates, each as the other's peer. */
  async #ask(): Promise<boolean> {
    const { source, route, destination } = this.#o;
    let from: SocketAddress;
    try {
      const probe = await this.#deps.dial(route.dial, LOOK_TIMEOUT_MS);
      from = { ip: mustParseIp(probe.local.ip), port: probe.local.port };
      probe.reset(); // a FIN would be answered with an alert
    } catch {
      this.#refusals += 1;
      return this.#saw(undefined); // the tunnel will meet the same, and say what it is
    }
    this.#refusals = 0;
    try {
      const [own, theirs] = await Promise.all([this.#deps.material(source), destination.material()]);
      const identity = trustEachOther(own, theirs, route.expectedIdentities);
      if (identity !== undefined) this.#judge(own, theirs);
      return this.#saw(identity === undefined ? undefined : { from, identity });
    } catch {
      return this.#saw(undefined); // no certificate, or one that is revoked: as above
    }
  }

  #saw(seen: Seen | undefined): boolean {
    const { now, lookEveryMs } = this.#deps;
    this.#isOpen = seen !== undefined;
    this.#seen = seen ?? this.#seen;
    this.#seenUntilMs = now() + (this.#isOpen ? lookEveryMs : lookEveryMs / SOONER);
    if (!this.#isOpen && this.#held.size === 0) this.#stopJudging();
    return this.#isOpen;
  }

  /** Both certificates, once each time that one is renewed. Throws HboneError when one is revoked. */
  #judge(own: TlsMaterial, theirs: TlsMaterial): void {
    if (this.#judged?.own === own && this.#judged.theirs === theirs) return;
    for (const [peer, other] of [
      [theirs, own],
      [own, theirs],
    ] as const) {
      const standing = this.#deps.gate.admit(() => [...certificatesOf(peer.chain), ...certificatesOf(other.roots)]);
      this.#standings.push(standing); // of a certificate that was renewed, too: what it let in still runs
      standing.cutBy(() => this.#wasRevoked());
    }
    this.#judged = { own, theirs };
  }

  #wasRevoked(): void {
    this.#o.forget(this);
    this.#revoked.abort(
      new HboneError('REVOKED', 'a certificate of this connection, or an authority above it, is revoked'),
    );
    this[Symbol.dispose]();
  }

  #lookLater(ms: number): void {
    this.#timer ??= setTimeout(() => void this.#lookNow(), Math.max(ms, 0)).unref();
  }

  /**
   * As a tunnel that answers no PING is dropped, what runs is cut when the network refuses twice in a row. Certificates that
   * ran out meanwhile cut nothing, as in a tunnel; they keep new connections out.
   */
  async #lookNow(): Promise<void> {
    this.#timer = undefined;
    await this.#look();
    if (this.#held.size === 0) return;
    if (this.#refusals < 2) return this.#lookLater(this.#seenUntilMs - this.#deps.now());
    const running = [...this.#held];
    this.#o.forget(this);
    this[Symbol.dispose]();
    for (const cut of running) {
      cut('the destination can no longer be reached from this pod, maybe a NetworkPolicy is blocking HBONE port 15008');
    }
  }
}

/** What TLS would ask of both (ztunnel.md section 3.1); gives the destination's identity when both would agree. */
function trustEachOther(own: TlsMaterial, theirs: TlsMaterial, expected: readonly SpiffeId[]): SpiffeId | undefined {
  const now = new Date();
  const server = verifyPeer(TrustRoots.fromPem(own.roots), certificatesOf(theirs.chain), { role: 'server', now });
  const client = verifyPeer(TrustRoots.fromPem(theirs.roots), certificatesOf(own.chain), { role: 'client', now });
  if (server.verdict === 'refused' || client.verdict === 'refused') return undefined;
  const [[serverId, secondServerId], [clientId, secondClientId]] = [server.ids, client.ids];
  if (serverId === undefined || clientId === undefined || secondServerId || secondClientId) return undefined;
  const isOfOneDomain = spiffeParts(clientId).trustDomain === spiffeParts(serverId).trustDomain;
  return isOfOneDomain && expected.includes(serverId) ? serverId : undefined;
}
