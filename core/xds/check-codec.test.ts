import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { type CheckQuestion, decodeCheck, encodeCheck } from './check-codec.ts';
import { CheckRequestSchema, CheckResponseSchema } from './gen/envoy/service/auth/v3/external_auth_pb.ts';

const question: CheckQuestion = {
  source: { ip: '10.0.0.1', port: 4000, principal: 'spiffe://td/ns/a/sa/b' },
  destination: { ip: '10.0.0.2', port: 80, principal: '' },
  id: 'r1',
  method: 'POST',
  path: '/a?b',
  host: 'h',
  scheme: 'http',
  protocol: 'HTTP/2',
  headers: { ':path': '/a?b', 'x-a': '1' },
  body: undefined,
};

test('a question has its attributes where authorizers look for them', () => {
  const { attributes } = fromBinary(CheckRequestSchema, encodeCheck(question));
  assert.equal(attributes?.source?.principal, question.source.principal);
  assert.equal(attributes.source.address?.socketAddress?.address, '10.0.0.1');
  assert.equal(attributes.destination?.address?.socketAddress?.portValue, 80);
  const { headers, path, method, size, body } = attributes.request?.http ?? {};
  assert.deepEqual([headers, path, method, size, body], [question.headers, '/a?b', 'POST', -1n, '']);
  const bytes = Buffer.from('hi');
  const asText = fromBinary(CheckRequestSchema, encodeCheck({ ...question, body: { bytes, asBytes: false } }));
  assert.deepEqual([asText.attributes?.request?.http?.body, asText.attributes?.request?.http?.size], ['hi', 2n]);
  const asBytes = fromBinary(CheckRequestSchema, encodeCheck({ ...question, body: { bytes, asBytes: true } }));
  assert.deepEqual(Buffer.from(asBytes.attributes?.request?.http?.rawBody ?? []), bytes);
});

test('an answer is a yes only where both of its parts say so', () => {
  const said = (message: JsonValue) =>
    decodeCheck(toBinary(CheckResponseSchema, fromJson(CheckResponseSchema, message)));
  const okResponse = { headers: [{ header: { key: 'X-A', value: '1' }, append: true }] };
  const deniedResponse = { status: { code: 401 }, body: 'no' };
  assert.deepEqual(said({ status: { code: 0 }, okResponse }), {
    kind: 'allowed',
    headers: [{ name: 'x-a', value: '1', appends: true }],
    remove: [],
    responseHeaders: [],
  });
  assert.equal(said({}).kind, 'allowed');
  assert.deepEqual(said({ status: { code: 7 }, deniedResponse }), {
    kind: 'denied',
    status: 401,
    headers: [],
    body: 'no',
  });
  assert.equal(said({ status: { code: 0 }, deniedResponse }).kind, 'denied');
  assert.equal(said({ status: { code: 7 }, okResponse }).kind, 'denied');
  assert.equal(said({ status: { code: 16 } }).kind, 'denied');
  assert.throws(() => decodeCheck(Uint8Array.of(0x0f)), /CHECK_MALFORMED/);
});
