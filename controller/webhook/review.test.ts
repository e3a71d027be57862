import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_MESH_CONFIG, nothingKnown } from '../../mesh/index.ts';
import { ALWAYS_REJECT, answerReview } from './review.ts';

const GOOD = { action: 'DENY', rules: [{ from: [{ source: { namespaces: ['a'] } }] }] };
const BAD = { action: 'DENY' };
const HTTP_ONLY = { action: 'DENY', rules: [{ to: [{ operation: { paths: ['/admin'] } }] }] };

const policy = (spec: unknown, metadata: object = {}) => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'no-admin', namespace: 'shop', ...metadata },
  spec,
});
const review = (request: object, more: object = {}) => ({
  kind: 'AdmissionReview',
  apiVersion: 'admission.k8s.io/v1',
  request: {
    uid: 'u1',
    operation: 'CREATE',
    resource: { group: 'security.istio.io', version: 'v1', resource: 'authorizationpolicies' },
    ...request,
  },
  ...more,
});

const service = (waypoint: string, port: number) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop', labels: { 'istio.io/use-waypoint': waypoint } },
  spec: { ports: [{ port }] },
});

type Response = { uid: string; allowed: boolean; warnings?: string[]; status?: { code: number; message: string } };

/** `allowed`, the refusal, or `no review`; then each warning. */
function told(body: unknown): string {
  const outcome = answerReview(body, nothingKnown(DEFAULT_MESH_CONFIG));
  if (outcome === undefined) return 'no review';
  const { uid, allowed, warnings = [], status } = (outcome.answer as { response: Response }).response;
  assert.equal(uid, 'u1');
  assert.equal(outcome.kind, allowed ? 'allowed' : 'refused');
  return [allowed ? 'allowed' : `${status?.code} ${status?.message}`, ...warnings].join('\n! ');
}

test('what the API server is answered', async (t) => {
  const was = (oldObject: unknown, object: unknown) => review({ operation: 'UPDATE', oldObject, object });
  const rows: readonly (readonly [string, unknown, RegExp])[] = [
    ['a good policy', review({ object: policy(GOOD) }), /^allowed$/],
    [
      'a bad one, by object, field and reason',
      review({ object: policy(BAD) }),
      /^422 AuthorizationPolicy shop\/no-admin is invalid: spec\.rules: a DENY policy without rules/,
    ],
    [
      'an unwise one, by name',
      review({ object: policy(HTTP_ONLY) }),
      /^allowed\n! AuthorizationPolicy shop\/no-admin: spec\.rules\[0\]: denies every connection to the pods of namespace shop: ztunnel can not see HTTP \(paths\)/,
    ],
    [
      'a name that is still to be made up',
      review({ object: policy(BAD, { name: undefined, generateName: 'x-' }) }),
      /^422 AuthorizationPolicy shop\/x- is invalid/,
    ],
    [
      'a namespace that only the request names',
      review({ namespace: 'istio-system', object: policy({}, { namespace: undefined }) }),
      /^allowed\n! AuthorizationPolicy istio-system\/no-admin: spec: allows nothing: every connection to the pods of the whole mesh/,
    ],
    [
      'many mistakes',
      review({ object: policy({ rules: Array(20).fill({ a: 1 }) }) }),
      /spec\.rules\[9\]\.a: unknown field; and 10 more$/,
    ],
    [
      'the proof',
      review({ object: policy(GOOD, { annotations: { [ALWAYS_REJECT]: 'true' } }) }),
      /^422 .*internal.istio.io\/webhook-always-reject/,
    ],
    ['a change for the worse', was(policy(GOOD), policy(BAD)), /^422/],
    [
      'a change elsewhere of what was bad before',
      was(policy(BAD), policy(BAD, { finalizers: ['x'] })),
      /^allowed\n! AuthorizationPolicy shop\/no-admin: spec\.rules: a DENY policy/,
    ],
    [
      'the same with its keys in another order',
      was(policy({ action: 'DENY', rules: [] }), policy({ rules: [], action: 'DENY' })),
      /^allowed\n!/,
    ],
    ['a label of others on what was bad before', was(policy(BAD), policy(BAD, { labels: { a: 'b' } })), /^allowed\n!/],
    [
      'a label of the mesh on what was bad before',
      was(policy(BAD), policy(BAD, { labels: { 'istio.io/rev': 'b' } })),
      /^422/,
    ],
    [
      'a Service with an old slip in a label',
      was(service('A_b', 80), service('A_b', 81)),
      /^allowed\n! Service shop\/web: metadata.labels/,
    ],
    [
      'a Service with a new one',
      was(service('ab', 80), service('A_b', 80)),
      /^422 Service shop\/web is invalid: metadata.labels/,
    ],
    [
      'an object on its way out',
      was(policy(GOOD), policy(BAD, { deletionTimestamp: '2026-01-01T00:00:00Z' })),
      /^allowed$/,
    ],
    ['a deletion', review({ operation: 'DELETE', object: null, oldObject: policy(BAD) }), /^allowed$/],
    ['no object', review({ object: null }), /^422 the review has no object/],
    [
      'a kind that is not ours',
      review({ object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } } }),
      /^allowed$/,
    ],
    [
      'an older version of reviews',
      review({ object: policy(GOOD) }, { apiVersion: 'admission.k8s.io/v1beta1' }),
      /^no review$/,
    ],
    ['no uid', review({ uid: '', object: policy(GOOD) }), /^no review$/],
    ['nothing', null, /^no review$/],
    ['a list', [], /^no review$/],
  ];
  for (const [name, body, want] of rows) await t.test(name, () => assert.match(told(body), want));
});
