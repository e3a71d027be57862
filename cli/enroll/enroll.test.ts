import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { KubeObject } from '../../mesh/index.ts';
import { ambit, memoryCluster, type PodAnswers } from '../test-support.ts';
import { parseDump } from '../ztunnel-config/dump.ts';
import { plaintextIn } from './evidence.ts';

const MODE = 'istio.io/dataplane-mode';
const REDIRECTION = 'ambient.istio.io/redirection';
const namespace = (labels: Readonly<Record<string, string>> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'shop', labels },
});
const pod = (
  path: string,
  labels: Readonly<Record<string, string>> = {},
  spec: object = {},
  captured = false,
): KubeObject => {
  const [ns = '', name = ''] = path.split('/');
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: ns, name, labels, ...(captured && { annotations: { [REDIRECTION]: 'enabled' } }) },
    spec: { nodeName: 'node-1', containers: [], ...spec },
    status: { phase: 'Running', podIP: '10.1.0.1', conditions: [{ type: 'Ready', status: 'True' }] },
  };
};
const MESH = [
  pod('istio-system/agent', { 'k8s-app': 'istio-cni-node' }),
  pod('istio-system/ztunnel', { app: 'ztunnel' }),
  pod('istio-system/istiod', { app: 'istiod' }),
];
const answers: PodAnswers = (request) => (request.endsWith('/flows') ? '{"dropped":0,"flows":[]}' : '{}');

/** As the agents do: whoever should be in the mesh is captured, whoever should not is let go. */
function capture(objects: Map<string, KubeObject>): void {
  const labels = objects.get('Namespace /shop')?.metadata.labels ?? {};
  for (const [key, object] of objects) {
    if (object.kind !== 'Pod' || object.metadata.namespace !== 'shop') continue;
    const isIn = labels[MODE] === 'ambient' && (object['spec'] as { hostNetwork?: boolean }).hostNetwork !== true;
    const { annotations: _, ...metadata } = object.metadata;
    objects.set(key, {
      ...object,
      metadata: isIn ? { ...metadata, annotations: { [REDIRECTION]: 'enabled' } } : metadata,
    });
  }
}
const meshWith = (...objects: readonly KubeObject[]) =>
  memoryCluster([...objects, ...MESH], { podHttp: answers, changed: capture });
const ON_HOST = pod('shop/agent', {}, { hostNetwork: true });
const POLICY: KubeObject = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { namespace: 'shop', name: 'p' },
  spec: {},
};
const modeOf = (cluster: ReturnType<typeof meshWith>) =>
  cluster.objects.get('Namespace /shop')?.metadata.labels?.[MODE];

test('a check changes nothing and says what it could not see', async () => {
  const cluster = meshWith(namespace(), pod('shop/cart'));
  const { code, out } = await ambit(['enroll', 'shop', '--check'], cluster);
  assert.equal(code, 0, out);
  assert.match(out, /info AMB0608 NotVisible: Namespace shop\n/);
  assert.match(out, /Nothing that is known would break with shop in the mesh\.$/);
  assert.equal(modeOf(cluster), undefined);
});

test('enrolling labels the namespace and waits until its pods are captured', async () => {
  const cluster = meshWith(namespace(), pod('shop/cart'), pod('shop/web'));
  const { code, out, said } = await ambit(['enroll', 'shop'], cluster);
  assert.equal(code, 0, out);
  assert.equal(modeOf(cluster), 'ambient');
  assert.match(said, /namespace shop is labelled istio\.io\/dataplane-mode=ambient/);
  assert.match(out, /Namespace shop is in the mesh: 2 pods are in it, 0 stay outside\.$/);
});

test('enrolling again is harmless', async () => {
  const cluster = meshWith(namespace({ [MODE]: 'ambient' }), pod('shop/cart', {}, {}, true));
  const { code, out } = await ambit(['enroll', 'shop'], cluster);
  assert.equal(code, 0, out);
  assert.equal(out, 'Namespace shop is in the mesh: 1 pod is in it, 0 stay outside.');
});

test('what may break wants a yes before anything is changed', async () => {
  const cluster = meshWith(namespace(), pod('shop/cart'), ON_HOST);
  const refused = await ambit(['enroll', 'shop'], cluster);
  assert.equal(refused.code, 1);
  assert.match(
    refused.out,
    /warning AMB0301 HostNetworkLabelled: Pod shop\/agent\n.*Nothing was changed\. To go on all the same: --yes$/s,
  );
  assert.equal(modeOf(cluster), undefined);
  const confirmed = await ambit(['enroll', 'shop', '--yes'], cluster);
  assert.equal(confirmed.code, 0);
  assert.match(confirmed.out, /1 pod is in it, 1 stays outside\.$/);
});

test('a dry run says what it would do', async () => {
  const cluster = meshWith(namespace(), pod('shop/cart'));
  const { code, out } = await ambit(['enroll', 'shop', '--strict', '--dry-run'], cluster);
  assert.equal(code, 0);
  assert.match(
    out,
    /Would label namespace shop .*=ambient, and PeerAuthentication STRICT in namespace shop\. Nothing was changed\.$/,
  );
  assert.equal(modeOf(cluster), undefined);
});

test('STRICT follows once the pods are in the mesh', async () => {
  const applied: KubeObject[] = [];
  const cluster = meshWith(namespace(), pod('shop/cart'));
  const spied = {
    ...cluster,
    apply: async (object: KubeObject) => {
      applied.push(object);
      return object;
    },
  };
  const { code, out } = await ambit(['enroll', 'shop', '--strict'], spied);
  assert.equal(code, 0, out);
  assert.deepEqual(
    applied.map(({ kind, metadata, spec }) => ({ kind, metadata, spec })),
    [
      {
        kind: 'PeerAuthentication',
        metadata: { namespace: 'shop', name: 'default' },
        spec: { mtls: { mode: 'STRICT' } },
      },
    ],
  );
  assert.match(out, /Namespace shop is in the mesh and STRICT/);
});

test('a node without the mesh is an error of the check', async () => {
  const cluster = memoryCluster([namespace(), pod('shop/cart')], { podHttp: answers });
  const { code, out } = await ambit(['enroll', 'shop', '--check', '-o', 'json'], cluster);
  assert.equal(code, 1);
  const { findings, changed } = JSON.parse(out) as { changed: boolean; findings: { code: string }[] };
  assert.equal(changed, false);
  assert.deepEqual(
    findings.map((one) => one.code),
    ['AMB0601', 'AMB0601', 'AMB0601', 'AMB0608'],
  );
});

test('a pod that was captured a moment ago is waited for, though its address is not told yet', async () => {
  const fresh = { ...pod('shop/new', {}, {}, true), status: { phase: 'Pending' } };
  const cluster = memoryCluster([namespace({ [MODE]: 'ambient' }), fresh, ...MESH], { podHttp: answers });
  const { code, said } = await ambit(['unenroll', 'shop', '--timeout', '1ms'], cluster);
  assert.equal(code, 1);
  assert.match(said, /0 of 1 pods are done; new is not \(leaving/);
});

test('pods that do not come in before the deadline are named with their node', async () => {
  const cluster = memoryCluster([namespace(), pod('shop/cart'), ...MESH], { podHttp: answers });
  const { code, said } = await ambit(['enroll', 'shop', '--timeout', '1ms'], cluster);
  assert.equal(code, 1);
  assert.match(said, /namespace shop: gave up after 0 s: 0 of 1 pods are done; cart is not \(missing, node node-1\)/);
});

test('a folder is checked without a cluster', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-enroll-'));
  try {
    writeFileSync(
      join(folder, 'shop.yaml'),
      JSON.stringify(pod('shop/cart', {}, { containers: [{ ports: [{ containerPort: 15_008 }] }] })),
    );
    const { code, out } = await ambit(['enroll', 'shop', '--check', '-f', folder]);
    assert.equal(code, 1);
    assert.match(out, /error AMB0602 PortTaken: Pod shop\/cart \(.*shop\.yaml\)/);
    assert.match(
      (await ambit(['enroll', 'office', '--check', '-f', folder])).said,
      /nothing there is in namespace office/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('unenrolling lets the pods go, and wants a yes where policies would no longer be enforced', async () => {
  const cluster = meshWith(namespace({ [MODE]: 'ambient' }), pod('shop/cart', {}, {}, true), POLICY);
  const refused = await ambit(['unenroll', 'shop'], cluster);
  assert.equal(refused.code, 1);
  assert.match(refused.out, /AMB0101 .*: AuthorizationPolicy shop\/p\n.*--yes$/s);
  const { code, out } = await ambit(['enroll', 'shop', '--undo', '--yes'], cluster);
  assert.equal(code, 0);
  assert.match(out, /Namespace shop is out of the mesh\.$/);
  assert.equal(modeOf(cluster), undefined);
  assert.equal(cluster.objects.get('Pod shop/cart')?.metadata.annotations, undefined);
});

const REFUSALS: readonly [string, readonly string[], number, RegExp][] = [
  ['a namespace that does not exist', ['enroll', 'shpo'], 1, /namespace shpo does not exist/],
  ['no namespace', ['enroll'], 2, /missing required argument/],
  ['files without --check', ['enroll', 'shop', '-f', '.'], 2, /-f goes with --check/],
  ['undo with --check', ['enroll', 'shop', '--undo', '--check'], 2, /--undo goes with neither/],
];
for (const [name, args, want, message] of REFUSALS) {
  test(`refused: ${name}`, async () => {
    const { code, said } = await ambit(args, meshWith(namespace()));
    assert.equal(code, want);
    assert.match(said, message);
  });
}

test('open plaintext connections are read out of a dump', () => {
  const connections = {
    inbound: [
      { src: '10.3.0.1:40000', originalDst: null, actualDst: '10.1.0.1:8080', protocol: 'TCP' },
      { src: '[fd00::3]:40000', originalDst: null, actualDst: '[fd00::1]:8080', protocol: 'TCP' },
      { src: '10.2.0.1:40000', originalDst: null, actualDst: '10.1.0.1:8080', protocol: 'HBONE' },
    ],
    outbound: [{ src: '10.1.0.1:1', originalDst: '10.0.0.1:2', actualDst: '10.0.0.1:2', protocol: 'TCP' }],
  };
  const info = { name: 'cart', namespace: 'shop', serviceAccount: 'cart' };
  const dump = parseDump(JSON.stringify({ workloadState: { u: { state: 'Up', info, connections } } }), 'x');
  assert.deepEqual(plaintextIn(dump), [
    { pod: 'shop/cart', source: '10.3.0.1', port: 8080 },
    { pod: 'shop/cart', source: 'fd00::3', port: 8080 },
  ]);
});
