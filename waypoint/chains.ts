/** What is done with requests and connections, made once for each service port when its configuration changes. */
import {
  type AppProtocol,
  type GatewayConfig,
  type HttpDecision,
  type HttpFacts,
  type HttpScope,
  type ServiceConfig,
  serviceKey,
} from '../mesh/index.ts';
import type { Destination } from './dispatch.ts';
import type { Called, Exchange, Next, Target } from './exchange.ts';
import type { Denial } from './policy/standing.ts';
import { reply } from './reply.ts';
import type { Source } from './source.ts';
import type { Told, ToldChange } from './told.ts';

/** All that a chain is made of. */
export type ChainConfig = {
  readonly gateway: GatewayConfig | undefined;
  /** Undefined: for workloads that are called by their own address. */
  readonly service: ServiceConfig | undefined;
  /** Of the service; 0 for workloads: any. */
  readonly port: number;
  readonly protocol: AppProtocol;
  /** Other services of this waypoint that the routes of this one may send to, by key; `unreadable`: nobody knows what is allowed there. */
  readonly others: ReadonlyMap<string, ServiceConfig | 'unreadable'>;
};

/** For requests. */
export type HttpRules = {
  readonly handle: Next;
  /** Whether policies of now let a request go on that others let pass; undefined: they do. */
  standing(x: Exchange): Denial | undefined;
};
/** What is in `rules` changes; a connection asks at each request. */
export type HttpChain = { rules: HttpRules };

export type TcpVerdict = {
  readonly kind: 'allow' | 'deny';
  readonly because: string;
  /** Where policies were asked. */
  readonly judged?: { readonly scope: HttpScope; readonly facts: HttpFacts; readonly decision: HttpDecision };
};

/** Of a connection that began when nothing hung on it. */
export const NAME_UNSEEN: TcpVerdict = {
  kind: 'deny',
  because: 'policies want to know the name that it asked for, and nobody has looked',
};

/** For connections that nobody reads requests from. */
export type TcpRules = {
  /** Asked when a connection comes, and again for those that are open when something changes. */
  admit(source: Source, destination: Served, serverName: string | undefined): TcpVerdict;
  /** Whether the verdict may hang on the name that a ClientHello asks for. */
  readonly judgesServerName: boolean;
  /** By the policies of where it goes, if a route has led it elsewhere; asked when it comes, and when something changes. */
  admitTo(target: Target, source: Source, seen: { readonly serverName: string | undefined } | 'unseen'): TcpVerdict;
  /** Where it goes: what was called, unless a route says otherwise. Undefined: nowhere. */
  target(source: Source, called: Target, serverName: string | undefined): Target | undefined;
  /** Whether where it goes depends on the name that its ClientHello asks for. */
  readonly needsServerName: boolean;
};
export type TcpChain = { rules: TcpRules };

/** What can be served. */
export type Served = Exclude<Destination, { kind: 'none' }>;

export type ChainBuilders = {
  readonly http: (config: ChainConfig) => HttpRules;
  readonly tcp: (config: ChainConfig) => TcpRules;
};

type Held<Chain> = Map<string, { readonly service: string | undefined; readonly port: number; readonly chain: Chain }>;

export class Chains {
  readonly #told: Told;
  readonly #builders: ChainBuilders;
  readonly #http: Held<HttpChain> = new Map();
  readonly #tcp: Held<TcpChain> = new Map();

  constructor(told: Told, builders: ChainBuilders) {
    this.#told = told;
    this.#builders = builders;
  }

  http(served: Served): HttpChain {
    const key = keyOf(served);
    const held = this.#http.get(key);
    if (held !== undefined) return held.chain;
    const config = configOf(this.#told, serviceOf(served), portOf(served));
    const chain = { rules: config === undefined ? GONE : this.#builders.http(config) };
    this.#http.set(key, { service: serviceOf(served), port: portOf(served), chain });
    return chain;
  }

  tcp(served: Served): TcpChain {
    const key = keyOf(served);
    const held = this.#tcp.get(key);
    if (held !== undefined) return held.chain;
    const config = configOf(this.#told, serviceOf(served), portOf(served));
    const chain = { rules: config === undefined ? NOTHING : this.#builders.tcp(config) };
    this.#tcp.set(key, { service: serviceOf(served), port: portOf(served), chain });
    return chain;
  }

  /** For a request that is under way, by policies of now. */
  standing(x: Exchange): Denial | undefined {
    return (this.#http.get(keyOfCalled(x.called))?.chain.rules ?? GONE).standing(x);
  }

  /** Makes again what depends on the change. A service that is gone answers 503, also on connections that are open. */
  changed({ services, gateway }: ToldChange): void {
    const concerns = (service: string | undefined) => {
      if (gateway) return true;
      if (service === undefined) return false;
      const known = this.#told.service(service);
      // What its routes send to is part of what is made of a service.
      const references = known?.kind === 'told' ? known.config.references : [];
      return services.has(service) || references.some((reference) => services.has(reference));
    };
    for (const { service, port, chain } of this.#http.values()) {
      if (!concerns(service)) continue;
      const config = configOf(this.#told, service, port);
      chain.rules = config === undefined ? GONE : this.#builders.http(config);
    }
    for (const { service, port, chain } of this.#tcp.values()) {
      if (!concerns(service)) continue;
      const config = configOf(this.#told, service, port);
      chain.rules = config === undefined ? NOTHING : this.#builders.tcp(config);
    }
  }
}

function configOf(told: Told, service: string | undefined, port: number): ChainConfig | undefined {
  const { gateway } = told;
  if (gateway === undefined) return undefined; // we are not told ourselves what we are
  if (service === undefined) return { gateway, service: undefined, port: 0, protocol: 'UNKNOWN', others: new Map() };
  const known = told.service(service);
  if (known?.kind !== 'told') return undefined;
  const declared = known.config.ports.find((p) => p.port === port);
  if (declared === undefined) return undefined;
  const others = new Map<string, ServiceConfig | 'unreadable'>();
  for (const key of known.config.references) {
    const other = key === service ? undefined : told.service(key);
    if (other !== undefined) others.set(key, other.kind === 'told' ? other.config : 'unreadable');
  }
  return { gateway, service: known.config, port, protocol: declared.protocol, others };
}

/** A security decision that can not be made is a denial. */
const GONE: HttpRules = {
  handle: (x) => reply(x, { status: 503, flags: 'NC', details: 'cluster_not_found' }),
  standing: () => ({ because: 'it is not bound to this waypoint any more', details: 'cluster_not_found' }),
};
const NOTHING: TcpRules = {
  admit: () => ({ kind: 'deny', because: 'it is not bound to this waypoint any more' }),
  admitTo: () => ({ kind: 'deny', because: 'it is not bound to this waypoint any more' }),
  target: () => undefined,
  judgesServerName: false,
  needsServerName: false,
};

function serviceOf(served: Served): string | undefined {
  return served.kind === 'service' ? `${served.config.namespace}/${served.config.hostname}` : undefined;
}

function portOf(served: Served): number {
  return served.kind === 'service' ? served.port : 0;
}

function keyOfCalled({ service, port }: Called): string {
  return service === undefined ? '' : `${serviceKey(service)}:${port}`;
}

function keyOf(served: Served): string {
  return served.kind === 'service' ? `${serviceOf(served)}:${served.port}` : '';
}
