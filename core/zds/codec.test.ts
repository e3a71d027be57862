import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeHello,
  decodeRequest,
  decodeResponse,
  encodeHello,
  encodeRequest,
  encodeResponse,
  type ZdsRequest,
} from './index.ts';

// Derived by hand: key = field number << 3 | wire type (2 for strings and messages), then length, then content.
const bytes = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
const hex = (packet: Uint8Array): string => Buffer.from(packet).toString('hex');

// add = 1, 21 bytes { uid = 1 "u1", workload_info = 2, 15 bytes { name = 1 "pod", namespace = 2 "shop", account = 3 "sa" } }
const ADD = '0a 15  0a 02 75 31  12 0f  0a 03 70 6f 64  12 04 73 68 6f 70  1a 02 73 61';

const REQUESTS: readonly (readonly [string, ZdsRequest, string])[] = [
  ['AddWorkload', { kind: 'add', uid: 'u1', info: { name: 'pod', namespace: 'shop', serviceAccount: 'sa' } }, ADD],
  ['DelWorkload, whose uid is field 2', { kind: 'del', uid: 'u1' }, '12 04 12 02 75 31'],
  ['KeepWorkload, which is payload 5', { kind: 'keep', uid: 'u1' }, '2a 04 0a 02 75 31'],
  ['SnapshotSent, empty yet on the wire', { kind: 'snapshotSent' }, '1a 00'],
  [
    'AddWorkload with an empty info, which is on the wire',
    { kind: 'add', uid: 'u', info: { name: '', namespace: '', serviceAccount: '' } },
    '0a 05 0a 01 75 12 00',
  ],
];
for (const [name, request, golden] of REQUESTS) {
  test(`${name} has exactly these bytes, both ways`, () => {
    assert.equal(hex(encodeRequest(request)), hex(bytes(golden)));
    assert.deepEqual(decodeRequest(bytes(golden)), request);
  });
}

test('the hello is 08 01 and an acknowledgement 0a 00', () => {
  assert.equal(hex(encodeHello()), '0801');
  decodeHello(bytes('08 01'));
  assert.equal(hex(encodeResponse({ error: '' })), '0a00');
  assert.deepEqual(decodeResponse(bytes('0a 00')), { error: '' });
});

test('a refusal carries its reason', () => {
  assert.equal(hex(encodeResponse({ error: 'no' })), hex(bytes('0a 04 0a 02 6e 6f')));
  assert.deepEqual(decodeResponse(bytes('0a 04 0a 02 6e 6f')), { error: 'no' });
});

test('fields of a newer version are skipped', () => {
  // payload 2 with unknown field 9 (varint), and an unknown field 15 (bytes) beside it
  assert.deepEqual(decodeRequest(bytes('12 06 48 01 12 02 75 31 7a 01 ff')), { kind: 'del', uid: 'u1' });
});

const MALFORMED: readonly (readonly [string, string, RegExp])[] = [
  ['an empty packet', '', /payload: missing/],
  ['an unknown payload', '22 00', /payload: missing/],
  ['a truncated packet', '0a 15 0a 02', /not readable/],
  ['a length beyond the packet', '12 7f 12 02 75 31', /not readable/],
  ['AddWorkload without info', '0a 04 0a 02 75 31', /add.workload_info: missing/],
  ['DelWorkload with its uid in field 1', '12 04 0a 02 75 31', /del.uid: missing/],
  ['a payload that is a number', '08 01', /add: wire type 0/],
  ['text that is not UTF-8', '12 03 12 01 ff', /not readable/],
];
for (const [name, packet, reason] of MALFORMED) {
  test(`${name} is refused with a reason`, () => {
    assert.throws(() => decodeRequest(bytes(packet)), { code: 'ZDS_MALFORMED', message: reason });
  });
}

test('a hello of another version is refused', () => {
  assert.throws(() => decodeHello(bytes('08 02')), { code: 'ZDS_MALFORMED' });
  assert.throws(() => decodeHello(bytes('')), { code: 'ZDS_MALFORMED' });
});
