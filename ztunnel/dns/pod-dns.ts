/** The DNS proxy of one pod: listens inside its namespace, for the pod alone. */
import {
  HAND_OVER_MS,
  KernelError,
  listenTcp,
  openUdp,
  TcpListener,
  type UdpPeer,
  UdpSocket,
} from '../../core/net/index.ts';
import { type IpAddress, MeshError } from '../../mesh/index.ts';
import { Answerer, type AnswererDeps } from './answerer.ts';
import { TcpServer } from './tcp-server.ts';

export type PodDnsDeps = Omit<AnswererDeps, 'signal'> & {
  /** SO_REUSEPORT, so that a new ztunnel can take over from an old one. */
  readonly reusePort: boolean;
};

/** Datagrams and connections taken from one pod in one turn of the loop. */
const PER_TURN = 32;
const NO_SUCH_FAMILY: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);

export class PodDns {
  readonly #deps: PodDnsDeps;
  readonly #answerer: Answerer;
  readonly #tcp: TcpServer;
  readonly #gone = new AbortController();
  readonly #sockets: UdpSocket[] = [];
  readonly #listeners: TcpListener[] = [];
  #deadline: Disposable | undefined;
  #late: (() => void) | undefined;

  /** Binds every address for both protocols, or none. Throws the kernel's reason, which names address and port. */
  constructor(deps: PodDnsDeps) {
    this.#deps = deps;
    const { config, clock } = deps;
    this.#answerer = new Answerer({ ...deps, signal: this.#gone.signal });
    const { idleTimeoutMs, maxConnections } = config;
    this.#tcp = new TcpServer({ answerer: this.#answerer, clock, idleTimeoutMs, maxConnections });
    try {
      for (const ip of config.listen) this.#bind(ip, config.listen.length > 1);
      if (this.#sockets.length === 0) {
        throw new MeshError('INTERNAL', `no address to listen on port ${config.port} for DNS: the pod has no loopback`);
      }
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  /** Nothing new is taken; what is under way is answered before the deadline, or never. */
  async drain(deadlineMs: number): Promise<void> {
    const { clock, budget } = this.#deps;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    this.#late = resolve;
    this.#deadline = clock.after(deadlineMs, resolve);
    for (const socket of this.#sockets) socket.finish();
    for (const listener of this.#listeners) listener.leave();
    const handedOver = Promise.withResolvers<void>();
    using _ = clock.after(HAND_OVER_MS, handedOver.resolve);
    await Promise.race([handedOver.promise, late]);
    for (const listener of this.#listeners) listener.finish();
    const finished = Promise.all([budget.empty(), this.#tcp.finish()]);
    await Promise.race([finished, late]);
    await this.stopNow();
  }

  /** The pod is gone. */
  async stopNow(): Promise<void> {
    this.#late?.();
    this.#deadline?.[Symbol.dispose]();
    this.#gone.abort(new MeshError('POD_REMOVED', 'the pod is not served any more'));
    this.#close();
    await this.#deps.budget.empty(); // all that was under way has ended with the signal
  }

  #bind(ip: IpAddress, isOptional: boolean): void {
    const { config, netns, mark, reusePort, observe } = this.#deps;
    // In a dedicated proxy's own namespace only outgoing sockets are marked (ztunnel.md section 1.3).
    const options = { reusePort, ...(netns && { netns, ...(mark !== undefined && { mark }) }) };
    let fd: number;
    try {
      fd = openUdp({ ...options, bind: { ip, port: config.port } });
    } catch (error) {
      if (isOptional && error instanceof KernelError && NO_SUCH_FAMILY.has(error.code)) return;
      throw error;
    }
    const socket: UdpSocket = new UdpSocket(
      fd,
      {
        datagram: (view, from) => this.#datagram(socket, view, from),
        failed: (error) => observe.warn('the DNS socket complains', { ip, error: error.message }),
      },
      { perTurn: PER_TURN },
    );
    this.#sockets.push(socket);
    const onError = (error: Error) => observe.warn('the DNS listener complains', { ip, error: error.message });
    const listening = listenTcp({ ...options, ip, port: config.port, v6only: true });
    this.#listeners.push(new TcpListener(listening, (c) => this.#tcp.serve(c), { perTurn: PER_TURN, onError }));
  }

  /** Loopback: it comes from the pod itself. */
  #datagram(socket: UdpSocket, view: Buffer, from: UdpPeer): void {
    const { observe } = this.#deps;
    this.#answerer.handle(view, 'udp', (answer) => {
      if (answer !== undefined && !socket.send(answer, from)) observe.dropped('unsent');
    });
  }

  #close(): void {
    for (const socket of this.#sockets) socket[Symbol.dispose]();
    for (const listener of this.#listeners) listener[Symbol.dispose]();
    this.#tcp.stop();
  }
}
