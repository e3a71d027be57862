import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ambient, cases, object, pod } from './test-support.ts';

const HOST = { hostNetwork: true };

const CASES = cases(
  ['AMB0301', 'AMB0305', 'AMB0306', 'AMB0307', 'IST0123', 'IST0167'],
  [
    ['an ordinary pod of the mesh', [ambient('shop'), pod('shop/cart')], []],
    ['a pod on its host outside the mesh', [pod('shop/agent', { spec: HOST, captured: false })], []],
    [
      'a pod on its host in a namespace of the mesh',
      [ambient('shop'), pod('shop/agent', { spec: HOST, captured: false })],
      ['AMB0301 Pod shop/agent spec.hostNetwork'],
    ],
    [
      'a pod on its host that says that it stays out',
      [
        ambient('shop'),
        pod('shop/agent', { spec: HOST, captured: false, labels: { 'istio.io/dataplane-mode': 'none' } }),
      ],
      [],
    ],
    [
      'a pod with a sidecar in a namespace of the mesh',
      [ambient('shop'), pod('shop/old', { captured: false, annotations: { 'sidecar.istio.io/status': '{}' } })],
      ['AMB0305 Pod shop/old metadata.annotations["sidecar.istio.io/status"]'],
    ],
    [
      'a pod that should be captured and is not',
      [ambient('shop'), pod('shop/cart', { captured: false })],
      ['AMB0306 Pod shop/cart metadata.annotations["ambient.istio.io/redirection"]'],
    ],
    [
      'a pod that has ended needs no capture',
      [ambient('shop'), { ...pod('shop/job', { captured: false }), status: { phase: 'Succeeded' } }],
      [],
    ],
    [
      'a pod that nobody has placed yet',
      [
        ambient('shop'),
        { ...pod('shop/new', { captured: false, spec: { nodeName: '' } }), status: { phase: 'Pending' } },
      ],
      [],
    ],
    [
      'a namespace that never joins',
      [ambient('kube-system')],
      ['AMB0307 Namespace kube-system metadata.labels["istio.io/dataplane-mode"]'],
    ],
    [
      'a namespace that asks for sidecars, too',
      [ambient('shop', { 'istio-injection': 'enabled' })],
      ['IST0123 Namespace shop metadata.labels["istio-injection"]'],
    ],
    ['a namespace that refuses sidecars', [ambient('shop', { 'istio-injection': 'disabled' })], []],
    [
      'a Sidecar in a namespace of the mesh',
      [ambient('shop'), object('networking.istio.io/v1', 'Sidecar', 'shop/default', {})],
      ['IST0167 Sidecar shop/default'],
    ],
    ['a Sidecar elsewhere', [object('networking.istio.io/v1', 'Sidecar', 'shop/default', {})], []],
  ],
);
for (const { name, got, want } of CASES) test(name, () => assert.deepEqual(got(), want));
