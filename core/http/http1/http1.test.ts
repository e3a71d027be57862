/** Our server with Node's client, our client with Node's server, and both together: over real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as nodeRequest } from 'node:http';
import { test } from 'node:test';
import { Client } from 'undici';
import { bodyOf, readBody } from '../body.ts';
import { HeaderFields } from '../header-fields.ts';
import { DEFAULT_LIMITS, type Handler } from '../message.ts';
import { connectHttp1 } from './client.ts';
import { serveHttp1 } from './server.ts';
import { dial, echo, get, listen, listening } from './stand.ts';

const options = (handler: Handler) => ({ handler, limits: DEFAULT_LIMITS, onRefused: () => {} });

async function textOf(message: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of message.setEncoding('latin1')) text += piece;
  return text;
}

test("Node's client is answered by our server, many times on one connection", async (t) => {
  const port = await listen(t, (leg) => void serveHttp1(leg, options(echo)));
  const client = new Client(`http://127.0.0.1:${port}`);
  t.after(() => client.destroy());
  for (let i = 0; i < 20; i += 1) {
    const answer = await client.request({ method: 'POST', path: `/a?n=${i}`, body: 'x'.repeat(i * 5_000) });
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.headers['x-target'], `/a?n=${i}`);
    assert.equal((await answer.body.text()).length, i * 5_000);
  }
});

test('a chunked request of Node comes whole, with its trailers', async (t) => {
  const seen: (HeaderFields | undefined)[] = [];
  const handler: Handler = (request) => {
    const { promise, resolve } = Promise.withResolvers<{
      status: number;
      headers: HeaderFields;
      body: ReturnType<typeof bodyOf>;
    }>();
    let bytes = 0;
    request.body.deliver({
      data: (view) => {
        bytes += view.length;
      },
      end: (trailers) => {
        seen.push(trailers);
        resolve({ status: 200, headers: new HeaderFields(), body: bodyOf(String(bytes)) });
      },
      failed: () => {},
    });
    return promise;
  };
  const port = await listen(t, (leg) => void serveHttp1(leg, options(handler)));
  const request = nodeRequest({ port, method: 'PUT', agent: false, headers: { trailer: 'x-sum' } });
  request.write('a'.repeat(100_000));
  request.write('b'.repeat(7));
  request.addTrailers({ 'x-sum': '7', authorization: 'x' });
  request.end();
  const [message] = (await once(request, 'response')) as [IncomingMessage];
  assert.equal(await textOf(message), '100007');
  assert.deepEqual(seen[0]?.list, ['x-sum', '7']);
});

test("our client is answered by Node's server, many times on one connection", async (t) => {
  let connections = 0;
  const server = createServer((request, response) => {
    void textOf(request).then((text) => {
      response.setHeader('x-target', request.url ?? '');
      response.end(text + request.method);
    });
  });
  server.on('connection', () => {
    connections += 1;
  });
  const port = await listening(t, server);
  const client = connectHttp1(await dial(port), { limits: DEFAULT_LIMITS, onChange: () => {} });
  for (let i = 0; i < 20; i += 1) {
    const call = client.send(get(`/b?n=${i}`, { method: 'POST', body: bodyOf('y'.repeat(i * 5_000)) }));
    const response = await call.response;
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-target'), `/b?n=${i}`);
    assert.equal((await readBody(response.body, 1 << 20)).length, i * 5_000 + 4);
    assert.equal(client.capacity, 1);
  }
  assert.equal(connections, 1);
  client.drain();
  await client.closed;
});

test('a proxy of our server and our client passes 32 MB in both directions byte by byte', async (t) => {
  const upstream = createServer((request, response) => void request.pipe(response));
  const upstreamPort = await listening(t, upstream);
  const port = await listen(t, (leg) => {
    serveHttp1(
      leg,
      options(async (request) => {
        const client = connectHttp1(await dial(upstreamPort), { limits: DEFAULT_LIMITS, onChange: () => {} });
        return await client.send(request).response;
      }),
    );
  });
  const client = new Client(`http://127.0.0.1:${port}`);
  t.after(() => client.destroy());
  const sent = Buffer.alloc(32 << 20);
  for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at);
  const answer = await client.request({ method: 'POST', path: '/', body: sent });
  const got = Buffer.from(await answer.body.arrayBuffer());
  assert.ok(got.equals(sent));
});
