/** Streams multiplexed over a WebSocket: the channel protocols of Kubernetes, v1 to v5 (spec section 13). */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { Writable } from 'node:stream';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { HttpProblem } from './http-problem.ts';

const PROTOCOLS = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
];
export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4 } as const;
/** `ff N`: channel N ends (v5). */
const CLOSE_CHANNEL = 0xff;
/** More than this waiting for a slow reader makes the writer wait. */
const MAX_BUFFERED_BYTES = 1 << 20;
const RECHECK_MS = 5;

export type ChannelEvents = {
  readonly data: (channel: number, bytes: Buffer) => void;
  /** The peer ends a channel. */
  readonly end: (channel: number) => void;
  readonly close: () => void;
};

export class Channels {
  readonly #socket: WebSocket;
  /** From v4 on the status at the end is an object; before, it is text for people. */
  readonly hasStatusObject: boolean;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.hasStatusObject = /^v[45]\./.test(socket.protocol);
  }

  /** Completes the handshake. @throws HttpProblem when no protocol is common. */
  static async accept(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    events: ChannelEvents,
  ): Promise<Channels> {
    const offered = String(request.headers['sec-websocket-protocol'] ?? '')
      .split(',')
      .map((p) => p.trim());
    const chosen = PROTOCOLS.find((protocol) => offered.includes(protocol));
    if (chosen === undefined)
      throw new HttpProblem(400, `none of these protocols is spoken here: ${offered.join(', ')}`);
    const server = new WebSocketServer({ noServer: true, handleProtocols: () => chosen });
    const { promise, resolve } = Promise.withResolvers<WebSocket>();
    server.handleUpgrade(request, socket, head, resolve);
    const webSocket = await promise;
    webSocket.on('message', (data: RawData) => {
      const bytes = Buffer.isBuffer(data) ? data : Buffer.concat(Array.isArray(data) ? data : [Buffer.from(data)]);
      const [first, second] = bytes;
      if (first === undefined) return;
      if (first === CLOSE_CHANNEL && second !== undefined) events.end(second);
      else if (bytes.length > 1) events.data(first, bytes.subarray(1)); // empty ones are harmless greetings
    });
    webSocket.on('close', events.close);
    webSocket.on('error', () => webSocket.terminate()); // a malformed frame ends this stream, nothing else
    return new Channels(webSocket);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  send(channel: number, bytes: Uint8Array): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(Buffer.concat([Buffer.of(channel), bytes]));
  }

  /** A stream into a channel, as fast as the peer reads. */
  writable(channel: number): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.send(channel, chunk);
        const wait = () => {
          const full =
            this.#socket.bufferedAmount > MAX_BUFFERED_BYTES && this.#socket.readyState === this.#socket.OPEN;
          if (full) setTimeout(wait, RECHECK_MS);
          else done();
        };
        wait();
      },
    });
  }

  close(): void {
    this.#socket.close(1000);
  }
}
