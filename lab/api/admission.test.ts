/** Validating webhooks on a real socket, asked by the real server on behalf of the real kubectl. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { CertificateAuthority } from '../../core/identity/index.ts';
import { at, mapAt, textAt } from './object.ts';
import type { Json, JsonObject } from './pure/index.ts';
import { configMap, TestLab } from './test-lab.ts';

type Decide = (request: JsonObject) => JsonObject | Promise<JsonObject>;

let lab: TestLab;
let server: Server;
let authority: CertificateAuthority;
let decide: Decide = () => ({ allowed: true });
const asked: JsonObject[] = [];

before(async () => {
  lab = await TestLab.start();
  const now = new Date();
  authority = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now });
  const dnsNames = ['hook.default.svc', 'localhost'];
  const { chainPem, keyPem } = await authority.issueServing({ dnsNames, ttlSeconds: 3600, now });
  server = createServer({ cert: chainPem[0], key: keyPem }, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const review = JSON.parse(Buffer.concat(chunks).toString()) as Json;
    asked.push(mapAt(review, 'request'));
    const uid = textAt(review, 'request', 'uid');
    const answer = await decide(mapAt(review, 'request'));
    response.end(JSON.stringify({ ...mapAt(review), response: { uid, ...answer } }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const service = { spec: { ports: [{ name: 'https', port: 443 }] } };
  await create('/api/v1/namespaces/default/services', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'hook' },
    ...service,
  });
  await create('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'hook-1', labels: { 'kubernetes.io/service-name': 'hook' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'] }],
    ports: [{ name: 'https', port: (server.address() as AddressInfo).port }],
  });
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await lab[Symbol.asyncDispose]();
});

async function create(path: string, body: unknown): Promise<void> {
  const answer = await lab.call('POST', path, { body });
  assert.equal(answer.status, 201, answer.text);
}

const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
const MAPS = '/api/v1/namespaces/default/configmaps';
const SERVICE = { service: { namespace: 'default', name: 'hook', path: '/check' } };

/** Registers one webhook for ConfigMaps for the time of `body`. */
async function withWebhook(more: Record<string, unknown>, answer: Decide, body: () => Promise<void>): Promise<void> {
  const { clientConfig = SERVICE, ...rest } = more;
  const caBundle = Buffer.from(authority.rootPem).toString('base64');
  decide = answer;
  asked.length = 0;
  await create(CONFIGURATIONS, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'test' },
    webhooks: [
      {
        name: 'maps.example.io',
        clientConfig: { caBundle, ...(clientConfig as object) },
        rules: [{ operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        timeoutSeconds: 5,
        ...rest,
      },
    ],
  });
  try {
    await body();
  } finally {
    await lab.call('DELETE', `${CONFIGURATIONS}/test`);
  }
}

test('kubectl apply is refused with the words of the webhook, and a warning is printed', async () => {
  const yaml = (data: string) => `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: ${data}}}`;
  const answer: Decide = (request) => {
    const value = at(request, 'object', 'data', 'x');
    if (value === 'bad') return { allowed: false, status: { message: 'data.x: must not be bad' } };
    return { allowed: true, warnings: [`data.x: ${String(value)} is unwise`] };
  };
  await withWebhook({}, answer, async () => {
    const refused = await lab.kubectl(['apply', '-f', '-'], yaml('bad'));
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /admission webhook "maps.example.io" denied the request: data.x: must not be bad/);
    assert.equal((await lab.call('GET', `${MAPS}/a`)).status, 404);
    const taken = await lab.kubectl(['apply', '-f', '-'], yaml('odd'));
    assert.equal(taken.code, 0, taken.stderr);
    assert.match(taken.stderr, /Warning: data.x: odd is unwise/);
    const changed = await lab.kubectl(['apply', '-f', '-'], yaml('bad'));
    assert.match(changed.stderr, /must not be bad/);
    assert.equal((await lab.call('GET', `${MAPS}/a`)).at('data', 'x'), 'odd');
    const update = asked.at(-1) ?? {};
    assert.deepEqual(
      [update['operation'], at(update, 'oldObject', 'data', 'x'), textAt(update, 'name'), textAt(update, 'namespace')],
      ['UPDATE', 'odd', 'a', 'default'],
    );
  });
});

test('every way of writing is asked about, dry runs and deletions as well', async () => {
  await withWebhook(
    {},
    () => ({ allowed: true }),
    async () => {
      const json = { 'Content-Type': 'application/merge-patch+json' };
      const apply = { 'Content-Type': 'application/apply-patch+yaml' };
      await lab.call('POST', `${MAPS}?dryRun=All`, { body: configMap('b') });
      await create(MAPS, configMap('b'));
      await lab.call('PUT', `${MAPS}/b`, { body: configMap('b', { y: '1' }) });
      await lab.call('PATCH', `${MAPS}/b`, { body: { data: { y: '2' } }, headers: json });
      await lab.call('PATCH', `${MAPS}/b?fieldManager=me&force=true`, {
        body: configMap('b', { z: '1' }),
        headers: apply,
      });
      await lab.call('DELETE', `${MAPS}/b`);
      await create(MAPS, { ...configMap(''), metadata: { generateName: 'c-', labels: { app: 'c' } } });
      await lab.call('DELETE', `${MAPS}?labelSelector=app%3Dc`);
      const brief = asked.map(
        (r) => `${textAt(r, 'operation')} ${textAt(r, 'name').slice(0, 2)}${r['dryRun'] === true ? ' dry' : ''}`,
      );
      assert.deepEqual(brief, [
        'CREATE b dry',
        'CREATE b',
        'UPDATE b',
        'UPDATE b',
        'UPDATE b',
        'DELETE b',
        'CREATE c-',
        'DELETE c-',
      ]);
      assert.equal(at(asked[5], 'object'), null);
      assert.equal(at(asked[5], 'oldObject', 'data', 'z'), '1');
      assert.deepEqual(asked[0]?.['options'], {
        kind: 'CreateOptions',
        apiVersion: 'meta.k8s.io/v1',
        dryRun: ['All'],
        fieldManager: 'unknown',
      });
      // The name that was made up is the name that was agreed to.
      assert.equal(textAt(asked[6], 'name'), textAt(asked[7], 'name'));
    },
  );
});

test('a webhook that can not be reached refuses, or is passed over, as its failure policy says', async () => {
  const body = (name: string) => ({ body: configMap(name) });
  const nobody = { clientConfig: { service: { namespace: 'default', name: 'nobody' } } };
  await withWebhook(
    nobody,
    () => ({ allowed: true }),
    async () => {
      const refused = await lab.call('POST', MAPS, body('d'));
      assert.equal(refused.status, 500, refused.text);
      assert.match(refused.text, /failed calling webhook .*maps.example.io.*service .*nobody.* not found/);
    },
  );
  await withWebhook(
    { ...nobody, failurePolicy: 'Ignore' },
    () => ({ allowed: true }),
    async () => {
      assert.equal((await lab.call('POST', MAPS, body('d'))).status, 201);
    },
  );
  await withWebhook(
    { timeoutSeconds: 1 },
    () => new Promise<never>(() => {}),
    async () => {
      assert.match((await lab.call('POST', MAPS, body('e'))).text, /no answer within 1 s/);
    },
  );
  await withWebhook(
    { sideEffects: 'NoneOnDryRun', admissionReviewVersions: ['v1beta1'] },
    () => ({ allowed: true }),
    async () => {
      assert.match((await lab.call('POST', MAPS, body('e'))).text, /does not take admission.k8s.io\/v1/);
    },
  );
});

test('only a certificate under caBundle and for the name of the service is trusted', async () => {
  const other = await CertificateAuthority.selfSigned({ trustDomain: 'other', now: new Date() });
  const untrusted = { ...SERVICE, caBundle: Buffer.from(other.rootPem).toString('base64') };
  await withWebhook(
    { clientConfig: untrusted },
    () => ({ allowed: true }),
    async () => {
      const { status, text } = await lab.call('POST', MAPS, { body: configMap('f') });
      assert.equal(status, 500);
      assert.match(text, /certificate|signature/);
    },
  );
  const { port } = server.address() as AddressInfo;
  await withWebhook(
    { clientConfig: { url: `https://127.0.0.1:${port}/x` } },
    () => ({ allowed: true }),
    async () => {
      assert.match(
        (await lab.call('POST', MAPS, { body: configMap('f') })).text,
        /does not match certificate's altnames/i,
      );
    },
  );
  await withWebhook(
    { clientConfig: { url: `https://localhost:${port}/x` } },
    () => ({ allowed: true }),
    async () => {
      assert.equal((await lab.call('POST', MAPS, { body: configMap('f') })).status, 201);
    },
  );
});

test('an object that changes while a webhook thinks is asked about again', async () => {
  await create(MAPS, configMap('g', { n: '0' }));
  const merge = { 'Content-Type': 'application/merge-patch+json' };
  let overtaken = false;
  const answer: Decide = async (request) => {
    if (textAt(request, 'userInfo', 'username') === '' || overtaken) return { allowed: true };
    overtaken = true;
    await lab.call('PATCH', `${MAPS}/g`, { body: { data: { other: '1' } }, headers: merge });
    return { allowed: true };
  };
  await withWebhook({}, answer, async () => {
    const patched = await lab.call('PATCH', `${MAPS}/g`, { body: { data: { n: '1' } }, headers: merge });
    assert.deepEqual(patched.at('data'), { n: '1', other: '1' });
    assert.equal(asked.length, 3);
    assert.deepEqual(at(asked[2], 'oldObject', 'data'), { n: '0', other: '1' });
  });
});

test('a configuration that could not be obeyed is refused with the field', async () => {
  const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
  const good = {
    name: 'a.b.c',
    clientConfig: SERVICE,
    rules: [rule],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  };
  const rows: readonly (readonly [string, object])[] = [
    ['webhooks[0].timeoutSeconds', { timeoutSeconds: 31 }],
    ['webhooks[0].sideEffects', { sideEffects: 'Some' }],
    ['webhooks[0].failurePolicy', { failurePolicy: 'Perhaps' }],
    ['webhooks[0].rules[0].operations', { rules: [{ ...rule, operations: ['MAKE'] }] }],
    ['webhooks[0].rules[0].resources', { rules: [{ ...rule, resources: [] }] }],
    ['webhooks[0].clientConfig', { clientConfig: {} }],
    ['webhooks[0].clientConfig.url', { clientConfig: { url: 'http://a/' } }],
    ['webhooks[0].clientConfig.caBundle', { clientConfig: { ...SERVICE, caBundle: 'eA==' } }],
    ['webhooks[0].matchConditions[0].expression', { matchConditions: [{ name: 'a', expression: 'object.(' }] }],
    ['webhooks[0].matchConditions[0].expression', { matchConditions: [{ name: 'a', expression: 'authorizer.x()' }] }],
  ];
  for (const [field, more] of rows) {
    const answer = await lab.call('POST', CONFIGURATIONS, {
      body: {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingWebhookConfiguration',
        metadata: { name: 'x' },
        webhooks: [{ ...good, ...more }],
      },
    });
    assert.equal(answer.status, 422, `${field}: ${answer.text}`);
    assert.ok(answer.text.includes(field), answer.text);
  }
});
