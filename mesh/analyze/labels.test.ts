import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ambient, cases, object, pod } from './test-support.ts';

const namespace = (labels: Record<string, string>, annotations: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'shop', labels, annotations },
});
const service = (labels: Record<string, string>, annotations: Record<string, string> = {}) =>
  object('v1', 'Service', 'shop/cart', { clusterIP: 'None' }, { labels, annotations });
const ON = 'metadata.labels';
const BY = 'metadata.annotations';

const CASES = cases(
  ['AMB0302', 'AMB0303', 'AMB0304', 'IST0107', 'IST0108', 'IST0125'],
  [
    ['the label of the mesh, as it is written', [namespace({ 'istio.io/dataplane-mode': 'ambient' })], []],
    ['the label that keeps out', [namespace({ 'istio.io/dataplane-mode': 'none' })], []],
    [
      'a slip in the value enrols nobody',
      [namespace({ 'istio.io/dataplane-mode': 'ambeint' })],
      [`AMB0303 Namespace shop ${ON}["istio.io/dataplane-mode"]`],
    ],
    [
      'a slip in the name',
      [namespace({ 'istio.io/dataplane-mod': 'ambient' })],
      [`AMB0302 Namespace shop ${ON}["istio.io/dataplane-mod"]`],
    ],
    [
      'a slip in the domain',
      [namespace({ 'istoi.io/dataplane-mode': 'ambient' })],
      [`AMB0302 Namespace shop ${ON}["istoi.io/dataplane-mode"]`],
    ],
    [
      'the domain left out',
      [namespace({ 'dataplane-mode': 'ambient' })],
      [`AMB0302 Namespace shop ${ON}["dataplane-mode"]`],
    ],
    ['labels of others', [namespace({ 'app.kubernetes.io/name': 'shop', app: 'x', 'example.io/mode': 'y' })], []],
    ['labels of the reference for sidecars', [namespace({ 'sidecar.istio.io/whatever': 'x' })], []],
    [
      'a label written as an annotation',
      [namespace({}, { 'istio.io/dataplane-mode': 'ambient' })],
      [`IST0107 Namespace shop ${BY}["istio.io/dataplane-mode"]`],
    ],
    [
      'an annotation written as a label',
      [service({ 'networking.istio.io/traffic-distribution': 'PreferClose' })],
      [`AMB0304 Service shop/cart ${ON}["networking.istio.io/traffic-distribution"]`],
    ],
    [
      'a label on a kind where it means nothing',
      [service({ 'istio.io/dataplane-mode': 'ambient' })],
      [`AMB0304 Service shop/cart ${ON}["istio.io/dataplane-mode"]`],
    ],
    [
      'a label of a service, as Kubernetes copies it',
      [object('discovery.k8s.io/v1', 'EndpointSlice', 'shop/cart-1', {}, { labels: { 'istio.io/use-waypoint': 'w' } })],
      [],
    ],
    [
      'labels of a Gateway on what was made of it',
      [
        object(
          'apps/v1',
          'Deployment',
          'shop/w',
          {},
          { labels: { 'gateway.istio.io/managed': 'istio.io-mesh-controller', 'istio.io/waypoint-for': 'all' } },
        ),
      ],
      [],
    ],
    [
      'on a Deployment rather than on its pods',
      [object('apps/v1', 'Deployment', 'shop/cart', {}, { labels: { 'istio.io/dataplane-mode': 'none' } })],
      [`AMB0304 Deployment shop/cart ${ON}["istio.io/dataplane-mode"]`],
    ],
    [
      'an annotation where it belongs',
      [service({}, { 'networking.istio.io/traffic-distribution': 'PreferClose' })],
      [],
    ],
    [
      'a value that is read in any case',
      [service({}, { 'networking.istio.io/traffic-distribution': 'preferclose' })],
      [],
    ],
    [
      'an annotation with a value that it does not have',
      [service({}, { 'networking.istio.io/traffic-distribution': 'PreferFar' })],
      [`IST0125 Service shop/cart ${BY}["networking.istio.io/traffic-distribution"]`],
    ],
    [
      'an annotation that nobody knows',
      [service({}, { 'networking.istio.io/make-it-faster': 'true' })],
      [`IST0108 Service shop/cart ${BY}["networking.istio.io/make-it-faster"]`],
    ],
    [
      'a pod, under what it belongs to and once for all replicas',
      [
        ambient('shop'),
        ...['a', 'b'].map((name) => ({
          ...pod(`shop/cart-x-${name}`),
          metadata: {
            namespace: 'shop',
            name: `cart-x-${name}`,
            generateName: 'cart-x-',
            labels: { 'pod-template-hash': 'x', 'istio.io/dataplane-mode': 'nome' },
            ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'cart-x', controller: true }],
          },
        })),
      ],
      [`AMB0303 Deployment shop/cart spec.template.${ON}["istio.io/dataplane-mode"]`],
    ],
  ],
);
for (const { name, got, want } of CASES) test(name, () => assert.deepEqual(got(), want));
