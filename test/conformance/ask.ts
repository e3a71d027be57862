/** One request, on a connection of its own, as clients of Node make it. */
import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:http2';
import { text } from 'node:stream/consumers';
import { type Answer, type Asked, answerOf, type GrpcAnswer } from './echo.ts';

export type Target = { readonly host: string; readonly port: number };

/** Redirects are not followed. */
export async function ask(to: Target, path: string, o: Asked = {}): Promise<Answer> {
  const req = request({
    ...to,
    path,
    method: o.method ?? 'GET',
    headers: { host: o.service ?? 'echo', connection: 'close', ...o.headers },
  });
  req.end(o.body);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  return answerOf(res.statusCode ?? 0, res.headers, await text(res));
}

/** A unary call of gRPC. */
export async function askGrpc(
  to: Target,
  method: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<GrpcAnswer> {
  const session = connect(`http://${to.host}:${to.port}`);
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': method,
      ':authority': 'echo:7070',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    stream.end(Buffer.from([0, 0, 0, 0, 0]));
    let trailers: IncomingHttpHeaders = {};
    stream.on('trailers', (fields) => {
      trailers = fields;
    });
    const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders];
    const body = await text(stream);
    return {
      status: String(trailers['grpc-status'] ?? head['grpc-status'] ?? ''),
      backend: String(head['x-backend'] ?? ''),
      seen: body === '' ? {} : (JSON.parse(body) as IncomingHttpHeaders),
    };
  } finally {
    session.destroy();
  }
}
