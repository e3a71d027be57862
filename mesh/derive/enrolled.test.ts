import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enrolled } from './enrolled.ts';
import { pod } from './test-objects.ts';

const MODE = 'istio.io/dataplane-mode';
const label = (value: string | undefined) => (value === undefined ? {} : { [MODE]: value });

test('who is enrolled follows from the labels of pod and namespace', () => {
  const sidecar = { annotations: { 'sidecar.istio.io/status': '{}' } };
  const host = { spec: { hostNetwork: true } };
  const rows: readonly [string | undefined, string | undefined, object, boolean, RegExp][] = [
    ['ambient', undefined, {}, true, /its namespace is labelled/],
    [undefined, 'ambient', {}, true, /the pod is labelled/],
    ['ambient', 'ambient', {}, true, /the pod is labelled/],
    ['ambient', 'none', {}, false, /label istio.io\/dataplane-mode is none/],
    ['ambient', 'else', {}, true, /its namespace is labelled/],
    ['none', 'ambient', {}, true, /the pod is labelled/],
    ['else', undefined, {}, false, /neither/],
    [undefined, undefined, {}, false, /neither/],
    ['ambient', 'ambient', sidecar, false, /sidecar/],
    ['ambient', 'ambient', host, false, /host's network/],
    ['ambient', undefined, { phase: 'Succeeded', ready: false }, true, /namespace/],
    ['ambient', undefined, { annotations: { 'ambient.istio.io/redirection': 'disabled' } }, true, /namespace/],
    [undefined, undefined, { annotations: { 'ambient.istio.io/redirection': 'enabled' } }, false, /neither/],
  ];
  for (const [ofNamespace, ofPod, fields, want, because] of rows) {
    const got = enrolled(pod('app/a', { ...fields, labels: label(ofPod) }), label(ofNamespace));
    assert.equal(got.enrolled, want, `${ofNamespace} ${ofPod} ${JSON.stringify(fields)}`);
    assert.match(got.because, because);
  }
});

test('excluded namespaces are kube-system unless said otherwise', () => {
  const system = pod('kube-system/a', { labels: label('ambient') });
  assert.equal(enrolled(system, {}).enrolled, false);
  assert.equal(enrolled(system, {}, { excludedNamespaces: [] }).enrolled, true);
  assert.match(
    enrolled(pod('app/a', {}), label('ambient'), { excludedNamespaces: ['app'] }).because,
    /app is excluded/,
  );
});

test('selectors can be replaced, an empty half selects everything and an empty list nobody', () => {
  const rows: readonly [string, Parameters<typeof enrolled>[2], boolean][] = [
    ['nobody', { selectors: [] }, false],
    ['everybody', { selectors: [{}] }, true],
    [
      'In',
      { selectors: [{ podSelector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['1', '2'] }] } }] },
      true,
    ],
    [
      'NotIn',
      { selectors: [{ podSelector: { matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['1'] }] } }] },
      false,
    ],
    ['Exists', { selectors: [{ podSelector: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } }] }, true],
    [
      'DoesNotExist',
      { selectors: [{ podSelector: { matchExpressions: [{ key: 'a', operator: 'DoesNotExist' }] } }] },
      false,
    ],
    [
      'both halves',
      { selectors: [{ podSelector: { matchLabels: { a: '1' } }, namespaceSelector: { matchLabels: { b: '2' } } }] },
      false,
    ],
    [
      'any selector',
      { selectors: [{ podSelector: { matchLabels: { a: '9' } } }, { podSelector: { matchLabels: { a: '1' } } }] },
      true,
    ],
  ];
  for (const [name, options, want] of rows) {
    assert.equal(enrolled(pod('app/a', { labels: { a: '1' } }), {}, options).enrolled, want, name);
  }
});
