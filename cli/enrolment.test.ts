import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PodEnrolment, podEnrolment } from './enrolment.ts';

const AMBIENT = { 'istio.io/dataplane-mode': 'ambient' };
const pod = (annotation?: string, labels: Record<string, string> = {}, namespace = 'shop', spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'p',
    namespace,
    labels,
    ...(annotation === undefined ? {} : { annotations: { 'ambient.istio.io/redirection': annotation } }),
  },
  spec,
});

const rows: readonly [string, ReturnType<typeof pod>, Record<string, string>, PodEnrolment][] = [
  ['in an enrolled namespace and redirected', pod('enabled'), AMBIENT, 'enrolled'],
  ['in an enrolled namespace and not redirected', pod(), AMBIENT, 'missing'],
  ['waiting for its ztunnel', pod('pending'), AMBIENT, 'pending'],
  ['redirected although the label is gone', pod('enabled'), {}, 'leaving'],
  ['opted out by its own label', pod(undefined, { 'istio.io/dataplane-mode': 'none' }), AMBIENT, 'outside'],
  ['on the host network', pod(undefined, {}, 'shop', { hostNetwork: true }), AMBIENT, 'outside'],
  ['in a namespace that is excluded', pod(undefined, {}, 'kube-system'), AMBIENT, 'outside'],
  ['in a namespace without a label', pod(), {}, 'outside'],
];

for (const [name, object, labels, wanted] of rows) {
  test(`a pod ${name} counts as ${wanted}`, () => assert.equal(podEnrolment(object, labels), wanted));
}
