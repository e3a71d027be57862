import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareVersions } from '../resources/registry.ts';
import { parseAccept } from './accept.ts';
import { duplicateFields } from './duplicate-fields.ts';
import { parseTarget } from './request-info.ts';

const none = new URLSearchParams();

test('a path says what is asked of which object', () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['GET', '/api/v1/namespaces/n/pods/p', 'get  v1 pods n p '],
    ['GET', '/api/v1/namespaces/n/pods/p/log', 'get  v1 pods n p log'],
    ['GET', '/api/v1/pods', 'list  v1 pods   '],
    ['POST', '/apis/apps/v1/namespaces/n/deployments', 'create apps v1 deployments n  '],
    ['GET', '/api/v1/namespaces/n', 'get  v1 namespaces n n '],
    ['PUT', '/api/v1/namespaces/n/finalize', 'update  v1 namespaces n n finalize'],
    ['PATCH', '/api/v1/namespaces/n/status', 'patch  v1 namespaces n n status'],
    ['GET', '/api/v1/namespaces/n/secrets', 'list  v1 secrets n  '],
    ['DELETE', '/api/v1/namespaces/n/secrets', 'deletecollection  v1 secrets n  '],
    ['GET', '/api/v1/nodes/x', 'get  v1 nodes  x '],
  ];
  for (const [method, path, expected] of rows) {
    const t = parseTarget(method, path, none);
    assert.ok(t.kind === 'resource', path);
    assert.equal([t.verb, t.group, t.version, t.plural, t.namespace, t.name, t.subresource].join(' '), expected, path);
  }
  for (const path of ['/', '/api', '/apis/apps', '/apis/apps/v1', '/version', '/api/v1/namespaces/n/pods/p/log/more']) {
    assert.equal(parseTarget('GET', path, none).kind, 'path', path);
  }
  const watch = parseTarget('GET', '/api/v1/pods', new URLSearchParams('watch=1'));
  assert.equal(watch.verb, 'watch');
});

test('the first form of JSON that is asked for wins, and nothing but protobuf is no form', () => {
  const form = (header: string | undefined) => parseAccept(header)?.form;
  assert.equal(form(undefined), 'object');
  assert.equal(form('application/vnd.kubernetes.protobuf,application/json'), 'object');
  assert.equal(form('application/json;as=Table;v=v1;g=meta.k8s.io,application/json'), 'table');
  assert.equal(
    form(
      'application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
    ),
    'metadata',
  );
  assert.equal(form('application/json;as=Unheard;v=v1,application/json'), 'object');
  assert.equal(form('application/vnd.kubernetes.protobuf'), undefined);
});

test('a key given twice is found wherever it is', () => {
  assert.deepEqual(duplicateFields('{"a":1,"b":{"c":[{"x":1},{"y":"{\\"y\\":1}","y":2}]},"a":2}'), ['b.c[1].y', 'a']);
  assert.deepEqual(duplicateFields('{"a":"a","b":["a","a"],"c":{"a":1}}'), []);
});

test('versions are ordered as discovery wants them', () => {
  const order = ['v1alpha1', 'foo', 'v1', 'v1beta2', 'v2', 'v1beta1', 'v10'].sort(compareVersions);
  assert.deepEqual(order, ['v10', 'v2', 'v1', 'v1beta2', 'v1beta1', 'v1alpha1', 'foo']);
});
