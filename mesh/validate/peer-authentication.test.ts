import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namespace, peerAuthentication as pa, pod } from '../derive/test-objects.ts';
import type { KubeObject } from '../kube-object.ts';
import { among, type Row, tableOf } from './test-support.ts';

const table = tableOf(test, assert.deepEqual);
const SELECTOR = { selector: { matchLabels: { app: 'web' } } };

table('PeerAuthentication', [
  ['STRICT for a namespace', pa('shop/p', { mtls: { mode: 'STRICT' } }), []],
  ['no spec', { ...pa('shop/p', {}), spec: null } as KubeObject, []],
  [
    'STRICT with an exception',
    pa('shop/p', { ...SELECTOR, mtls: { mode: 'STRICT' }, portLevelMtls: { 8080: { mode: 'PERMISSIVE' } } }),
    [],
  ],
  [
    'a mode in small letters',
    pa('shop/p', { mtls: { mode: 'strict' } }),
    ['spec.mtls.mode: "strict" is none of UNSET, DISABLE, PERMISSIVE, STRICT; did you mean STRICT?'],
  ],
  ['a mode in the wrong place', pa('shop/p', { mode: 'STRICT' }), ['spec.mode: unknown field']],
  ['mtls is text', pa('shop/p', { mtls: 'STRICT' }), ['spec.mtls: "STRICT" is no object']],
  ['targetRefs', pa('shop/p', { targetRefs: [] }), ['spec.targetRefs: unknown field']],
  [
    'ports without a selector',
    pa('shop/p', { portLevelMtls: { 80: { mode: 'STRICT' } } }),
    ['spec.portLevelMtls: needs a selector with labels'],
  ],
  [
    'ports with an empty selector',
    pa('shop/p', { selector: { matchLabels: {} }, portLevelMtls: { 80: { mode: 'STRICT' } } }),
    ['spec.portLevelMtls: needs a selector'],
  ],
  ['no ports', pa('shop/p', { ...SELECTOR, portLevelMtls: {} }), ['spec.portLevelMtls: must not be empty']],
  [
    'port 0',
    pa('shop/p', { ...SELECTOR, portLevelMtls: { 0: { mode: 'STRICT' } } }),
    ['spec.portLevelMtls[0]: is no port'],
  ],
  [
    'port 65536',
    pa('shop/p', { ...SELECTOR, portLevelMtls: { 65536: { mode: 'STRICT' } } }),
    ['spec.portLevelMtls[65536]: is no port'],
  ],
  [
    'a named port',
    pa('shop/p', { ...SELECTOR, portLevelMtls: { http: { mode: 'STRICT' } } }),
    ['spec.portLevelMtls[http]: is no port'],
  ],
  [
    'a bad mode of a port',
    pa('shop/p', { ...SELECTOR, portLevelMtls: { 80: { mode: 'MAYBE' } } }),
    ['spec.portLevelMtls[80].mode: "MAYBE" is none of'],
  ],
  ['DISABLE', pa('shop/p', { mtls: { mode: 'DISABLE' } }), [], ['spec.mtls.mode: DISABLE acts as PERMISSIVE']],
  [
    'a selector in the root namespace',
    pa('istio-system/p', { ...SELECTOR, mtls: { mode: 'STRICT' } }),
    [],
    ['spec.selector: has no effect in the root namespace'],
  ],
] satisfies readonly Row[]);

table(
  'a PeerAuthentication that changes nothing is warned about',
  [
    ['a selector that selects', pa('shop/b', SELECTOR, 2), []],
    [
      'a selector that selects nothing',
      pa('shop/b', { selector: { matchLabels: { app: 'wed' } } }, 2),
      [],
      ['spec.selector: no pod of namespace shop has app=wed'],
    ],
    [
      'a second one for the namespace',
      pa('shop/b', { mtls: { mode: 'STRICT' } }, 2),
      [],
      ['spec: has no effect: PeerAuthentication shop/a is older and holds for namespace shop'],
    ],
    ['the same, but older', pa('shop/b', { mtls: { mode: 'STRICT' } }, 0), []],
    ['the first itself', pa('shop/a', { mtls: { mode: 'STRICT' } }, 1), []],
    ['one of another namespace', pa('other/b', {}, 2), []],
  ] satisfies readonly Row[],
  among(
    namespace('shop'),
    pod('shop/web', { labels: { app: 'web' } }),
    pa('shop/a', { mtls: { mode: 'PERMISSIVE' } }, 1),
  ),
);
