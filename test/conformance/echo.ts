/** An application that tells what it was asked, by HTTP and by gRPC, and what is asked of it. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { text } from 'node:stream/consumers';

export type Asked = {
  readonly service?: string;
  readonly port?: number;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Namespace of the caller. */
  readonly from?: string;
};

export type Seen = {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
};

export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Which version answered; '' when none did. */
  readonly backend: string;
  /** What it was asked. */
  readonly seen: Seen;
};

export type GrpcAnswer = {
  /** Of gRPC. */
  readonly status: string;
  readonly backend: string;
  /** The headers of the call as they arrived. */
  readonly seen: IncomingHttpHeaders;
};

const NOTHING: Seen = { method: '', path: '', host: '', headers: {}, body: '' };

export async function readSeen(req: IncomingMessage): Promise<Seen> {
  const body = await text(req);
  const { host = '', ...headers } = req.headers;
  return { method: req.method ?? '', path: req.url ?? '', host, headers: headers as Seen['headers'], body };
}

export function tell(res: ServerResponse, backend: string, seen: Seen): void {
  res.setHeader('x-backend', backend);
  res.end(JSON.stringify(seen));
}

/** What `tell` told, or what answered in its place. */
export function answerOf(status: number, headers: IncomingHttpHeaders, body: string): Answer {
  const backend = String(headers['x-backend'] ?? '');
  return { status, headers, body, backend, seen: backend === '' ? NOTHING : JSON.parse(body) };
}

/** Any method of gRPC is answered with the headers of the call; the message is not in protobuf, which no proxy looks into. */
export function tellGrpc(req: Http2ServerRequest, res: Http2ServerResponse, backend: string): void {
  const headers = Object.fromEntries(Object.entries(req.headers).filter(([name]) => !name.startsWith(':')));
  req.resume();
  req.on('end', () => {
    res.setHeader('content-type', 'application/grpc');
    res.setHeader('x-backend', backend);
    res.addTrailers({ 'grpc-status': '0' });
    res.end(JSON.stringify(headers));
  });
}
