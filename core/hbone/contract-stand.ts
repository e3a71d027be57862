/** One server, one client and what they saw: what the contract of tunnels is tried on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createTcpServer, connect as dial, type Server, type Socket } from 'node:net';
import { mustParseIp, type SpiffeId } from '../../mesh/index.ts';
import { connectTcp, TcpConnection } from '../net/index.ts';
import { HboneError } from './errors.ts';
import type { Leg } from './leg.ts';
import { Recorder } from './leg-contract.ts';
import type {
  ConnectRequest,
  HboneClient,
  HboneClientOptions,
  HboneServer,
  HboneServerOptions,
  HboneSettings,
  OpenedStream,
  OpenOptions,
  Revocations,
  TlsMaterial,
} from './types.ts';

type ClientOptions = Omit<HboneClientOptions, 'implementation'>;

export type Implementation = {
  readonly createServer: (o: Omit<HboneServerOptions, 'implementation'>) => HboneServer;
  readonly createClient: (o: ClientOptions) => HboneClient;
};

/** An authority that signs what it is told to, good or bad (test/support/certificates.ts has one). */
export type ContractCa = {
  readonly authority: { readonly rootPem: string };
  readonly trustDomain: string;
  id(namespace: string, serviceAccount: string): SpiffeId;
  material(
    identity: SpiffeId,
    o?: { readonly also?: readonly string[]; readonly roots?: string },
  ): Promise<TlsMaterial>;
  /** An authority below this one, and the serial of its certificate. */
  intermediate(): Promise<ContractCa & { readonly serial: string }>;
  /** A revocation list, PEM. */
  crl(serials: readonly string[]): Promise<string>;
  expired(identity: SpiffeId): Promise<TlsMaterial>;
  notYetValid(identity: SpiffeId): Promise<TlsMaterial>;
  nameless(identity: SpiffeId): Promise<TlsMaterial>;
  odd(identity: SpiffeId, o: { readonly only?: 'client' | 'server'; readonly isCa?: boolean }): Promise<TlsMaterial>;
};

export const AUTHORITY = '10.1.2.3:8080';

export type StandOptions = {
  readonly server?: TlsMaterial;
  readonly serverSettings?: Partial<HboneSettings>;
  readonly client?: ClientOptions;
  readonly onConnect?: (request: ConnectRequest) => void | Promise<void>;
  readonly material?: () => Promise<TlsMaterial>;
  readonly trustDomains?: () => readonly string[];
  /** What the server knows of clients. */
  readonly revocations?: Revocations;
};

/** One server on loopback, one client, and what they saw. */
export class Stand implements AsyncDisposable {
  readonly ca: ContractCa;
  readonly client: HboneClient;
  readonly server: HboneServer;
  readonly refused: HboneError[] = [];
  readonly requests: ConnectRequest[] = [];
  readonly #listener: Server;
  readonly #raw = new Set<Socket>();
  source: TlsMaterial;
  dials = 0;

  private constructor(ca: ContractCa, impl: Implementation, o: StandOptions, own: TlsMaterial, source: TlsMaterial) {
    this.ca = ca;
    this.source = source;
    this.client = impl.createClient(o.client ?? {});
    this.server = impl.createServer({
      material: o.material ?? (() => Promise.resolve(own)),
      onHandshakeError: (error) => this.refused.push(error),
      onConnect: (request) => {
        this.requests.push(request);
        return (o.onConnect ?? echo)(request);
      },
      ...(o.trustDomains ? { trustDomains: o.trustDomains } : {}),
      ...(o.revocations ? { revocations: o.revocations } : {}),
      ...(o.serverSettings ? { settings: o.serverSettings } : {}),
    });
    this.#listener = createTcpServer({ allowHalfOpen: true, pauseOnConnect: true }, (s) =>
      this.server.accept(TcpConnection.adopt(s)),
    );
  }

  static async create(ca: ContractCa, impl: Implementation, o: StandOptions = {}): Promise<Stand> {
    const own = o.server ?? (await ca.material(ca.id('shop', 'cart')));
    const stand = new Stand(ca, impl, o, own, await ca.material(ca.id('shop', 'web')));
    stand.#listener.listen(0, '127.0.0.1');
    await once(stand.#listener, 'listening');
    return stand;
  }

  get port(): number {
    const address = this.#listener.address();
    assert.ok(typeof address === 'object' && address !== null);
    return address.port;
  }

  connect(): Promise<TcpConnection> {
    this.dials += 1;
    return connectTcp({ to: { ip: '127.0.0.1', port: this.port } });
  }

  /** For peers that the test plays itself; gone with the stand. */
  async tcp(): Promise<Socket> {
    const socket = dial({ port: this.port, host: '127.0.0.1', allowHalfOpen: true });
    this.#raw.add(socket);
    socket.pause();
    await once(socket, 'connect');
    return socket;
  }

  open(o: Partial<OpenOptions> = {}): Promise<OpenedStream> {
    return this.client.open({
      dial: { ip: mustParseIp('127.0.0.1'), port: this.port },
      source: this.source,
      expected: [this.ca.id('shop', 'cart')],
      authority: AUTHORITY,
      headers: {},
      connect: () => this.connect(),
      poolKey: 'one',
      ...o,
    });
  }

  /** Opens, says hello through the echo, and gives leg and recorder. */
  async talk(o: Partial<OpenOptions> = {}): Promise<{ leg: Leg; seen: Recorder }> {
    const { leg } = await this.open(o);
    const seen = new Recorder();
    leg.deliver(seen);
    leg.write(Buffer.from('hello'));
    await seen.until('the echo', () => seen.text === 'hello');
    return { leg, seen };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    this.#listener.close();
    for (const socket of this.#raw) socket.destroy();
    await this.server[Symbol.asyncDispose]();
    assert.deepEqual(this.server.stats(), { handshakes: 0, tunnels: 0, streams: 0 });
    assert.deepEqual(this.client.stats(), { tunnels: 0, streams: 0 });
  }
}

export function echo(request: ConnectRequest): void {
  const leg = request.respond(200);
  leg.deliver({
    data: (view) => {
      if (!leg.write(view)) leg.pause();
    },
    writable: () => leg.resume(),
    end: () => leg.end(),
    reset: () => {},
  });
}

/** Both ends of one stream, for the contract of legs. */
export async function tunnelPair(
  ca: ContractCa,
  impl: Implementation,
): Promise<AsyncDisposable & { readonly client: Leg; readonly server: Leg }> {
  const { promise, resolve } = Promise.withResolvers<Leg>();
  const stand = await Stand.create(ca, impl, { onConnect: (request) => resolve(request.respond(200)) });
  const [{ leg }, server] = await Promise.all([stand.open(), promise]);
  return { client: leg, server, [Symbol.asyncDispose]: () => stand[Symbol.asyncDispose]() };
}

export async function rejection(work: Promise<unknown>): Promise<HboneError> {
  const error = await work.then(
    () => assert.fail('expected to be refused'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof HboneError, String(error));
  return error;
}
