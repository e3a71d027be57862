import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:http2';
import { test } from 'node:test';
import { eventually } from '../support/netns.ts';
import { parseMetrics, total } from '../ztunnel/support/metrics.ts';
import { SHOP, WaypointWorld } from './world.ts';

const ONE_AT_A_TIME = `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: cart, namespace: shop }
spec:
  host: cart.shop.svc.cluster.local
  trafficPolicy: { connectionPool: { http: { http2MaxRequests: 1 } } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: cart, namespace: shop }
spec:
  parentRefs: [{ group: "", kind: Service, name: cart }]
  rules: [{ matches: [{ path: { type: PathPrefix, value: /known } }], backendRefs: [{ name: cart, port: PORT }] }]
`;

const ASKS = {
  'HTTP/1.1': (port: number, path: string) =>
    new Promise<number>((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, path, headers: { host: 'cart' } }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      asked.on('error', reject).end();
    }),
  'HTTP/2': (port: number, path: string) =>
    new Promise<number>((resolve, reject) => {
      const session = connect(`http://127.0.0.1:${port}`);
      session.on('error', reject);
      const stream = session.request({ ':path': path });
      stream.on('response', (headers) => {
        stream.resume();
        stream.on('close', () => session.close(() => resolve(Number(headers[':status']))));
      });
      stream.end();
    }),
} as const;

for (const [version, ask] of Object.entries(ASKS)) {
  test(`answers without content are counted, and occupy no endpoint afterwards (${version})`, async (t) => {
    const servicePort = version === 'HTTP/2' ? 82 : 80;
    const world = await WaypointWorld.start(t, { yaml: SHOP + ONE_AT_A_TIME.replace('PORT', `${servicePort}`) });
    for (const n of [1, 2]) {
      if (version === 'HTTP/2')
        await world.http2(n, 8082, (_, res) => res.writeHead(200, { 'content-length': '0' }).end());
      else await world.http(n, 8080, (_, res) => res.writeHead(200, { 'content-length': '0' }).end());
    }
    const port = await world.through('web/client', `10.0.0.100:${servicePort}`);
    for (let i = 0; i < 4; i++) assert.equal(await ask(port, '/known'), 200);
    assert.equal(await ask(port, '/unknown'), 404);
    const counted = (code: string) =>
      total(parseMetrics(world.metrics()), 'istio_requests_total', { response_code: code });
    await eventually('all of them are counted', () => counted('200') === 4 && counted('404') === 1);
  });
}
