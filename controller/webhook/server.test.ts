import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { CertificateAuthority } from '../../core/identity/index.ts';
import { createLogger, Registry } from '../../core/telemetry/index.ts';
import { DEFAULT_MESH_CONFIG, nothingKnown } from '../../mesh/index.ts';
import { certificateOf, Serving } from '../authority/serving.ts';
import { controllerMetrics } from '../observe/metrics.ts';
import { serveWebhook } from './server.ts';

const NAME = 'istiod.istio-system.svc';
const DAY_MS = 86_400_000;

async function started() {
  const now = new Date();
  const authority = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now });
  const serving = await Serving.create(() => authority, [NAME], now);
  const registry = new Registry();
  const server = await serveWebhook({
    port: 0,
    host: '127.0.0.1',
    certificate: certificateOf(serving.certificate),
    around: nothingKnown(DEFAULT_MESH_CONFIG),
    metrics: controllerMetrics(registry, 'x', Date.now).webhook,
    log: createLogger({ format: 'plain', level: 'info', root: 'controller', write: () => {} }),
  });
  return { authority, serving, server, metrics: () => registry.render().body };
}
type Started = Awaited<ReturnType<typeof started>>;

async function ask(
  { server, authority }: Started,
  o: { readonly method?: string; readonly path?: string; readonly body?: string | Buffer; readonly tls?: object },
): Promise<{ readonly status: number; readonly text: string }> {
  const { method = 'POST', path = '/validate?timeout=10s', body = '', tls = {} } = o;
  const place = { host: '127.0.0.1', port: server.port, servername: NAME, ca: authority.rootPem };
  const request = httpsRequest({ ...place, method, path, agent: false, ...tls });
  request.end(body);
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode ?? 0, text };
}

const review = (spec: unknown): string =>
  JSON.stringify({
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: 'u1',
      operation: 'CREATE',
      resource: { group: 'security.istio.io', version: 'v1', resource: 'peerauthentications' },
      object: {
        apiVersion: 'security.istio.io/v1',
        kind: 'PeerAuthentication',
        metadata: { name: 'p', namespace: 'n' },
        spec,
      },
    },
  });

test('an API server is answered over TLS 1.2 and 1.3, with a certificate for the Service, and what came out is counted', async () => {
  const it = await started();
  await using _ = it.server;
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const tls = { minVersion: version, maxVersion: version };
    const good = await ask(it, { body: review({ mtls: { mode: 'STRICT' } }), tls });
    assert.match(good.text, /"uid":"u1","allowed":true/);
    const bad = await ask(it, { body: review({ mtls: { mode: 'strict' } }), tls });
    assert.equal(bad.status, 200);
    assert.match(bad.text, /"allowed":false.*PeerAuthentication n\/p is invalid: spec.mtls.mode/);
  }
  const labels = '{group="security.istio.io",resource="peerauthentications"}';
  assert.ok(
    it.metrics().includes(`galley_validation_passed_total${labels} 2`) ||
      it.metrics().includes(`galley_validation_passed${labels} 2`),
    it.metrics(),
  );
  await assert.rejects(ask(it, { body: review({}), tls: { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' } }));
  await assert.rejects(ask(it, { body: review({}), tls: { servername: 'other.istio-system.svc' } }), /altnames/);
});

test('what is no review is refused with the reason, and the port goes on', async () => {
  const it = await started();
  await using _ = it.server;
  const rows: readonly (readonly [number, Parameters<typeof ask>[1]])[] = [
    [404, { path: '/inject', body: review({}) }],
    [405, { method: 'GET' }],
    [400, { body: '{' }],
    [400, { body: '{}' }],
    [400, { body: 'null' }],
    [413, { body: Buffer.alloc((8 << 20) + 1, ' ') }],
  ];
  for (const [status, request] of rows)
    assert.equal((await ask(it, request)).status, status, JSON.stringify(request).slice(0, 80));
  const silent = tlsConnect({ host: '127.0.0.1', port: it.server.port, servername: NAME, ca: it.authority.rootPem });
  await once(silent, 'secureConnect');
  silent.write('POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf');
  assert.equal((await ask(it, { body: review({}) })).status, 200); // one that stops in the middle holds up nobody
  silent.destroy();
  assert.match(it.metrics(), /galley_validation_http_error.*status="413"/);
});

test('a renewed certificate is shown to the next connection, without a restart', async () => {
  const it = await started();
  await using _ = it.server;
  it.serving.follow((certificate) => it.server.exchange(certificateOf(certificate)));
  const serial = async (): Promise<string> => {
    const socket = tlsConnect({ host: '127.0.0.1', port: it.server.port, servername: NAME, ca: it.authority.rootPem });
    await once(socket, 'secureConnect');
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const before = await serial();
  assert.equal(await it.serving.renewIfDue(new Date(Date.now() + 44 * DAY_MS)), 'fresh');
  assert.equal(await serial(), before);
  await it.serving.renew(new Date());
  assert.notEqual(await serial(), before);
});
