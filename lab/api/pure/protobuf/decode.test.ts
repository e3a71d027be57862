import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ApiStatusError } from '../status-error.ts';
import type { Json } from '../types.ts';
import {
  ADMISSIONREGISTRATION_V1,
  AUTHENTICATION_V1,
  AUTHORIZATION_V1,
  EVENTS_V1,
  RBAC_V1,
  STORAGE_V1,
} from './access-fields.ts';
import { CORE_V1 } from './core-fields.ts';
import { decodeProtobuf } from './decode.ts';
import { parseFieldTable } from './field-table.ts';
import { META_V1 } from './meta-fields.ts';
import { COORDINATION_V1, DISCOVERY_V1, NETWORKING_V1 } from './network-fields.ts';
import { APPS_V1, AUTOSCALING_V1, AUTOSCALING_V2, BATCH_V1, POLICY_V1, SCHEDULING_V1 } from './workload-fields.ts';

type Body = { readonly command: string; readonly body: string; readonly object: Json };

/** What kubectl 1.35.2 sent to a listening socket, and the same objects as `--dry-run=client -o json` prints them. */
const bodies = JSON.parse(readFileSync(new URL('kubectl-bodies.json', import.meta.url), 'utf8')) as readonly Body[];

for (const { command, body, object } of bodies) {
  test(`the body of "${command}" is read as its JSON`, () => {
    assert.deepEqual(decodeProtobuf(Buffer.from(body, 'base64')).object, object);
  });
}

const tag = (number: number, length: number) =>
  Buffer.from(number < 16 ? [number * 8 + 2, length] : [((number * 8 + 2) & 0x7f) | 0x80, number >> 4, length]);
/** A length-delimited field; lengths here stay under 128. */
const field = (number: number, ...content: (string | number | Uint8Array)[]): Buffer => {
  const bytes = Buffer.concat(
    content.map((part) => (typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part))),
  );
  return Buffer.concat([tag(number, bytes.length), bytes]);
};
const varint = (number: number, ...bytes: number[]) => Buffer.from([number * 8, ...bytes]);
const envelope = (apiVersion: string, kind: string, ...raw: Buffer[]) => {
  const inner = Buffer.concat(raw);
  const length = Buffer.from([(inner.length & 0x7f) | 0x80, inner.length >> 7]);
  const typeMeta = field(1, field(1, apiVersion), field(2, kind));
  return Buffer.concat([Buffer.from('6b387300', 'hex'), typeMeta, Buffer.from([0x12]), length, inner]);
};

const cases: readonly { readonly name: string; readonly body: Buffer; readonly object: Json }[] = [
  {
    name: 'volume sources and probe handlers are written inline',
    body: envelope(
      'v1',
      'Pod',
      field(2, field(1, field(1, 'v'), field(2, field(2))), field(2, field(10, field(1, field(2, field(1, '/ok')))))),
    ),
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      spec: {
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: [{ livenessProbe: { httpGet: { path: '/ok' } } }],
      },
    },
  },
  {
    name: 'an empty time is no time, one with seconds is RFC 3339 in UTC',
    body: envelope('v1', 'Namespace', field(1, field(8), field(9, varint(1, 0x80, 0xa3, 0x05)))),
    object: { apiVersion: 'v1', kind: 'Namespace', metadata: { deletionTimestamp: '1970-01-02T00:00:00Z' } },
  },
  {
    name: 'micro times keep six digits',
    body: envelope('coordination.k8s.io/v1', 'Lease', field(2, field(4, varint(1, 1), varint(2, 0xe8, 0x07)))),
    object: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', spec: { renewTime: '1970-01-01T00:00:01.000001Z' } },
  },
  {
    name: 'a pointer to zero is kept, a plain zero is not',
    body: envelope('apps/v1', 'Deployment', field(2, varint(1, 0), varint(5, 0))),
    object: { apiVersion: 'apps/v1', kind: 'Deployment', spec: { replicas: 0 } },
  },
  {
    name: 'a negative number takes ten bytes',
    body: envelope('apps/v1', 'Deployment', field(2, varint(1, ...Array<number>(9).fill(0xff), 1))),
    object: { apiVersion: 'apps/v1', kind: 'Deployment', spec: { replicas: -1 } },
  },
  {
    name: 'delete options come under any group',
    body: envelope('apps/v1', 'DeleteOptions', field(4, 'Background'), field(2, field(1, 'u-1'))),
    object: {
      apiVersion: 'apps/v1',
      kind: 'DeleteOptions',
      propagationPolicy: 'Background',
      preconditions: { uid: 'u-1' },
    },
  },
  {
    name: 'field sets are the JSON inside',
    body: envelope('v1', 'ConfigMap', field(1, field(17, field(1, 'm'), field(7, field(1, '{"f:data":{}}'))))),
    object: {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { managedFields: [{ manager: 'm', fieldsV1: { 'f:data': {} } }] },
    },
  },
  {
    name: 'extra attributes of a user are lists',
    body: envelope(
      'authorization.k8s.io/v1',
      'SubjectAccessReview',
      field(2, field(3, 'jo'), field(5, field(1, 'k'), field(2, field(1, 'a'), field(1, 'b')))),
    ),
    object: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: 'jo', extra: { k: ['a', 'b'] } },
    },
  },
];

for (const { name, body, object } of cases) {
  test(`protobuf: ${name}`, () => assert.deepEqual(decodeProtobuf(body).object, object));
}

const refusals: readonly { readonly name: string; readonly body: Buffer; readonly code: number }[] = [
  { name: 'a kind outside the tables', body: envelope('example.org/v1', 'Thing'), code: 415 },
  { name: 'a part of an object', body: envelope('v1', 'PodSpec'), code: 415 },
  { name: 'JSON', body: Buffer.from('{"kind":"ConfigMap"}'), code: 400 },
  { name: 'a body cut short', body: envelope('v1', 'ConfigMap', Buffer.from([0x0a, 0x7f])), code: 400 },
];

for (const { name, body, code } of refusals) {
  test(`protobuf: ${name} is refused with ${code}`, () => {
    assert.throws(
      () => decodeProtobuf(body),
      (error) => error instanceof ApiStatusError && error.code === code,
    );
  });
}

test('every message that a table names is in the tables', () => {
  const own = [ADMISSIONREGISTRATION_V1, APPS_V1, AUTHENTICATION_V1, AUTHORIZATION_V1, AUTOSCALING_V1, AUTOSCALING_V2];
  const more = [
    BATCH_V1,
    COORDINATION_V1,
    DISCOVERY_V1,
    EVENTS_V1,
    NETWORKING_V1,
    POLICY_V1,
    RBAC_V1,
    SCHEDULING_V1,
    STORAGE_V1,
  ];
  const shared = new Set([...parseFieldTable(CORE_V1).keys(), ...parseFieldTable(META_V1).keys()]);
  for (const text of [...own, ...more, CORE_V1, META_V1]) {
    const table = parseFieldTable(text);
    for (const [message, fields] of table) {
      for (const { type, name } of fields.values()) {
        const isHeld = type.kind !== 'message' || table.has(type.name) || shared.has(type.name);
        assert.ok(isHeld, `${message}.${name}`);
      }
    }
  }
});
