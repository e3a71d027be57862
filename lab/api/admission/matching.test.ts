import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiObject } from '../object.ts';
import type { Json, ResourceInfo } from '../pure/index.ts';
import type { Attempt } from './attempt.ts';
import { matchWebhook } from './matching.ts';
import { readReview } from './review.ts';
import { webhooksOf } from './webhook.ts';

const WIDGETS: ResourceInfo = {
  group: 'example.io',
  version: 'v1',
  kind: 'Widget',
  plural: 'widgets',
  singular: 'widget',
  shortNames: [],
  namespaced: true,
  categories: [],
  subresources: ['status'],
  custom: true,
  verbs: [],
};
const NAMESPACES: ResourceInfo = { ...WIDGETS, group: '', kind: 'Namespace', plural: 'namespaces', namespaced: false };

const widget = (labels: Record<string, string> = {}): ApiObject =>
  ({ apiVersion: 'example.io/v1', kind: 'Widget', metadata: { name: 'w', namespace: 'n', labels } }) as never;
const attempt = (more: Partial<Attempt> = {}): Attempt => ({
  operation: 'CREATE',
  info: WIDGETS,
  subresource: '',
  object: widget(),
  old: undefined,
  dryRun: false,
  ...more,
});
const rule = (more: object = {}) => ({
  rules: [
    {
      operations: ['CREATE'],
      apiGroups: ['example.io'],
      apiVersions: ['v1'],
      resources: ['widgets'],
      scope: '*',
      ...more,
    },
  ],
});

function match(webhook: object, asked: Attempt = attempt()): string {
  const [read] = webhooksOf({ webhooks: [webhook as Json] });
  assert.ok(read);
  const result = matchWebhook(read, asked, () => ({ operation: asked.operation, userInfo: { username: 'eve' } }), {
    namespaceLabels: (name) => (name === 'n' ? { team: 'a' } : undefined),
    versionsOf: () => ['v1', 'v1beta1'],
  });
  return result.kind === 'yes' ? result.version : result.kind === 'failed' ? `failed: ${result.why}` : 'no';
}

test('which writes a webhook is asked about', async (t) => {
  const condition = (expression: string) => ({ ...rule(), matchConditions: [{ name: 'c', expression }] });
  const update = attempt({ operation: 'UPDATE', old: widget({ a: 'b' }) });
  const namespace = attempt({ info: NAMESPACES, object: { ...widget({ a: 'b' }), kind: 'Namespace' } as ApiObject });
  const rows: readonly (readonly [string, object, Attempt | undefined, string])[] = [
    ['its own', rule(), undefined, 'v1'],
    [
      'every star',
      rule({ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }),
      undefined,
      'v1',
    ],
    ['no rules', {}, undefined, 'no'],
    ['another operation', rule({ operations: ['UPDATE', 'DELETE'] }), undefined, 'no'],
    ['another group', rule({ apiGroups: [''] }), undefined, 'no'],
    ['another type', rule({ resources: ['gadgets'] }), undefined, 'no'],
    ['another version of the type', rule({ apiVersions: ['v1beta1'] }), undefined, 'v1beta1'],
    [
      'another version, when it must be exact',
      { ...rule({ apiVersions: ['v1beta1'] }), matchPolicy: 'Exact' },
      undefined,
      'no',
    ],
    ['a subresource that is not named', rule(), attempt({ subresource: 'status' }), 'no'],
    ['a star without subresources', rule({ resources: ['*'] }), attempt({ subresource: 'status' }), 'no'],
    ['a subresource', rule({ resources: ['widgets/status'] }), attempt({ subresource: 'status' }), 'v1'],
    ['a subresource of all', rule({ resources: ['*/status'] }), attempt({ subresource: 'status' }), 'v1'],
    ['all and their subresources', rule({ resources: ['*/*'] }), undefined, 'v1'],
    ['scope of namespaces', rule({ scope: 'Namespaced' }), undefined, 'v1'],
    ['scope of the cluster', rule({ scope: 'Cluster' }), undefined, 'no'],
    [
      'a namespace selector that selects',
      { ...rule(), namespaceSelector: { matchLabels: { team: 'a' } } },
      undefined,
      'v1',
    ],
    [
      'a namespace selector that does not',
      { ...rule(), namespaceSelector: { matchLabels: { team: 'b' } } },
      undefined,
      'no',
    ],
    ['an object selector that does not', { ...rule(), objectSelector: { matchLabels: { a: 'b' } } }, undefined, 'no'],
    [
      'an object selector that selected the old state',
      { ...rule({ operations: ['UPDATE'] }), objectSelector: { matchLabels: { a: 'b' } } },
      update,
      'v1',
    ],
    [
      'a namespace by its own labels',
      { ...rule({ apiGroups: [''], resources: ['namespaces'] }), namespaceSelector: { matchLabels: { a: 'b' } } },
      namespace,
      'v1',
    ],
    [
      'a condition that holds',
      condition('object.metadata.name == "w" && request.userInfo.username == "eve"'),
      undefined,
      'v1',
    ],
    ['a condition that does not', condition('object.metadata.name == "x"'), undefined, 'no'],
    [
      'a condition on the labels',
      condition('has(object.metadata.labels) && object.metadata.labels.exists(k, k.startsWith("x"))'),
      undefined,
      'no',
    ],
    [
      'a condition that can not be judged',
      condition('object.spec.size > 3'),
      undefined,
      'failed: match condition "c": ',
    ],
    ['a condition that can not be read', condition('object.('), undefined, 'failed: match condition "c": '],
    [
      'a false condition beside one that can not be judged',
      {
        ...rule(),
        matchConditions: [
          { name: 'a', expression: 'object.spec.size > 3' },
          { name: 'b', expression: 'false' },
        ],
      },
      undefined,
      'no',
    ],
    ['an object that is not there yet', condition('oldObject == null'), undefined, 'v1'],
  ];
  for (const [name, webhook, asked, want] of rows) {
    await t.test(name, () => {
      const got = match(webhook, asked);
      assert.ok(want.startsWith('failed') ? got.startsWith(want) : got === want, got);
    });
  }
});

test('what a webhook answers', async (t) => {
  const review = (response: unknown, more: object = {}) =>
    ({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', response, ...more }) as Json;
  const read = (body: Json): string => {
    try {
      const { denial, warnings } = readReview('hook', 'u1', body);
      const said = warnings.length > 0 ? ` warns ${warnings.map((w) => w.length).join(',')}` : '';
      return denial === undefined ? `allowed${said}` : `${denial.code} ${denial.message}${said}`;
    } catch (error) {
      return `unusable: ${error instanceof Error ? error.message : error}`;
    }
  };
  const rows: readonly (readonly [string, Json, string])[] = [
    ['allowed', review({ uid: 'u1', allowed: true }), 'allowed'],
    ['allowed with warnings', review({ uid: 'u1', allowed: true, warnings: ['abc', 1] }), 'allowed warns 3'],
    [
      'more warnings than fit are cut',
      review({ uid: 'u1', allowed: true, warnings: Array(5).fill('x'.repeat(1000)) as Json }),
      'allowed warns 256,256,256,256,256',
    ],
    [
      'denied',
      review({ uid: 'u1', allowed: false, status: { message: 'bad' } }),
      '400 admission webhook "hook" denied the request: bad',
    ],
    [
      'denied with a code',
      review({ uid: 'u1', allowed: false, status: { code: 403, message: 'bad' } }),
      '403 admission webhook "hook" denied the request: bad',
    ],
    [
      'denied with a code of success',
      review({ uid: 'u1', allowed: false, status: { code: 200 } }),
      '400 admission webhook "hook" denied the request without explanation',
    ],
    [
      'no word of allowed',
      review({ uid: 'u1' }),
      '400 admission webhook "hook" denied the request without explanation',
    ],
    [
      'the answer to another question',
      review({ uid: 'u2', allowed: true }),
      'unusable: expected response.uid "u1", got "u2"',
    ],
    [
      'a patch',
      review({ uid: 'u1', allowed: true, patch: 'W10=', patchType: 'JSONPatch' }),
      'unusable: a validating webhook must not answer with a patch',
    ],
    ['no response', review(null), 'unusable: the AdmissionReview has no response'],
    [
      'an old version',
      review({ uid: 'u1', allowed: true }, { apiVersion: 'admission.k8s.io/v1beta1' }),
      'unusable: expected an AdmissionReview',
    ],
    ['nothing', null, 'unusable: expected an AdmissionReview'],
  ];
  for (const [name, body, want] of rows) await t.test(name, () => assert.ok(read(body).startsWith(want), read(body)));
});
