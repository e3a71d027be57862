import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PatternKind, PolicyField, PolicyTest } from '../http-policy/model.ts';
import { type Asked, unknownOf } from './certainty.ts';

const tested = (field: PolicyField, kind: PatternKind, value: string): PolicyTest => ({
  field,
  negated: false,
  patterns: [{ kind, value }],
  header: '',
  claim: [],
});

type Row = readonly [paths: string, kind: PatternKind, value: string, isClear: boolean];
const PATHS: readonly Row[] = [
  ['/items', 'EXACT', '/items', true],
  ['/items', 'EXACT', '/other', true],
  ['/items/{*}', 'EXACT', '/items/17', false],
  ['/items/{*}', 'EXACT', '/items/17/parts', true],
  ['/items/{*}', 'PREFIX', '/items/', true],
  ['/items/{*}', 'PREFIX', '/items/1', false],
  ['/items/{*}', 'PREFIX', '/other', true],
  ['/items/{*}/parts', 'SUFFIX', '/parts', true],
  ['/items/{*}', 'SUFFIX', '.png', false],
  ['/items/{*}/parts', 'SUFFIX', '/wholes', true],
  ['/items/{*}', 'PRESENT', '', true],
  ['/items/{*}', 'TEMPLATE', '/items/{*}', true],
  ['/items/{*}', 'TEMPLATE', '/items/{**}', true],
  ['/items/{*}', 'TEMPLATE', '/{**}', true],
  ['/items/{*}', 'TEMPLATE', '/items/{*}/parts', true],
  ['/items/{*}', 'TEMPLATE', '/other/{*}', true],
  ['/items/{*}/parts', 'TEMPLATE', '/{*}/17/parts', false],
  ['/v1/{**}', 'TEMPLATE', '/v1/items/{*}', false],
  ['/v1/{**}', 'TEMPLATE', '/v1/{*}', false],
  ['/v1/{**}', 'TEMPLATE', '/v1/{**}', true],
  ['/v1/{**}', 'TEMPLATE', '/v2/{**}', true],
  ['/v1/{**}', 'EXACT', '/v1/items', false],
];
for (const [paths, kind, value, isClear] of PATHS) {
  test(`whether all of ${paths} are ${kind} ${value} is ${isClear ? 'known' : 'not known'}`, () => {
    const unknown = unknownOf(tested('PATH', kind, value), { method: 'GET', paths, isPlaced: true });
    assert.equal(unknown, isClear ? undefined : 'the path, of which many are one here');
  });
}

const OTHERS: Readonly<Record<string, readonly [PolicyTest, Partial<Asked>, unknown: string | undefined]>> = {
  'a method that is everybody’s': [tested('METHOD', 'EXACT', 'GET'), {}, undefined],
  'one of those that are not': [tested('METHOD', 'EXACT', 'PURGE'), { method: 'other' }, 'the method'],
  'one of everybody’s, of those that are not': [tested('METHOD', 'EXACT', 'GET'), { method: 'other' }, undefined],
  'any of those that are not': [tested('METHOD', 'PRESENT', ''), { method: 'other' }, undefined],
  'the host, of which one is kept': [tested('HOST', 'EXACT', 'cart'), {}, 'the host'],
  'any host': [tested('HOST', 'PRESENT', ''), {}, undefined],
  'a header': [tested('HEADER', 'EXACT', 'x'), {}, 'headers'],
  'a claim': [tested('CLAIM', 'EXACT', 'x'), {}, 'the token'],
  'an address': [tested('SOURCE_IP', 'RANGE', '10.0.0.0/8'), { isPlaced: false }, "the caller's address"],
  'an address of pods that are known': [tested('SOURCE_IP', 'RANGE', '10.0.0.0/8'), {}, undefined],
  'who calls': [tested('PRINCIPAL', 'EXACT', 'x'), {}, undefined],
};
for (const [name, [asked, of, unknown]] of Object.entries(OTHERS)) {
  test(`${name} is ${unknown === undefined ? 'known' : 'not known'} of a row`, () => {
    assert.equal(unknownOf(asked, { method: 'GET', paths: '/', isPlaced: true, ...of }), unknown);
  });
}
