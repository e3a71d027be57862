import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { UsageError } from '../errors.ts';
import { type Customisation, loadBundle, OWNER, OWNER_LABEL, parseEnvSetting } from './bundle.ts';

const MANIFESTS = join(import.meta.dirname, '../../manifests');
const plain: Customisation = { namespace: 'istio-system', env: [] };

const load = (custom: Partial<Customisation>) => loadBundle(MANIFESTS, { ...plain, ...custom });

test('every object that is installed carries the label by which uninstall knows it', () => {
  for (const object of load({})) {
    assert.equal(object.metadata.labels?.[OWNER_LABEL], OWNER, `${object.kind} ${object.metadata.name}`);
  }
});

test('the namespace comes first and the definitions of our kinds before what uses them', () => {
  const kinds = load({}).map((object) => object.kind);
  assert.equal(kinds[0], 'Namespace');
  assert.ok(kinds.lastIndexOf('CustomResourceDefinition') < kinds.indexOf('Deployment'));
});

test('another namespace is put in every place where the namespace is named', () => {
  const text = JSON.stringify(load({ namespace: 'mesh' }));
  assert.ok(!text.includes('istio-system'));
  assert.ok(text.includes('istiod.mesh.svc:15012'));
  assert.ok(text.includes('mesh/ztunnel'));
});

test('a namespace name that Kubernetes would refuse is refused before anything is applied', () => {
  assert.throws(() => load({ namespace: 'Mesh_1' }), UsageError);
});

test('an environment setting reaches its own component only and replaces what was there', () => {
  const objects = load({ env: [parseEnvSetting('ztunnel.RUST_LOG=debug')] });
  const values = objects.flatMap((object) => {
    const spec = object['spec'] as {
      template?: { spec?: { containers?: { env?: { name: string; value?: string }[] }[] } };
    };
    const env = spec?.template?.spec?.containers?.flatMap((container) => container.env ?? []) ?? [];
    return env.filter((entry) => entry.name === 'RUST_LOG').map((entry) => [object.metadata.name, entry.value]);
  });
  assert.deepEqual(values, [['ztunnel', 'debug']]);
});

test('images can be moved to another repository and tag', () => {
  const images = JSON.stringify(load({ imageRepository: 'registry.example/mesh', imageTag: 'v2' })).match(
    /"image":"[^"]+"/g,
  );
  assert.deepEqual(images, [
    '"image":"registry.example/mesh/controller:v2"',
    '"image":"registry.example/mesh/cni:v2"',
    '"image":"registry.example/mesh/ztunnel:v2"',
  ]);
});

test('waypoints are of the same build, unless their image is set by itself', () => {
  const moved = { imageRepository: 'registry.example/mesh', imageTag: 'v2' };
  const image = (custom: Partial<Customisation>) =>
    /"AMBIT_WAYPOINT_IMAGE","value":"([^"]+)"/.exec(JSON.stringify(load(custom)))?.[1];
  assert.equal(image({}), 'ambit/waypoint:0.1.0');
  assert.equal(image(moved), 'registry.example/mesh/waypoint:v2');
  const env = [parseEnvSetting('controller.AMBIT_WAYPOINT_IMAGE=mine:3')];
  assert.equal(image({ ...moved, env }), 'mine:3');
});

for (const wrong of ['RUST_LOG=debug', 'proxy.RUST_LOG=debug', 'ztunnel.1X=y', 'ztunnel.RUST_LOG']) {
  test(`--env ${wrong} is refused with the form it should have`, () => {
    assert.throws(() => parseEnvSetting(wrong), { name: 'UsageError', message: /COMPONENT\.NAME=VALUE/ });
  });
}
