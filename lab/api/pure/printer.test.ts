import assert from 'node:assert/strict';
import { test } from 'node:test';
import { humanAge, printerCells } from './printer.ts';
import type { Json } from './types.ts';

const NOW = new Date('2026-06-01T00:00:00Z');
const secondsAgo = (seconds: number) => new Date(NOW.getTime() - seconds * 1000).toISOString();

const ages: readonly (readonly [seconds: number, text: string])[] = [
  [0, '0s'],
  [119, '119s'],
  [120, '2m'],
  [150, '2m30s'],
  [600, '10m'],
  [179 * 60, '179m'],
  [3 * 3600, '3h'],
  [3 * 3600 + 61, '3h1m'],
  [8 * 3600, '8h'],
  [47 * 3600, '47h'],
  [48 * 3600, '2d'],
  [50 * 3600, '2d2h'],
  [8 * 86400, '8d'],
  [700 * 86400, '700d'],
  [731 * 86400, '2y1d'],
  [3000 * 86400, '8y'],
  [-60, '<invalid>'],
];
for (const [seconds, text] of ages) {
  test(`an age of ${seconds} s is shown as ${text}`, () => assert.equal(humanAge(secondsAgo(seconds), NOW), text));
}

const object: Json = {
  metadata: { creationTimestamp: secondsAgo(90), labels: { 'app.kubernetes.io/name': 'web' } },
  spec: { hosts: ['a', 'b'], replicas: 2, on: false },
  status: {
    conditions: [
      { type: 'Accepted', status: 'True' },
      { type: 'Programmed', status: 'False' },
    ],
    addresses: [{ value: '10.0.0.1' }, { value: 'fd00::1' }],
  },
};
const cells: readonly (readonly [type: string, jsonPath: string, cell: Json])[] = [
  ['string', '.status.conditions[?(@.type=="Accepted")].status', 'True'],
  ['string', ".status.conditions[?(@.type=='Programmed')].status", 'False'],
  ['string', '.status.conditions[?(@.type=="Other")].status', null],
  ['string', '.status.addresses[*].value', '10.0.0.1,fd00::1'],
  ['string', '.spec.hosts', '["a","b"]'],
  ['string', '.spec.hosts[1]', 'b'],
  ['string', '.metadata.labels.app\\.kubernetes\\.io/name', 'web'],
  ['string', ".metadata.labels['app.kubernetes.io/name']", 'web'],
  ['string', '.spec.none.at.all', null],
  ['integer', '.spec.replicas', 2],
  ['integer', '.spec.hosts', null],
  ['boolean', '.spec.on', false],
  ['date', '.metadata.creationTimestamp', '90s'],
  ['string', '.a[?broken', null],
];
for (const [type, jsonPath, cell] of cells) {
  test(`the ${type} column ${jsonPath} shows ${JSON.stringify(cell)}`, () => {
    assert.deepEqual(printerCells([{ name: 'C', type, jsonPath }], object, NOW), [cell]);
  });
}
