import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at } from '../object.ts';
import { apiVersionOf, isObject, type Json, type JsonObject } from '../pure/index.ts';
import { BUILT_IN_KINDS, isReview } from '../resources/kinds.ts';
import { addBuiltinSchema } from './builtin-schemas.ts';
import { KIND_DESCRIPTIONS } from './descriptions.ts';

function schemasOf(apiVersion: string): JsonObject {
  const schemas: JsonObject = {};
  for (const info of BUILT_IN_KINDS)
    if (apiVersionOf(info) === apiVersion && !isReview(info)) addBuiltinSchema(info, apiVersion, schemas);
  return schemas;
}

function* references(value: Json): Generator<string> {
  if (Array.isArray(value)) for (const item of value) yield* references(item);
  else if (isObject(value)) {
    if (typeof value['$ref'] === 'string') yield value['$ref'];
    for (const child of Object.values(value)) yield* references(child);
  }
}

test('every built-in kind has a description, and every reference leads somewhere', () => {
  for (const apiVersion of new Set(BUILT_IN_KINDS.map(apiVersionOf))) {
    const schemas = schemasOf(apiVersion);
    for (const reference of references(schemas)) {
      assert.ok(schemas[reference.replace('#/components/schemas/', '')], `${apiVersion}: ${reference}`);
    }
  }
  for (const info of BUILT_IN_KINDS) {
    if (isReview(info) || info.kind === 'CustomResourceDefinition') continue;
    assert.ok(KIND_DESCRIPTIONS[info.kind], info.kind);
  }
});

test('lists carry the keys by which patches merge them here', () => {
  const core = schemasOf('v1');
  const marks = (place: string) => {
    const [message = '', field = ''] = place.split('.');
    const property = at(core[`core.v1.${message}`], 'properties', field);
    return [at(property, 'x-kubernetes-patch-merge-key'), at(property, 'x-kubernetes-patch-strategy')];
  };
  const rows: readonly (readonly [string, string | undefined, string | undefined])[] = [
    ['PodSpec.containers', 'name', 'merge'],
    ['PodSpec.initContainers', 'name', 'merge'],
    ['PodSpec.ephemeralContainers', 'name', 'merge'],
    ['PodSpec.volumes', 'name', 'merge,retainKeys'],
    ['PodSpec.imagePullSecrets', 'name', 'merge'],
    ['PodSpec.hostAliases', 'ip', 'merge'],
    ['PodSpec.topologySpreadConstraints', 'topologyKey', 'merge'],
    ['PodSpec.tolerations', undefined, undefined],
    ['Container.env', 'name', 'merge'],
    ['Container.ports', 'containerPort', 'merge'],
    ['Container.volumeMounts', 'mountPath', 'merge'],
    ['Container.envFrom', undefined, undefined],
    ['Container.args', undefined, undefined],
    ['ServiceSpec.ports', 'port', 'merge'],
    ['PodStatus.conditions', 'type', 'merge'],
    ['NodeStatus.conditions', 'type', 'merge'],
    ['NodeSpec.podCIDRs', undefined, 'merge'],
    ['NodeSpec.taints', undefined, undefined],
    ['ObjectMeta.ownerReferences', 'uid', 'merge'],
    ['ObjectMeta.finalizers', undefined, 'merge'],
    ['ServiceAccount.secrets', 'name', 'merge'],
  ];
  for (const [place, key, strategy] of rows) assert.deepEqual(marks(place), [key, strategy], place);
  const strategy = at(schemasOf('apps/v1')['apps.v1.DeploymentSpec'], 'properties', 'strategy');
  assert.equal(at(strategy, 'x-kubernetes-patch-strategy'), 'retainKeys');
});
