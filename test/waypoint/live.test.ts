/** Requests that are under way when policies change. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage, request } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { eventually } from '../support/netns.ts';
import { SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';
/** Applications see another path than policies judge. */
const REWRITE = `
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: cart, namespace: shop }
spec:
  parentRefs: [{ group: "", kind: Service, name: cart, port: 80 }]
  rules:
    - matches: [{ path: { value: /live } }]
      filters: [{ type: URLRewrite, urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: /app } } },
                { type: RequestHeaderModifier, requestHeaderModifier: { remove: [x-kind] } }]
      backendRefs: [{ name: cart, port: 80 }]
    - matches: [{ path: { value: /other } }]
      backendRefs: [{ name: cart, port: 80 }]`;

/** Whoever comes there with that header. */
const DENY = `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-live, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  action: DENY
  rules: [{ to: [{ operation: { paths: ["/live/*"] } }], when: [{ key: "request.headers[x-kind]", values: [live] }] }]`;

const LIVE = { 'x-kind': 'live' };

/** Servers that begin an answer and never end it, echo what was upgraded, and answer nothing under `/app/wait`. */
async function shop(t: Parameters<typeof WaypointWorld.start>[0]) {
  const world = await WaypointWorld.start(t, {
    yaml:
      SHOP +
      REWRITE +
      REWRITE.replaceAll('name: cart, namespace', 'name: cart-h2, namespace').replaceAll('port: 80', 'port: 82'),
    env: { AMBIT_WAYPOINT_RECEIPT_HEADER: 'true' },
  });
  const arrived: string[] = [];
  const gone: string[] = [];
  for (const n of [1, 2]) {
    const server = await world.http(n, 8080, (req, res) => {
      arrived.push(`${req.url}`);
      res.on('close', () => gone.push(`${req.url}`));
      if (req.url !== '/app/wait') res.write('begun');
    });
    server.on('upgrade', (req, socket: Socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
      socket.on('error', () => {});
      socket.on('close', () => gone.push(`${req.url}`));
      socket.pipe(socket);
    });
    const two = await world.http2(n, 8082, (req, res) => {
      req.stream.on('close', () => gone.push(`${req.url}`));
      res.writeHead(200, { 'content-type': req.headers['content-type'] ?? 'text/plain' });
      res.write('begun');
    });
    two.on('error', () => {});
  }
  return { world, arrived, gone };
}

/** What an answer that never ends is like when it ends. */
async function begun(url: string): Promise<IncomingMessage> {
  const asked = get(url, { headers: LIVE });
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  asked.on('error', () => {}); // the connection's end
  response.on('error', () => {});
  await once(response, 'data');
  return response;
}

async function upgraded(port: number, path: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => {});
  socket.write(
    `GET ${path} HTTP/1.1\r\nhost: cart\r\nx-kind: live\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`,
  );
  const [head] = await once(socket, 'data');
  assert.match(String(head), /^HTTP\/1.1 101 /);
  socket.write('echo');
  assert.equal(String((await once(socket, 'data'))[0]), 'echo');
  return socket;
}

async function stream(session: ClientHttp2Session, path: string, type: string): Promise<ClientHttp2Stream> {
  const one = session.request({ ':path': path, ':method': 'POST', 'content-type': type, ...LIVE });
  one.on('error', () => {});
  await once(one, 'data');
  return one;
}

test('requests under way are cut when policies deny what they were when they came, each as its protocol wants it', async (t) => {
  const { world, arrived, gone } = await shop(t);
  const port = await world.through('web/client', `${CART}:80`);
  const base = `http://127.0.0.1:${port}`;
  const session = connectHttp2(`http://127.0.0.1:${await world.through('web/client', `${CART}:82`)}`);
  session.on('error', () => {});
  t.after(() => session.destroy());

  const download = await begun(`${base}/live/events`);
  const spared = await begun(`${base}/other`);
  const socket = await upgraded(port, '/live/ws');
  const sparedSocket = await upgraded(port, '/other/ws');
  const asked = request(`${base}/live/wait`, { headers: LIVE });
  asked.end();
  const waiting = once(asked, 'response') as Promise<[IncomingMessage]>;
  const rpc = await stream(session, '/live/rpc', 'application/grpc');
  const trailers = once(rpc, 'trailers');
  const two = await stream(session, '/live/two', 'text/plain');
  const sessionToOne = connectHttp2(base);
  sessionToOne.on('error', () => {});
  t.after(() => sessionToOne.destroy());
  await once(sessionToOne, 'remoteSettings');
  const tunnelled = sessionToOne.request({
    ':path': '/live/ws2',
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ...LIVE,
  });
  tunnelled.on('error', () => {});
  assert.equal((await once(tunnelled, 'response'))[0][':status'], 200);
  await eventually('the last request has arrived', () => arrived.includes('/app/wait'));

  await world.apply(DENY);

  await eventually('the download is broken off', () => download.destroyed);
  assert.equal(download.complete, false);
  await eventually('the upgraded connection is closed', () => socket.destroyed);
  const [denied] = await waiting;
  assert.equal(denied.statusCode, 403);
  const receipt = denied.headers['ambit-receipt'];
  denied.resume();
  assert.equal((await trailers)[0]['grpc-status'], '7');
  await eventually('the HTTP/2 stream is reset', () => two.closed);
  assert.equal(two.rstCode, constants.NGHTTP2_INTERNAL_ERROR);
  await eventually('so is what was upgraded over HTTP/2', () => tunnelled.closed);
  assert.equal(tunnelled.rstCode, constants.NGHTTP2_CANCEL); // RFC 8441 section 5
  for (const path of ['events', 'ws', 'ws2', 'wait', 'rpc', 'two'])
    await eventually(`the endpoint of ${path} has heard`, () => gone.includes(`/app/${path}`));

  sparedSocket.write('still');
  assert.equal(String((await once(sparedSocket, 'data'))[0]), 'still');
  assert.deepEqual([spared.destroyed, gone.length], [false, 6]);
  sparedSocket.destroy();
  spared.destroy();

  await world.logged(
    /"path":"\/live\/events".*"response_flags":"LR","response_code_details":"policy_changed\{rbac_access_denied_matched_policy\[ns\[shop\]-policy\[no-live\]-rule\[0\]\]\}"/,
  );
  const kept = world.plane.receipts.get(String(receipt));
  assert.deepEqual(kept?.request, { method: 'GET', path: '/live/wait', host: `127.0.0.1:${port}` });
  assert.match(kept?.because ?? '', /shop\/no-live/);
  assert.match(world.metrics(), /istio_requests_total\{[^}]*response_flags="LR"/);
});
