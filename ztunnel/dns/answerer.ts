/** From a pod's question to its answer: from the view at once, or from other name servers later. */
import type { NetnsRef } from '../../core/net/index.ts';
import { describeError } from '../../core/telemetry/index.ts';
import type { Clock } from '../../core/time/index.ts';
import {
  formatNameAnswer,
  randomSample,
  resolveName,
  usableServers,
  type View,
  type Workload,
  type WorkloadInfo,
} from '../../mesh/index.ts';
import { type Asked, askTcp, askUdp } from './ask.ts';
import type { Budget } from './budget.ts';
import type { DnsConfig } from './config.ts';
import type { Asking, DnsObserver, Protocol } from './observer.ts';
import type { ResolvConf } from './resolv-conf.ts';
import {
  addressReply,
  answerCount,
  CLASS_IN,
  emptyReply,
  keepQuery,
  MAX_MESSAGE_BYTES,
  passOn,
  type Query,
  RCODE,
  rcodeOf,
  readQuery,
  TYPE_A,
  TYPE_AAAA,
  udpLimit,
} from './wire.ts';

export type AnswererDeps = {
  readonly config: DnsConfig;
  readonly view: View;
  readonly info: WorkloadInfo;
  /** Undefined: the pod is in our own namespace. */
  readonly netns: NetnsRef | undefined;
  /** SO_MARK of what is asked upstream. */
  readonly mark: number | undefined;
  /** The pod's own record; waits for it, then rejects. */
  readonly workloadReady: (signal: AbortSignal) => Promise<Workload>;
  readonly upstream: () => ResolvConf;
  readonly budget: Budget;
  readonly observe: DnsObserver;
  readonly clock: Clock;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly randomId: () => number;
  /** Aborted when the pod is gone. */
  readonly signal: AbortSignal;
};

/** ztunnel.md section 7, point 7. */
const TTL_S = 30;
/** What a message of 64 KB has room for, of the smaller kind of record. */
const MAX_ADDRESSES = 4_096;
const RCODE_NAMES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

export class Answerer {
  readonly #deps: AnswererDeps;
  /** Name servers that were complained of. */
  readonly #leftOut = new Set<string>();

  constructor(deps: AnswererDeps) {
    this.#deps = deps;
  }

  /** Calls `done` once, at once or later, with the answer; without one when the message deserves none. */
  handle(message: Buffer, protocol: Protocol, done: (answer: Buffer | undefined) => void): void {
    const { observe, view, info, budget } = this.#deps;
    const read = readQuery(message);
    if (read.kind !== 'query') {
      observe.dropped(read.why);
      done(read.kind === 'refuse' ? read.reply : undefined);
      return;
    }
    const asking = { query: read.query, protocol, client: view.localWorkload(info) };
    const known = this.#fromView(asking);
    if (known !== undefined) {
      observe.asked(asking);
      done(known);
      return;
    }
    if (!budget.take()) {
      observe.dropped('too-many');
      done(emptyReply(read.query, RCODE.SERVFAIL));
      return;
    }
    const later = this.#later({ ...asking, query: keepQuery(read.query) });
    void later.then(done).finally(() => budget.giveBack()); // never rejects, and `done` does not throw
  }

  async #later(asking: Asking): Promise<Buffer> {
    const { workloadReady, signal, observe } = this.#deps;
    try {
      const client = asking.client ?? (await workloadReady(signal));
      const known = { ...asking, client };
      observe.asked(known);
      return (asking.client === undefined ? this.#fromView(known) : undefined) ?? (await this.#forward(known, client));
    } catch (error) {
      observe.answered(asking, { result: describeError(error), endpoints: 0 });
      return emptyReply(asking.query, RCODE.SERVFAIL);
    }
  }

  /** Undefined: it is not the mesh's to answer. */
  #fromView(asking: Asking): Buffer | undefined {
    const { view, config, upstream, random, observe } = this.#deps;
    const { query, client, protocol } = asking;
    if (client === undefined || query.name === undefined || query.class !== CLASS_IN) return undefined;
    if (query.type !== TYPE_A && query.type !== TYPE_AAAA) return undefined;
    const answer = resolveName(
      view,
      { client, name: query.name, family: query.type === TYPE_A ? 4 : 6 },
      {
        clusterDomain: config.clusterDomain,
        ipv6: config.ipv6,
        ...(config.preferredNamespace !== undefined && { preferredNamespace: config.preferredNamespace }),
        ...(config.searchesFile && { searchDomains: upstream().search }),
      },
    );
    if (answer.kind === 'unknown') return undefined;
    const addresses = randomSample(answer.addresses, MAX_ADDRESSES, random);
    observe.answered(asking, { result: formatNameAnswer(answer), endpoints: addresses.length });
    const { alias } = answer;
    const reply = {
      authoritative: true,
      rcode: RCODE.NOERROR,
      addresses,
      ttlS: TTL_S,
      ...(alias !== undefined && { alias }),
    };
    return addressReply(query, reply, limitOf(query, protocol));
  }

  async #forward(asking: Asking, client: Workload): Promise<Buffer> {
    const { config, netns, mark, clock, randomId, signal, observe, now } = this.#deps;
    const { query, protocol } = asking;
    const started = now();
    const ask = protocol === 'udp' ? askUdp : askTcp;
    const asked = await ask({
      query,
      servers: this.#serversFor(client),
      port: config.upstreamPort,
      netns,
      mark,
      clock,
      randomId,
      retryMs: config.retryMs,
      deadlineMs: config.deadlineMs,
      signal,
    });
    const failed = asked.kind === 'failed' || rcodeOf(asked.reply) !== RCODE.NOERROR;
    observe.forwarded(asking, { failed, seconds: (now() - started) / 1_000 });
    observe.answered(asking, describe(asked));
    if (asked.kind === 'failed') return emptyReply(query, RCODE.SERVFAIL);
    return passOn(asked.reply, query, limitOf(query, protocol));
  }

  #serversFor(client: Workload) {
    const { view, netns, upstream, observe, info } = this.#deps;
    const { usable, leftOut } = usableServers(view, client, upstream().servers, netns === undefined);
    for (const { server, because } of leftOut) {
      if (this.#leftOut.has(server)) continue;
      this.#leftOut.add(server);
      const why =
        because === 'itself'
          ? 'the pod is behind that address, and would be asked its own questions: annotate it with ambient.istio.io/dns-capture=false'
          : 'it is on loopback, where only the machine that the list is from finds it';
      observe.warn('a name server is not asked', { pod: `${info.namespace}/${info.name}`, server, because: why });
    }
    return usable;
  }
}

const limitOf = (query: Query, protocol: Protocol) => (protocol === 'udp' ? udpLimit(query) : MAX_MESSAGE_BYTES);

function describe(asked: Asked): { readonly result: string; readonly endpoints: number } {
  if (asked.kind === 'failed') return { result: asked.because, endpoints: 0 };
  const rcode = rcodeOf(asked.reply);
  return { result: RCODE_NAMES[rcode] ?? `rcode ${rcode}`, endpoints: answerCount(asked.reply) };
}
