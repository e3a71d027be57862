/** The cluster's DNS over UDP and TCP. Answers from memory, so it never makes a client wait for another server. */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import dnsPacket from 'dns-packet';
import { answerQuery, formatListener, udpLimit } from './answer.ts';
import type { Zone } from './zone.ts';

export type DnsServerOptions = {
  /** Port 0 takes a free one. */
  readonly listen: readonly { readonly ip: string; readonly port: number }[];
  readonly domain: string;
  /** The zone of this moment. */
  readonly zone: () => Zone;
  readonly random: () => number;
  /** Hears of packets that are no DNS and of sockets that fail. */
  readonly onProblem: (error: unknown) => void;
};

/** RFC 7766 §6.2.3: idle connections may be closed after some seconds. */
const TCP_IDLE_MS = 10_000;
const MAX_TCP_CONNECTIONS = 256;
const TRUNCATED = 1 << 9;

export class DnsServer implements AsyncDisposable {
  readonly #options: DnsServerOptions;
  readonly #udp: UdpSocket[] = [];
  readonly #tcp: Server[] = [];
  readonly #connections = new Set<Socket>();
  readonly #ports: number[] = [];

  private constructor(options: DnsServerOptions) {
    this.#options = options;
  }

  /** Resolves when all addresses are bound; throws the system's error when one cannot be. */
  static async start(options: DnsServerOptions): Promise<DnsServer> {
    const server = new DnsServer(options);
    try {
      for (const { ip, port } of options.listen) await server.#bind(ip, port);
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  /** The bound ports, in the order of `listen`. */
  get ports(): readonly number[] {
    return this.#ports;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#udp) socket.close();
    for (const connection of this.#connections) connection.destroy();
    await Promise.all(this.#tcp.map((server) => new Promise<void>((resolve) => void server.close(() => resolve()))));
  }

  /** UDP takes the port that TCP got, so that port 0 means one port for both. */
  async #bind(ip: string, port: number): Promise<void> {
    const tcp = createServer((socket) => this.#serve(socket));
    tcp.maxConnections = MAX_TCP_CONNECTIONS;
    tcp.on('error', this.#options.onProblem);
    tcp.listen({ host: ip, port, ipv6Only: isIPv6(ip) });
    await once(tcp, 'listening');
    this.#tcp.push(tcp);
    const bound = tcp.address();
    const actual = typeof bound === 'object' && bound !== null ? bound.port : port;
    const udp = createSocket({ type: isIPv6(ip) ? 'udp6' : 'udp4', ipv6Only: isIPv6(ip) });
    udp.bind({ address: ip, port: actual });
    await once(udp, 'listening');
    this.#udp.push(udp);
    udp.on('error', this.#options.onProblem);
    udp.on('message', (message, from) => this.#answerUdp(udp, message, from));
    this.#ports.push(actual);
  }

  #answerUdp(socket: UdpSocket, message: Buffer, from: RemoteInfo): void {
    const query = this.#decode(message, formatListener(from.address, from.port));
    if (query === undefined) return;
    let answer = Buffer.from(dnsPacket.encode(this.#answer(query)));
    if (answer.length > udpLimit(query)) {
      const { answers: _answers, authorities: _authorities, additionals: _additionals, ...rest } = this.#answer(query);
      answer = Buffer.from(dnsPacket.encode({ ...rest, flags: (rest.flags ?? 0) | TRUNCATED })); // the client asks again by TCP
    }
    socket.send(answer, from.port, from.address);
  }

  #serve(socket: Socket): void {
    this.#connections.add(socket);
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => socket.destroy()); // a client that went away has no answer coming
    let waiting = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk]);
      while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE(0)) {
        const length = waiting.readUInt16BE(0);
        const query = this.#decode(waiting.subarray(2, 2 + length), socket.remoteAddress ?? '');
        waiting = waiting.subarray(2 + length);
        if (query === undefined) {
          socket.destroy();
          return;
        }
        // A client that does not read its answers gets no more of them.
        if (!socket.write(dnsPacket.streamEncode(this.#answer(query)))) socket.pause();
      }
    });
    socket.on('drain', () => socket.resume());
  }

  #answer(query: dnsPacket.DecodedPacket): dnsPacket.Packet {
    const { zone, domain, random } = this.#options;
    return answerQuery(query, zone(), domain, random);
  }

  #decode(message: Buffer, from: string): dnsPacket.DecodedPacket | undefined {
    try {
      const packet = dnsPacket.decode(message);
      return packet.type === 'query' ? packet : undefined;
    } catch (error) {
      this.#options.onProblem(new Error(`a packet from ${from} is no DNS query`, { cause: error }));
      return undefined;
    }
  }
}
