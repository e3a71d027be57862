/** Peers that say what they like: bytes over mutual TLS, for the tests of servers and clients. */
import { once } from 'node:events';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { FLAG, FRAME, type FrameHeader, FrameReader, frame, settingsFrame } from '../../h2/index.ts';
import type { Stand } from '../contract-stand.ts';
import type { TlsMaterial } from '../types.ts';

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const ACK = frame(FRAME.SETTINGS, FLAG.ACK, 0);
/** What every client says first. */
export const GREETING: readonly Buffer[] = [PREFACE, settingsFrame([]), ACK];

/** What was answered, by code. */
export type Sight = { readonly goaway: number | undefined; readonly resetOf: (id: number) => number | undefined };

type Heard = Sight & { readonly isOver: boolean };

/** Says these bytes over mutual TLS, then asks with a PING, and reads until the connection ends or the answer comes. */
export async function say(stand: Stand, bytes: readonly Buffer[]): Promise<Heard> {
  const { key, chain } = stand.source;
  const tls = connectTls({
    port: stand.port,
    host: '127.0.0.1',
    key,
    cert: chain,
    ALPNProtocols: ['h2'],
    rejectUnauthorized: false, // whom we talk to is not what is tried here
    checkServerIdentity: () => undefined,
  });
  const heard = listenTo(tls, false, () => {});
  await once(tls, 'secureConnect');
  tls.write(Buffer.concat([...bytes, ASKING]));
  return heard;
}

/** A server that says these bytes to the first request of the client, SETTINGS before, and then asks as above. */
export async function answerWith(
  bytes: readonly Buffer[],
  material: TlsMaterial,
  request: (port: number) => Promise<unknown>,
): Promise<Heard> {
  const { promise, resolve } = Promise.withResolvers<Heard>();
  const server = createTlsServer({ key: material.key, cert: material.chain, ALPNProtocols: ['h2'] }, (tls) => {
    tls.write(settingsFrame([]));
    resolve(
      listenTo(tls, true, (f) => {
        if (f.type === FRAME.HEADERS) tls.write(Buffer.concat([ACK, ...bytes, ASKING]));
      }),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  request(typeof address === 'object' && address !== null ? address.port : 0).catch(() => {}); // it may well fail
  try {
    return await promise;
  } finally {
    server.close();
    await once(server, 'close');
  }
}

const LAST = Buffer.from('the last');
const ASKING = frame(FRAME.PING, 0, 0, LAST);

/** Reads frames, of a client after its preface, until the connection ends; ends it when our PING is answered. */
async function listenTo(tls: TLSSocket, isClient: boolean, each: (f: FrameHeader) => void): Promise<Heard> {
  tls.on('error', () => {}); // it may be reset
  const resets = new Map<number, number>();
  let goaway: number | undefined;
  let isAnswered = false;
  const reader = new FrameReader(
    {
      begin: () => {},
      data: () => {},
      finish: (f, payload) => {
        if (f.type === FRAME.GOAWAY) goaway = payload.readUInt32BE(4);
        if (f.type === FRAME.RST_STREAM) resets.set(f.streamId, payload.readUInt32BE(0));
        if (f.type === FRAME.PING && payload.equals(LAST)) {
          isAnswered = true;
          tls.destroy();
        }
        each(f);
      },
    },
    1 << 20,
  );
  let skip = isClient ? PREFACE.length : 0;
  tls.on('data', (piece: Buffer) => {
    const rest = piece.subarray(skip);
    skip -= piece.length - rest.length;
    reader.feed(rest);
  });
  await once(tls, 'close');
  return { goaway, resetOf: (id) => resets.get(id), isOver: !isAnswered };
}
