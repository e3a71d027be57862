import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Json, strategicMerge } from './strategic-merge.ts';

const rows: readonly (readonly [name: string, base: Json, patch: Json, result: Json])[] = [
  ['a field is set', { a: 1 }, { b: 2 }, { a: 1, b: 2 }],
  ['a field is set deep inside', { a: { b: 1 } }, { a: { c: 2 } }, { a: { b: 1, c: 2 } }],
  ['null takes a field away', { a: 1, b: 2 }, { a: null }, { b: 2 }],
  ['a map is replaced', { a: { b: 1 } }, { a: { $patch: 'replace', c: 2 } }, { a: { c: 2 } }],
  ['a map is deleted', { a: { b: 1 }, d: 1 }, { a: { $patch: 'delete' } }, { d: 1 }],
  ['a list without names is replaced', { args: ['a'] }, { args: ['b', 'c'] }, { args: ['b', 'c'] }],
  [
    'tolerations are replaced',
    { tolerations: [{ key: 'a' }] },
    { tolerations: [{ key: 'b' }] },
    { tolerations: [{ key: 'b' }] },
  ],
  [
    'containers merge by name',
    { containers: [{ name: 'a', image: 'x', env: [{ name: 'E', value: '1' }] }] },
    { containers: [{ name: 'a', env: [{ name: 'F', value: '2' }] }, { name: 'b' }] },
    {
      containers: [
        {
          name: 'a',
          image: 'x',
          env: [
            { name: 'E', value: '1' },
            { name: 'F', value: '2' },
          ],
        },
        { name: 'b' },
      ],
    },
  ],
  [
    'a variable is replaced by one of the same name',
    { env: [{ name: 'E', value: '1' }] },
    { env: [{ name: 'E', value: '2' }] },
    { env: [{ name: 'E', value: '2' }] },
  ],
  [
    'an item is deleted',
    { volumes: [{ name: 'a' }, { name: 'b' }] },
    { volumes: [{ name: 'a', $patch: 'delete' }] },
    { volumes: [{ name: 'b' }] },
  ],
  [
    'a list of names is replaced when it says so',
    { volumes: [{ name: 'a' }] },
    { volumes: [{ $patch: 'replace' }, { name: 'b' }] },
    { volumes: [{ name: 'b' }] },
  ],
  [
    'ports of a container merge by their number',
    { ports: [{ containerPort: 1, name: 'a' }] },
    { ports: [{ containerPort: 1, name: 'b' }] },
    { ports: [{ containerPort: 1, name: 'b' }] },
  ],
  [
    'ports of a Service, too',
    { ports: [{ port: 1, name: 'a' }] },
    { ports: [{ port: 2, name: 'b' }] },
    {
      ports: [
        { port: 1, name: 'a' },
        { port: 2, name: 'b' },
      ],
    },
  ],
  [
    'mounts merge by their path',
    { volumeMounts: [{ name: 'a', mountPath: '/a' }] },
    { volumeMounts: [{ name: 'b', mountPath: '/a' }] },
    { volumeMounts: [{ name: 'b', mountPath: '/a' }] },
  ],
  ['what is no object becomes one', { a: 1 }, { a: { b: 1 } }, { a: { b: 1 } }],
];

for (const [name, base, patch, result] of rows) {
  test(name, () => assert.deepEqual(strategicMerge(base, patch), result));
}
