/** Requests through our server and client, with Node's own HTTP/2 at the far ends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { describe, it } from 'node:test';
import { bodyOf, HeaderFields, readBody } from '../index.ts';
import { answer, connectTo, HOST, inMemory, passingOn, requestOf, TestServer } from './stand.ts';

type Reply = {
  readonly headers: Record<string, unknown>;
  readonly body: string;
  readonly trailers: Record<string, unknown>;
  readonly informed: number[];
};

async function ask(
  session: ClientHttp2Session,
  headers: Record<string, string>,
  body?: string | Buffer,
  trailers?: Record<string, string>,
): Promise<Reply> {
  const stream = session.request(headers, { endStream: body === undefined, waitForTrailers: trailers !== undefined });
  if (trailers) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  if (body !== undefined) stream.end(body);
  const reply: Reply = { headers: {}, body: '', trailers: {}, informed: [] };
  stream.on('headers', (more) => void reply.informed.push(Number(more[':status'])));
  stream.on('trailers', (fields) => void Object.assign(reply.trailers, fields));
  const pieces: Buffer[] = [];
  stream.on('data', (piece: Buffer) => void pieces.push(piece));
  const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
  if (!stream.readableEnded) await once(stream, 'end');
  return { ...reply, headers: { ...head }, body: Buffer.concat(pieces).toString() };
}

async function listening(server: Http2Server): Promise<number> {
  server.listen(0, HOST);
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A node:http2 client, our server, our client, a node:http2 server. */
async function withProxy(
  onStream: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void,
  use: (session: ClientHttp2Session) => Promise<void>,
): Promise<void> {
  const origin = createServer();
  origin.on('stream', onStream);
  const port = await listening(origin);
  const upstream = await connectTo(port);
  try {
    await using proxy = new TestServer(passingOn(() => upstream));
    const session = connect(`http://${HOST}:${proxy.port}`);
    try {
      await use(session);
    } finally {
      session.destroy();
    }
  } finally {
    upstream.cut();
    await upstream.closed;
    origin.close();
  }
}

describe('through a proxy of our server and client, between a client and a server of Node', () => {
  it('a GET is answered, with its headers and its query', () =>
    withProxy(
      (stream, headers) => {
        stream.respond({ ':status': 203, 'x-path': String(headers[':path']), 'x-got': String(headers['x-own']) });
        stream.end('hello');
      },
      async (session) => {
        const reply = await ask(session, { ':path': '/a?b=c', 'x-own': 'v' });
        assert.equal(reply.headers[':status'], 203);
        assert.deepEqual([reply.headers['x-path'], reply.headers['x-got'], reply.body], ['/a?b=c', 'v', 'hello']);
      },
    ));

  it('a POST with trailers comes back with trailers', () =>
    withProxy(
      (stream) => {
        let received = '';
        stream.on('data', (piece) => {
          received += String(piece);
        });
        let trailers: Record<string, unknown> = {};
        stream.on('trailers', (fields) => {
          trailers = fields;
        });
        stream.on('end', () => {
          stream.respond({ ':status': 200 }, { waitForTrailers: true });
          stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': String(trailers['x-check']) }));
          stream.end(received.toUpperCase());
        });
      },
      async (session) => {
        const reply = await ask(session, { ':method': 'POST', ':path': '/' }, 'hello', { 'x-check': '42' });
        assert.equal(reply.body, 'HELLO');
        assert.equal(reply.trailers['x-sum'], '42');
      },
    ));

  it('a large body goes both ways whole', () =>
    withProxy(
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.pipe(stream);
      },
      async (session) => {
        const body = Buffer.alloc(3_000_000, 'abcdefg');
        const reply = await ask(session, { ':method': 'POST', ':path': '/', 'content-length': '3000000' }, body);
        assert.equal(reply.body.length, body.length);
        assert.ok(body.equals(Buffer.from(reply.body)));
      },
    ));

  it('interim responses, and an answer without content, pass', () =>
    withProxy(
      (stream) => {
        stream.additionalHeaders({ ':status': 103, link: '</a>' });
        stream.respond({ ':status': 204 }, { endStream: true });
      },
      async (session) => {
        const reply = await ask(session, { ':path': '/' });
        assert.deepEqual([reply.headers[':status'], reply.informed], [204, [103]]);
      },
    ));

  it('many requests at once each get their own answer', () =>
    withProxy(
      (stream, headers) => {
        stream.respond({ ':status': 200 });
        stream.end(String(headers[':path']));
      },
      async (session) => {
        const replies = await Promise.all(Array.from({ length: 90 }, (_, i) => ask(session, { ':path': `/${i}` })));
        assert.deepEqual(
          replies.map((reply) => reply.body),
          replies.map((_, i) => `/${i}`),
        );
      },
    ));
});

describe('over memory', () => {
  it('a request is answered, with a body both ways', async () => {
    const { client } = inMemory(async (request) => {
      const body = await readBody(request.body, 100);
      return answer(200, { 'x-length': String(request.body.length) }, bodyOf(`${request.method} ${body}`));
    });
    await using _ = client;
    const call = client.send(
      requestOf({ method: 'PUT', body: bodyOf('hello'), headers: new HeaderFields(['a', 'b']) }),
    );
    const response = await call.response;
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-length'), '5');
    assert.equal(response.headers.get('content-length'), '9');
    assert.equal((await readBody(response.body, 100)).toString(), 'PUT hello');
    assert.equal(client.active, 0);
  });
});
