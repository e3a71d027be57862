/** An HTTP/2 request over mutual TLS, of any shape: what our own client would refuse to send. */
import { connect, type OutgoingHttpHeaders } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { TlsMaterial } from '../../../core/hbone/index.ts';
import { dialTcp } from '../../../core/net/index.ts';
import type { TestHost } from '../../support/netns.ts';
import { withDeadline } from './apps.ts';

type Peers = { readonly from: TestHost; readonly to: TestHost; readonly source: TlsMaterial };

async function handshake({ from, to, source }: Peers): Promise<TLSSocket> {
  const tcp = await dialTcp({ netns: from.netns, to: { ip: to.ip4, port: 15008 } });
  const { key, chain: cert, roots: ca } = source;
  // what the server is called is a workload identity, not a host name
  return connectTls({ socket: tcp, key, cert, ca, ALPNProtocols: ['h2'], checkServerIdentity: () => undefined });
}

/** The serial number of the certificate that the tunnel port presents, as hexadecimal in lower case. */
export async function servedSerial(peers: Peers): Promise<string> {
  const tls = await handshake(peers);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  tls.on('error', reject);
  tls.on('secureConnect', () => resolve(tls.getPeerCertificate().serialNumber.toLowerCase()));
  return withDeadline(promise, 'a handshake').finally(() => tls.destroy());
}

/** The status of the answer; rejects when there is none. */
export async function requestStatus(o: Peers & { readonly headers: OutgoingHttpHeaders }): Promise<number | undefined> {
  const tls = await handshake(o);
  const session = connect('https://peer', { createConnection: () => tls });
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  session.on('error', reject);
  tls.on('error', reject);
  session.on('close', () => reject(new Error('the session was closed without an answer')));
  const stream = session.request(o.headers, { endStream: true });
  stream.on('error', reject);
  stream.on('response', (headers) => resolve(headers[':status']));
  try {
    return await withDeadline(promise, 'an answer');
  } finally {
    session.destroy();
    tls.destroy();
  }
}
