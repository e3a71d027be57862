import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls';
import { request } from 'undici';
import { parseAllDocuments, stringify } from 'yaml';
import { TestCa } from '../support/certificates.ts';
import { WaypointWorld } from './world.ts';

/** What controllers would write into the status of the sample's objects. */
const STATUSES: Readonly<Record<string, object>> = {
  'Gateway egress': { addresses: [{ type: 'Hostname', value: 'egress.egress.svc.cluster.local' }] },
  'ServiceEntry api': { addresses: [{ host: 'api.example.com', value: '10.0.0.150' }] },
  'ServiceEntry github': { addresses: [{ host: '*.github.com', value: '10.0.0.151' }] },
};

/** The sample as it is written, as a cluster would have it. Ports below 1024 are as good as others here, for root and nobody else. */
function sample(): string {
  const text = readFileSync(join(import.meta.dirname, '../../samples/egress.yaml'), 'utf8');
  const objects = parseAllDocuments(text).map((document) => {
    const object = document.toJS();
    const status = STATUSES[`${object.kind} ${object.metadata.name}`];
    if (object.kind === 'Service') object.spec.clusterIP = '10.0.0.152';
    return stringify({ ...object, ...(status && { status }) }).replaceAll('targetPort: 443', 'targetPort: 8443');
  });
  return objects.join('---\n');
}

test('the sample for what leaves the mesh does what it says', async (t) => {
  const ca = await TestCa.create();
  const before = getCACertificates('default');
  setDefaultCACertificates([...before, ca.authority.rootPem]); // the web trusts it
  t.after(() => setDefaultCACertificates(before));
  const world = await WaypointWorld.start(t, {
    yaml: sample(),
    gateway: 'egress/egress',
    names: { 'api.example.com': '10.0.0.60', 'raw.github.com': '10.0.0.61', 'evil.github.com': '10.0.0.60' },
  });
  for (const [n, name] of [
    [60, 'api.example.com'],
    [61, 'raw.github.com'],
  ] as const) {
    const now = new Date();
    const { certPem, keyPem } = await ca.authority.issueServing({ dnsNames: [name], ttlSeconds: 3600, now });
    const server = createServer({ cert: certPem, key: keyPem }, (req, res) => {
      res.end(`${Reflect.get(req.socket as TLSSocket, 'servername')} ${req.headers.host}`);
    });
    await world.serve(n, 8443, server);
  }
  const ask = async (caller: string, authority: string, host: string, method: 'GET' | 'POST' = 'GET') => {
    const port = await world.through(caller, authority);
    const { statusCode, body } = await request(`http://127.0.0.1:${port}/`, { method, headers: { host } });
    return `${statusCode} ${await body.text()}`;
  };
  const both = 'api.example.com api.example.com';
  assert.equal(await ask('shop/web', '10.0.0.150:80', 'api.example.com'), `200 ${both}`);
  assert.match(await ask('shop/web', '10.0.0.150:80', 'api.example.com', 'POST'), /^403 /);
  assert.match(await ask('shop/cart', '10.0.0.150:80', 'api.example.com'), /^403 /);
  assert.equal(await ask('shop/cart', '10.0.0.151:80', 'raw.github.com'), '200 raw.github.com raw.github.com');
  assert.match(await ask('shop/cart', '10.0.0.151:80', 'evil.github.com'), /^503 .*not of evil\.github\.com/);
  assert.match(await ask('shop/cart', '10.0.0.151:80', 'example.org'), /^404 /);
  assert.equal(await ask('shop/web', '10.0.0.152:80', 'legacy-api.egress'), `200 ${both}`);
  assert.match(await ask('shop/cart', '10.0.0.152:80', 'legacy-api.egress'), /^403 /);
  const refused = [...world.conditions.values()].filter(
    ({ type, status }) => status === 'False' && (type === 'ambit.io/Accepted' || type === 'istio.io/WaypointBound'),
  );
  assert.deepEqual(refused, []);
});
