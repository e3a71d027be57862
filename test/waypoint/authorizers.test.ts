import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary, fromJson, toBinary } from '@bufbuild/protobuf';
import { CheckRequestSchema, CheckResponseSchema } from '../../core/xds/gen/envoy/service/auth/v3/external_auth_pb.ts';
import type { ExternalAuthorizer } from '../../mesh/index.ts';
import { podYaml, SHOP, WaypointWorld } from './world.ts';

const ask = (name: string, path: string) => `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ask-${name}, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  action: CUSTOM
  provider: { name: ${name} }
  rules: [{ to: [{ operation: { paths: ["${path}"] } }] }]`;
const AUTHZ = `
---
apiVersion: v1
kind: Service
metadata: { name: authz, namespace: shop, labels: { istio.io/use-waypoint: none } }
spec:
  clusterIP: 10.0.0.101
  selector: { app: authz }
  ports: [{ name: http, port: 8000 }, { name: grpc, port: 9000 }]
---
${podYaml('shop', 'authz-1', 3, 'authz')}`;

const authorizer = (name: string, port: number, how: Partial<ExternalAuthorizer>): ExternalAuthorizer => ({
  name,
  service: 'shop/authz.shop.svc.cluster.local',
  port,
  timeoutMs: 5_000,
  failOpen: false,
  statusOnError: 503,
  ...how,
});

test('authorizers of the mesh are asked over HTTP and gRPC, by the waypoint in its own name', async (t) => {
  const http = { pathPrefix: '/check', requestHeaders: [], additionalHeaders: [] };
  const lists = {
    toUpstreamOnAllow: [{ kind: 'EXACT', value: 'x-user' }],
    toDownstreamOnDeny: [],
    toDownstreamOnAllow: [],
  } as const;
  const world = await WaypointWorld.start(t, {
    yaml: SHOP + AUTHZ + ask('web', '/web/*') + ask('rpc', '/rpc/*'),
    config: {
      authorizers: [authorizer('web', 8000, { http: { ...http, ...lists } }), authorizer('rpc', 9000, { grpc: {} })],
    },
  });
  for (const n of [1, 2]) await world.http(n, 8080, (req, res) => res.end(`${req.url} ${req.headers['x-user']}`));
  await world.http(3, 8000, (req, res) => {
    if (req.url === '/check/web/no') res.writeHead(401, { 'www-authenticate': 'Basic' }).end('who are you?');
    else res.setHeader('x-user', 'joe').end();
  });
  await world.http2(3, 9000, async (req, res) => {
    const pieces: Buffer[] = [];
    for await (const piece of req) pieces.push(piece as Buffer);
    const { attributes } = fromBinary(CheckRequestSchema, Buffer.concat(pieces).subarray(5));
    const isYes =
      attributes?.request?.http?.path === '/rpc/yes' && attributes.source?.principal.endsWith('/ns/web/sa/client');
    const message = isYes
      ? { status: { code: 0 }, okResponse: { headers: [{ header: { key: 'x-user', value: 'ann' } }] } }
      : { status: { code: 7 }, deniedResponse: { status: { code: 402 }, body: 'pay first' } };
    const bytes = toBinary(CheckResponseSchema, fromJson(CheckResponseSchema, message));
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(bytes.length, 1);
    res.setHeader('content-type', 'application/grpc');
    res.addTrailers({ 'grpc-status': '0' });
    res.end(Buffer.concat([frame, bytes]));
  });
  const port = await world.through('web/client', '10.0.0.100:80');
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { 'x-user': 'root' } });
    return `${response.status} ${await response.text()}`;
  };
  assert.equal(await get('/'), '200 / root');
  assert.equal(await get('/web/yes'), '200 /web/yes joe');
  assert.equal(await get('/web/no'), '401 who are you?');
  assert.equal(await get('/rpc/yes'), '200 /rpc/yes ann');
  assert.equal(await get('/rpc/no'), '402 pay first');
  const asked = world.arrivals.filter(({ pod }) => pod === 'shop/authz-1');
  assert.ok(asked.length > 0);
  for (const { headers } of asked) assert.match(headers.get('ambit-source') ?? '', /\/ns\/shop\/sa\/waypoint;/);
  world.remove('Pod', 'shop/authz-1');
  assert.equal(await get('/web/yes'), '503 ');
});
