/** A caller that speaks HBONE itself, with whatever certificate and authority: what a careful or malicious peer may send. */
import {
  createHboneClient,
  HboneError,
  type Leg,
  type OpenOptions,
  type TlsMaterial,
} from '../../../core/hbone/index.ts';
import { connectTcp } from '../../../core/net/index.ts';
import { mustParseIp, parseSpiffeId } from '../../../mesh/index.ts';
import type { TestHost } from '../../support/netns.ts';
import { identityOf } from './resources.ts';

const PROXY_MARK = 1337; // a captured pod's own dials would be redirected

export type HboneCall = {
  readonly from: TestHost;
  readonly to: TestHost;
  readonly source: TlsMaterial;
  readonly authority: string;
  /** The identity of the server; default: the account of the host's name. */
  readonly account?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** Opens a stream that stays open, and resolves with a promise of how it is cut; rejects as the client does. */
export async function holdOpen(o: HboneCall, stack: AsyncDisposableStack): Promise<{ readonly cut: Promise<string> }> {
  const client = stack.use(createHboneClient({ implementation: 'http2' }));
  const { leg } = await client.open(openOptions(o));
  const { promise, resolve } = Promise.withResolvers<string>();
  leg.deliver({ data: () => {}, writable: () => {}, end: () => resolve('end'), reset: resolve });
  return { cut: promise };
}

function openOptions(o: HboneCall): OpenOptions {
  return {
    dial: { ip: mustParseIp(o.to.ip4), port: 15008 },
    source: o.source,
    expected: [parseSpiffeId(identityOf(o.account ?? o.to.name))],
    authority: o.authority,
    headers: o.headers ?? {},
    connect: () => connectTcp({ netns: o.from.netns, to: { ip: o.to.ip4, port: 15008 }, mark: PROXY_MARK }),
    poolKey: 'the only one',
    signal: AbortSignal.timeout(8_000),
  };
}

/** The status of CONNECT, or the code of the error that came before it; with 200 also what the application says. */
export async function connect(o: HboneCall): Promise<number | string> {
  return (await connectAndRead(o)).status;
}

export type Outcome = {
  readonly status: number | string;
  readonly headers: ReadonlyMap<string, string>;
  readonly said: string;
};

export async function connectAndRead(o: HboneCall): Promise<Outcome> {
  await using client = createHboneClient({ implementation: 'http2' });
  try {
    const { leg, responseHeaders } = await client.open(openOptions(o));
    return { status: 200, headers: responseHeaders, said: await converse(leg) };
  } catch (error) {
    if (error instanceof HboneError)
      return { status: error.status ?? error.code, headers: error.headers ?? new Map(), said: '' };
    throw error;
  }
}

/** Says hello, ends, and gives the whole answer. */
function converse(leg: Leg): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  leg.deliver({
    data: (view) => void chunks.push(Buffer.from(view)),
    writable: () => {},
    end: () => resolve(Buffer.concat(chunks).toString()),
    reset: (code) => reject(new Error(`the tunnel was reset: ${code}`)),
  });
  leg.write(Buffer.from('hello'));
  leg.end();
  return promise;
}
