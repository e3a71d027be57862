/** From the bytes of one message to the JSON that the same Go struct would have been written as. */
import { badRequest } from '../status-error.ts';
import { isObject, type Json, type JsonObject, setKey } from '../types.ts';
import type { Field, Message } from './field-table.ts';
import { bytesOf, decodeScalar, text } from './scalars.ts';
import { type WireField, wireFields } from './wire.ts';

/** Finds a message of the tables; throws when the tables themselves name one that they do not hold. */
export type Lookup = (name: string) => Message;

/** Fields that the tables do not know are left out, as Go does. */
export function decodeMessage(bytes: Uint8Array, message: Message, lookup: Lookup): JsonObject {
  const object: JsonObject = {};
  for (const wire of wireFields(bytes)) {
    const field = message.get(wire.number);
    if (field === undefined) continue;
    switch (field.shape) {
      case 'list':
        addToList(object, field.name, decodeValue(field, wire, lookup));
        break;
      case 'map':
        addToMap(object, field, wire, lookup);
        break;
      case 'inline': {
        const inlined = decodeValue(field, wire, lookup);
        if (isObject(inlined)) Object.assign(object, inlined);
        break;
      }
      default: {
        const value = decodeValue(field, wire, lookup);
        if (value !== null && (field.shape !== 'value' || !isZero(value))) setKey(object, field.name, value);
      }
    }
  }
  return object;
}

function decodeValue(field: Field, wire: WireField, lookup: Lookup): Json {
  switch (field.type.kind) {
    case 'scalar':
      return decodeScalar(field.type.code, wire);
    case 'message':
      return decodeMessage(bytesOf(wire), lookup(field.type.name), lookup);
    case 'strings':
      return [...wireFields(bytesOf(wire))].filter((item) => item.number === 1).map((item) => text(bytesOf(item)));
    default:
      return field.type satisfies never;
  }
}

function addToList(object: JsonObject, name: string, value: Json): void {
  const list = object[name];
  if (Array.isArray(list)) list.push(value);
  else object[name] = [value];
}

/** A map travels as entries of a message whose field 1 is the key and field 2 the value; either may be left out. */
function addToMap(object: JsonObject, field: Field, wire: WireField, lookup: Lookup): void {
  let key = '';
  let value: Json | undefined;
  for (const entry of wireFields(bytesOf(wire))) {
    if (entry.number === 1) key = text(bytesOf(entry));
    if (entry.number === 2) value = decodeValue(field, entry, lookup);
  }
  if (value === undefined) {
    const empty: WireField = { number: 2, type: 'bytes', value: new Uint8Array() };
    value = decodeValue(field, empty, lookup);
  }
  const map = object[field.name];
  if (isObject(map)) setKey(map, key, value);
  else object[field.name] = { [key]: value };
}

function isZero(value: Json): boolean {
  if (value === '' || value === 0 || value === false) return true;
  return isObject(value) && Object.keys(value).length === 0;
}

/** The parts of the envelope `Unknown` (k8s.io/apimachinery pkg/runtime). */
export type Envelope = { readonly apiVersion: string; readonly kind: string; readonly raw: Uint8Array };

const MAGIC = [0x6b, 0x38, 0x73, 0x00];

/** Opens the envelope around every Kubernetes object in protobuf: four fixed bytes, then its type and its bytes. */
export function openEnvelope(body: Uint8Array): Envelope {
  if (MAGIC.some((byte, i) => body[i] !== byte)) throw badRequest('the body is not a Kubernetes protobuf object');
  let typeMeta: Uint8Array = new Uint8Array();
  let raw: Uint8Array = new Uint8Array();
  let encoding = '';
  for (const field of wireFields(body.subarray(MAGIC.length))) {
    if (field.number === 1) typeMeta = bytesOf(field);
    if (field.number === 2) raw = bytesOf(field);
    if (field.number === 3) encoding = text(bytesOf(field));
  }
  if (encoding !== '') throw badRequest(`the protobuf body is encoded as ${encoding}, which is not understood`);
  let apiVersion = '';
  let kind = '';
  for (const field of wireFields(typeMeta)) {
    if (field.number === 1) apiVersion = text(bytesOf(field));
    if (field.number === 2) kind = text(bytesOf(field));
  }
  return { apiVersion, kind, raw };
}
