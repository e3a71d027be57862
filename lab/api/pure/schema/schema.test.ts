import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../types.ts';
import { compileSchema } from './compile.ts';
import { structuralProblems } from './structural.ts';

/** A root with these properties under `spec`. */
const spec = (properties: Json, rest: { [key: string]: Json } = {}): Json => ({
  type: 'object',
  properties: { spec: { type: 'object', properties, ...rest } },
});
const object = (value: Json): Json => ({ apiVersion: 'e/v1', kind: 'T', metadata: { name: 't' }, spec: value });

test('unknown fields go and are named, metadata stays', () => {
  const schema = compileSchema(
    spec({
      a: { type: 'string' },
      list: { type: 'array', items: { type: 'object', properties: { x: { type: 'integer' } } } },
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      map: { type: 'object', additionalProperties: { type: 'object', properties: { y: { type: 'integer' } } } },
    }),
  );
  const given = object({ a: 'x', b: 1, list: [{ x: 1, z: 2 }], free: { q: 1 }, map: { k: { y: 1, z: 1 } } });
  const { object: pruned, unknown } = schema.prune(given, true);
  assert.deepEqual(pruned, object({ a: 'x', list: [{ x: 1 }], free: { q: 1 }, map: { k: { y: 1 } } }));
  assert.deepEqual(unknown, ['spec.b', 'spec.list[0].z', 'spec.map.k.z']);
  assert.deepEqual(schema.prune(given, false).unknown, []);
});

test('defaults fill what is absent, nulls that may not be go or become the default', () => {
  const schema = compileSchema(
    spec({
      mode: { type: 'string', default: 'auto' },
      port: { type: 'object', default: {}, properties: { number: { type: 'integer', default: 80 } } },
      maybe: { type: 'string', nullable: true },
      gone: { type: 'string' },
      list: { type: 'array', items: { type: 'object', properties: { w: { type: 'integer', default: 1 } } } },
    }),
  );
  assert.deepEqual(
    schema.default(object({ mode: null, maybe: null, gone: null, list: [{}] })),
    object({ mode: 'auto', maybe: null, list: [{ w: 1 }], port: { number: 80 } }),
  );
});

test('filling in defaults does not change the object that was given', () => {
  const given = object({});
  compileSchema(spec({ a: { type: 'string', default: 'x' } })).default(given);
  assert.deepEqual(given, object({}));
});

type Row = readonly [name: string, schema: Json, value: Json, problem: string | undefined];
const rows: readonly Row[] = [
  ['a string', { type: 'string' }, 'x', undefined],
  [
    'a number where a string should be',
    { type: 'string' },
    1,
    'Invalid value: "integer": spec.f in body must be of type string: "integer"',
  ],
  [
    'a fraction for an integer',
    { type: 'integer' },
    1.5,
    'Invalid value: "number": spec.f in body must be of type integer: "number"',
  ],
  ['a whole number for a number', { type: 'number' }, 1, undefined],
  ['null where it may be', { type: 'string', nullable: true }, null, undefined],
  [
    'null where it may not be',
    { type: 'string' },
    null,
    'Invalid value: "null": spec.f in body must be of type string: "null"',
  ],
  ['int-or-string as string', { 'x-kubernetes-int-or-string': true }, '50%', undefined],
  [
    'int-or-string as list',
    { 'x-kubernetes-int-or-string': true },
    [],
    'Invalid value: "array": spec.f in body must be of type integer or string: "array"',
  ],
  [
    'a value outside an enum',
    { type: 'string', enum: ['A', 'B'] },
    'C',
    'Unsupported value: "C": supported values: "A", "B"',
  ],
  [
    'a text against its pattern',
    { type: 'string', pattern: '^a+$' },
    'b',
    'Invalid value: "b": spec.f in body should match \'^a+$\'',
  ],
  ['a text too long', { type: 'string', maxLength: 2 }, 'abc', 'Too long: may not be more than 2 bytes'],
  [
    'a text too short',
    { type: 'string', minLength: 2 },
    'a',
    'Invalid value: "a": spec.f in body should be at least 2 chars long',
  ],
  [
    'a number too small',
    { type: 'integer', minimum: 1 },
    0,
    'Invalid value: 0: spec.f in body should be greater than or equal to 1',
  ],
  [
    'a number too big',
    { type: 'integer', maximum: 1 },
    2,
    'Invalid value: 2: spec.f in body should be less than or equal to 1',
  ],
  [
    'int32',
    { type: 'integer', format: 'int32' },
    2 ** 31,
    'Invalid value: 2147483648: spec.f in body must be of type int32: 2147483648',
  ],
  [
    'ipv4',
    { type: 'string', format: 'ipv4' },
    '::1',
    'Invalid value: "::1": spec.f in body must be of type ipv4: "::1"',
  ],
  ['date-time with nanoseconds', { type: 'string', format: 'date-time' }, '2026-01-01T00:00:00.123456789Z', undefined],
  ['byte', { type: 'string', format: 'byte' }, '%%', 'Invalid value: "%%": spec.f in body must be of type byte: "%%"'],
  ['an unknown format', { type: 'string', format: 'whatever' }, 'x', undefined],
  [
    'too many items',
    { type: 'array', maxItems: 1, items: { type: 'string' } },
    ['a', 'b'],
    'Too many: 2: must have at most 1 items',
  ],
  [
    'too few items',
    { type: 'array', minItems: 1, items: { type: 'string' } },
    [],
    'Invalid value: "array": spec.f in body should have at least 1 items',
  ],
  [
    'a set with one value twice',
    { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
    ['a', 'a'],
    'Duplicate value: "a"',
  ],
  [
    'a keyed list with one key twice',
    {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['n'],
      items: { type: 'object', properties: { n: { type: 'string' } } },
    },
    [{ n: 'a' }, { n: 'a' }],
    'Duplicate value: {"n":"a"}',
  ],
  [
    'too many properties',
    { type: 'object', maxProperties: 1, additionalProperties: { type: 'string' } },
    { a: '1', b: '2' },
    'Too many: 2: must have at most 1 items',
  ],
  ['a required field', { type: 'object', required: ['a'] }, {}, 'Required value'],
  [
    'neither of oneOf',
    { type: 'object', oneOf: [{ required: ['a'] }, { required: ['b'] }] },
    {},
    'Invalid value: "object": "spec.f" must validate one and only one schema (oneOf). Found none valid',
  ],
  [
    'both of oneOf',
    { type: 'object', oneOf: [{ required: ['a'] }, { required: ['b'] }] },
    { a: 1, b: 1 },
    'Invalid value: "object": "spec.f" must validate one and only one schema (oneOf). Found 2 valid alternatives',
  ],
  ['one of oneOf', { type: 'object', oneOf: [{ required: ['a'] }, { required: ['b'] }] }, { a: 1 }, undefined],
  [
    'none of anyOf',
    { type: 'string', anyOf: [{ pattern: '^a' }, { pattern: '^b' }] },
    'c',
    'Invalid value: "c": "spec.f" must validate at least one schema (anyOf)',
  ],
  [
    'what not forbids',
    { type: 'object', not: { required: ['a'] } },
    { a: 1 },
    'Invalid value: "object": "spec.f" must not validate the schema (not)',
  ],
  [
    'a rule',
    { type: 'object', 'x-kubernetes-validations': [{ rule: 'has(self.a)', message: 'a is needed' }] },
    {},
    'Invalid value: "object": a is needed',
  ],
];
for (const [name, schema, value, problem] of rows) {
  test(`${name} ${problem === undefined ? 'is valid' : 'is refused'}`, () => {
    const problems = compileSchema(spec({ f: schema })).validate(object({ f: value }));
    assert.deepEqual(
      problems.map(({ message }) => message),
      problem === undefined ? [] : [problem],
    );
  });
}

test('causes carry the path and the reason', () => {
  const schema = compileSchema(spec({ l: { type: 'array', items: { type: 'object', required: ['a'] } } }));
  assert.deepEqual(schema.validate(object({ l: [{ a: 1 }, {}] })), [
    { reason: 'FieldValueRequired', message: 'Required value', field: 'spec.l[1].a' },
  ]);
});

test('a transition rule runs on updates only, and inside keyed lists on the item with the same key', () => {
  const rule = { rule: 'self == oldSelf', message: 'immutable' };
  const item = {
    type: 'object',
    properties: { n: { type: 'string' }, v: { type: 'integer', 'x-kubernetes-validations': [rule] } },
  };
  const schema = compileSchema(
    spec({ l: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['n'], items: item } }),
  );
  const of = (...values: number[]) => object({ l: values.map((v, i) => ({ n: `i${i}`, v })) });
  assert.deepEqual(schema.validate(of(1)), []);
  assert.deepEqual(schema.validate(of(1, 2), of(1)), []);
  assert.deepEqual(
    schema.validate(of(1, 3), of(1, 2)).map(({ field }) => field),
    ['spec.l[1].v'],
  );
});

const problems: readonly (readonly [name: string, schema: Json, field: string])[] = [
  ['no type', spec({ f: {} }), 'openAPIV3Schema.properties[spec].properties[f].type'],
  ['an array without items', spec({ f: { type: 'array' } }), 'openAPIV3Schema.properties[spec].properties[f].items'],
  ['a root that is no object', { type: 'string' }, 'openAPIV3Schema.type'],
  [
    'a type inside anyOf',
    spec({ f: { type: 'string', anyOf: [{ type: 'string' }] } }),
    'openAPIV3Schema.properties[spec].properties[f].anyOf[0].type',
  ],
  [
    'a constraint on metadata',
    { type: 'object', properties: { metadata: { type: 'object', properties: { labels: { type: 'object' } } } } },
    'openAPIV3Schema.properties[metadata].properties[labels]',
  ],
  [
    'a rule that cannot be read',
    spec({}, { 'x-kubernetes-validations': [{ rule: 'self.' }] }),
    'openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule',
  ],
  [
    'a pattern that cannot be read',
    spec({ f: { type: 'string', pattern: '(' } }),
    'openAPIV3Schema.properties[spec].properties[f].pattern',
  ],
];
for (const [name, schema, field] of problems) {
  test(`a schema with ${name} is not accepted`, () => {
    assert.deepEqual(
      structuralProblems(schema).map((problem) => problem.field),
      [field],
    );
  });
}

test('types are allowed beside int-or-string', () => {
  const f = { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] };
  assert.deepEqual(structuralProblems(spec({ f })), []);
});
