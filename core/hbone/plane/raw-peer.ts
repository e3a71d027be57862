/** A peer that says what it likes: bytes over mutual TLS, for the tests of servers. */
import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import type { Stand } from '../contract-stand.ts';
import { FLAG, FRAME, type FrameHeader, FrameReader, frame, settingsFrame } from './frames.ts';

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const ACK = frame(FRAME.SETTINGS, FLAG.ACK, 0);
/** What every client says first. */
export const GREETING: readonly Buffer[] = [PREFACE, settingsFrame([]), ACK];

/** What the server answered, by code. */
export type Sight = { readonly goaway: number | undefined; readonly resetOf: (id: number) => number | undefined };

/** Says these bytes over mutual TLS, then asks with a PING, and reads until the connection ends or the answer comes. */
export async function say(stand: Stand, bytes: readonly Buffer[]): Promise<Sight & { readonly isOver: boolean }> {
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
  tls.on('error', () => {}); // it may be reset
  const last = Buffer.from('the last');
  const resets = new Map<number, number>();
  let goaway: number | undefined;
  let isAnswered = false;
  const reader = new FrameReader(
    {
      begin: () => {},
      data: () => {},
      finish: (f: FrameHeader, payload) => {
        if (f.type === FRAME.GOAWAY) goaway = payload.readUInt32BE(4);
        if (f.type === FRAME.RST_STREAM) resets.set(f.streamId, payload.readUInt32BE(0));
        if (f.type === FRAME.PING && payload.equals(last)) {
          isAnswered = true;
          tls.destroy();
        }
      },
    },
    1 << 20,
  );
  const closed = once(tls, 'close');
  tls.on('data', (piece: Buffer) => reader.feed(piece));
  await once(tls, 'secureConnect');
  tls.write(Buffer.concat([...bytes, frame(FRAME.PING, 0, 0, last)]));
  await closed;
  return { goaway, resetOf: (id) => resets.get(id), isOver: !isAnswered };
}
