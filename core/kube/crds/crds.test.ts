import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AUTHORIZATION_POLICY_CRD,
  authorizationPolicySpec,
  BACKEND_TLS_POLICY_CRD,
  GATEWAY_CLASS_CRD,
  GATEWAY_CRD,
  GRPC_ROUTE_CRD,
  HTTP_ROUTE_CRD,
  PEER_AUTHENTICATION_CRD,
  peerAuthenticationSpec,
  REFERENCE_GRANT_CRD,
  REQUEST_AUTHENTICATION_CRD,
  SERVICE_ENTRY_CRD,
  TCP_ROUTE_CRD,
  TLS_ROUTE_CRD,
  WORKLOAD_ENTRY_CRD,
} from './index.ts';

type Schema = { readonly [word: string]: unknown };

const versionsOf = (crd: Schema): readonly Schema[] => (crd['spec'] as { versions: Schema[] }).versions;
const schemaOf = (crd: Schema): Schema => {
  const [first] = versionsOf(crd);
  assert.ok(first);
  return (first['schema'] as { openAPIV3Schema: Schema }).openAPIV3Schema;
};
const at = (schema: Schema, ...path: string[]): Schema =>
  path.reduce<Schema>((s, name) => (name === '[]' ? s['items'] : (s['properties'] as Schema)[name]) as Schema, schema);

for (const [crd, ...older] of [
  [AUTHORIZATION_POLICY_CRD, 'v1beta1'],
  [PEER_AUTHENTICATION_CRD, 'v1beta1'],
  [REQUEST_AUTHENTICATION_CRD, 'v1beta1'],
  [GATEWAY_CLASS_CRD, 'v1beta1'],
  [GATEWAY_CRD, 'v1beta1'],
  [HTTP_ROUTE_CRD, 'v1beta1'],
  [GRPC_ROUTE_CRD],
  [TCP_ROUTE_CRD],
  [TLS_ROUTE_CRD],
  [SERVICE_ENTRY_CRD, 'v1beta1', 'v1alpha3'],
  [WORKLOAD_ENTRY_CRD, 'v1beta1', 'v1alpha3'],
] as const) {
  test(`${crd.metadata.name} serves ${['v1 (stored)', ...older].join(', ')} with one schema and a status of its own`, () => {
    const versions = versionsOf(crd);
    assert.deepEqual(
      versions.map((v) => [v['name'], v['served'], v['storage'], v['subresources']]),
      [['v1', true, true, { status: {} }], ...older.map((name) => [name, true, false, { status: {} }])],
    );
    for (const version of versions) assert.deepEqual(version['schema'], versions[0]?.['schema']);
  });
}

for (const crd of [
  AUTHORIZATION_POLICY_CRD,
  PEER_AUTHENTICATION_CRD,
  REQUEST_AUTHENTICATION_CRD,
  SERVICE_ENTRY_CRD,
  WORKLOAD_ENTRY_CRD,
  GATEWAY_CLASS_CRD,
  GATEWAY_CRD,
  HTTP_ROUTE_CRD,
  GRPC_ROUTE_CRD,
  TCP_ROUTE_CRD,
  TLS_ROUTE_CRD,
  REFERENCE_GRANT_CRD,
  BACKEND_TLS_POLICY_CRD,
]) {
  test(`${crd.metadata.name} has a structural schema`, () => {
    const problems: string[] = [];
    const WORDS =
      /^(type|format|description|default|properties|items|additionalProperties|required|enum|pattern|(min|max)(Items|Length|Properties)?(imum)?|anyOf|x-kubernetes-(validations|int-or-string|preserve-unknown-fields|list-type|list-map-keys|map-type))$/;
    const walk = (schema: Schema, path: string): void => {
      const anyType = schema['x-kubernetes-int-or-string'] === true;
      if (!anyType && typeof schema['type'] !== 'string') problems.push(`${path}: no type`);
      if (!anyType && 'anyOf' in schema) problems.push(`${path}: anyOf`);
      for (const word of Object.keys(schema)) if (!WORDS.test(word)) problems.push(`${path}: ${word}`);
      for (const [name, inner] of Object.entries((schema['properties'] ?? {}) as Schema))
        walk(inner as Schema, `${path}.${name}`);
      for (const word of ['items', 'additionalProperties']) {
        if (word in schema) walk(schema[word] as Schema, `${path}.${word}`);
      }
    };
    walk(schemaOf(crd), '');
    assert.deepEqual(problems, []);
  });

  test(`kubectl explain describes every field of ${crd.metadata.name}`, () => {
    const silent: string[] = [];
    const walk = (schema: Schema, path: string): void => {
      for (const [name, inner] of Object.entries((schema['properties'] ?? {}) as { [name: string]: Schema })) {
        if (typeof inner['description'] !== 'string') silent.push(`${path}.${name}`);
        walk(inner, `${path}.${name}`);
      }
      for (const word of ['items', 'additionalProperties']) {
        if (word in schema) walk(schema[word] as Schema, path);
      }
    };
    walk(schemaOf(crd), '');
    assert.deepEqual(silent, []);
  });
}

test('limits, enums and rules reach the API server', () => {
  const policy = schemaOf(AUTHORIZATION_POLICY_CRD);
  assert.deepEqual(at(policy, 'spec', 'action')['enum'], ['ALLOW', 'DENY', 'AUDIT', 'CUSTOM']);
  assert.equal(at(policy, 'spec', 'rules')['maxItems'], 512);
  assert.equal(at(policy, 'spec', 'targetRefs')['maxItems'], 16);
  assert.deepEqual(at(policy, 'spec', 'rules', '[]', 'when', '[]')['required'], ['key']);
  assert.equal(at(policy, 'spec', 'rules', '[]', 'from', '[]', 'source', 'serviceAccounts')['maxItems'], 16);
  assert.equal(at(policy, 'spec', 'selector', 'matchLabels')['maxProperties'], 4096);
  const rules = (schema: Schema): unknown[] => (schema['x-kubernetes-validations'] ?? []) as unknown[];
  assert.equal(rules(at(policy, 'spec')).length, 1);
  assert.equal(rules(at(policy, 'spec', 'selector', 'matchLabels')).length, 2);
  assert.equal(rules(at(policy, 'spec', 'rules', '[]', 'from', '[]', 'source')).length, 1);
  const peer = schemaOf(PEER_AUTHENTICATION_CRD);
  assert.equal(at(peer, 'spec', 'portLevelMtls')['minProperties'], 1);
  assert.equal(rules(at(peer, 'spec')).length, 1);
  assert.equal(at(policy, 'status')['x-kubernetes-preserve-unknown-fields'], true);
  assert.equal('required' in schemaOf(AUTHORIZATION_POLICY_CRD), false);
});

test('the same schemas check objects here', () => {
  assert.ok(authorizationPolicySpec.safeParse({ rules: [{}] }).success);
  assert.ok(authorizationPolicySpec.safeParse({}).success);
  assert.ok(!authorizationPolicySpec.safeParse({ action: 'allow' }).success);
  assert.ok(!authorizationPolicySpec.safeParse({ rules: [{ when: [{ values: ['x'] }] }] }).success);
  assert.ok(peerAuthenticationSpec.safeParse({ mtls: { mode: 'STRICT' } }).success);
  assert.ok(!peerAuthenticationSpec.safeParse({ mtls: { mode: 'MAYBE' } }).success);
});
