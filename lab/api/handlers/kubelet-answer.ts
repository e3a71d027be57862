/**
 * The kubelet's answer to an upgrade. A switch is passed on. A refusal of exec or attach is told inside the client's own
 * protocol: kubectl takes any refused handshake for an old server and tries SPDY, and its user would read only of that.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { textAt } from '../object.ts';
import type { Json } from '../pure/index.ts';

const HEAD_END = '\r\n\r\n';
/** An answer's head is small, and so is a Status. */
const MAX_ANSWER_BYTES = 64 * 1024;
const SWITCHED = /^HTTP\/1\.1 101 /;
const CHANNEL_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;
/** The channel on which these protocols report how a command ended. */
const STATUS_CHANNEL = 3;

export type KubeletAnswer =
  /** The kubelet switched protocols: `bytes` is its head and what already follows. */
  | { readonly kind: 'switched'; readonly bytes: Buffer }
  | { readonly kind: 'refused'; readonly bytes: Buffer; readonly message: string };

/** Reads the answer up to its head, or to the end when it is a refusal. Rejects when the connection breaks before. */
export function readAnswer(node: Socket): Promise<KubeletAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<KubeletAnswer>();
  let bytes = Buffer.alloc(0);
  const settle = (answer: KubeletAnswer) => {
    node.off('data', onData).off('end', onEnd).off('error', reject);
    node.pause();
    resolve(answer);
  };
  const onData = (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    const text = bytes.toString('latin1');
    if (SWITCHED.test(text) && text.includes(HEAD_END)) settle({ kind: 'switched', bytes });
    else if (isWhole(text) || bytes.length > MAX_ANSWER_BYTES) onEnd();
  };
  const onEnd = () => {
    if (bytes.length === 0) reject(new Error('the kubelet closed the connection without an answer'));
    else settle({ kind: 'refused', bytes, message: messageOf(bytes.toString('utf8')) });
  };
  node.on('data', onData).on('end', onEnd).on('error', reject);
  return promise;
}

function isWhole(text: string): boolean {
  const end = text.indexOf(HEAD_END);
  const length = /^content-length: *(\d+)/im.exec(text.slice(0, end))?.[1];
  return end >= 0 && length !== undefined && text.length >= end + HEAD_END.length + Number(length);
}

function messageOf(text: string): string {
  const body = text.slice(text.indexOf(HEAD_END) + HEAD_END.length).trim();
  try {
    return textAt(JSON.parse(body) as Json, 'message') || body;
  } catch {
    return body; // plain text is its own message
  }
}

/** Accepts the WebSocket and says in its terms why nothing will run; false when the client speaks none of those. */
export function tellRefusal(request: IncomingMessage, socket: Duplex, head: Buffer, message: string): boolean {
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const protocol = CHANNEL_PROTOCOLS.find((name) => offered.includes(name));
  if (protocol === undefined) return false;
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => protocol });
  sockets.handleUpgrade(request, socket, head, (client) => {
    const status = { metadata: {}, status: 'Failure', reason: 'InternalError', message };
    client.on('error', () => client.terminate());
    client.send(Buffer.concat([Buffer.of(STATUS_CHANNEL), Buffer.from(JSON.stringify(status))]));
    client.close(1000);
  });
  return true;
}
