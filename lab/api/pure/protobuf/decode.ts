/** Request bodies in protobuf: the typed commands of kubectl and all of Helm's storage send them (spec section 2). */
import { unsupportedMediaType } from '../status-error.ts';
import type { JsonObject } from '../types.ts';
import {
  ADMISSIONREGISTRATION_V1,
  AUTHENTICATION_V1,
  AUTHORIZATION_V1,
  EVENTS_V1,
  RBAC_V1,
  STORAGE_V1,
} from './access-fields.ts';
import { CORE_V1 } from './core-fields.ts';
import { decodeMessage, type Lookup, openEnvelope } from './decode-object.ts';
import { type FieldTable, type Message, parseFieldTable } from './field-table.ts';
import { META_V1 } from './meta-fields.ts';
import { COORDINATION_V1, DISCOVERY_V1, NETWORKING_V1 } from './network-fields.ts';
import { APPS_V1, AUTOSCALING_V1, AUTOSCALING_V2, BATCH_V1, POLICY_V1, SCHEDULING_V1 } from './workload-fields.ts';

/** An object out of its envelope; `object` holds `apiVersion` and `kind` too. */
export type DecodedObject = { readonly apiVersion: string; readonly kind: string; readonly object: JsonObject };

const core = parseFieldTable(CORE_V1);
const meta = parseFieldTable(META_V1);
const TABLES: ReadonlyMap<string, FieldTable> = new Map([
  ['v1', core],
  ['apps/v1', parseFieldTable(APPS_V1)],
  ['batch/v1', parseFieldTable(BATCH_V1)],
  ['autoscaling/v1', parseFieldTable(AUTOSCALING_V1)],
  ['autoscaling/v2', parseFieldTable(AUTOSCALING_V2)],
  ['policy/v1', parseFieldTable(POLICY_V1)],
  ['scheduling.k8s.io/v1', parseFieldTable(SCHEDULING_V1)],
  ['networking.k8s.io/v1', parseFieldTable(NETWORKING_V1)],
  ['discovery.k8s.io/v1', parseFieldTable(DISCOVERY_V1)],
  ['coordination.k8s.io/v1', parseFieldTable(COORDINATION_V1)],
  ['rbac.authorization.k8s.io/v1', parseFieldTable(RBAC_V1)],
  ['authentication.k8s.io/v1', parseFieldTable(AUTHENTICATION_V1)],
  ['authorization.k8s.io/v1', parseFieldTable(AUTHORIZATION_V1)],
  ['admissionregistration.k8s.io/v1', parseFieldTable(ADMISSIONREGISTRATION_V1)],
  ['storage.k8s.io/v1', parseFieldTable(STORAGE_V1)],
  ['events.k8s.io/v1', parseFieldTable(EVENTS_V1)],
]);

/**
 * Decodes a whole request body. Throws ApiStatusError: 415 for a kind that is not in the tables (custom resources never
 * come this way), 400 for bytes that are no such message.
 */
export function decodeProtobuf(body: Uint8Array): DecodedObject {
  const { apiVersion, kind, raw } = openEnvelope(body);
  const table = TABLES.get(apiVersion);
  // Go clients register the options under every group, so any group may stand here.
  const message = kind === 'DeleteOptions' ? meta.get(kind) : rootMessage(table, kind);
  if (message === undefined) {
    throw unsupportedMediaType(
      `${apiVersion} ${kind || 'an object without kind'} cannot be read as protobuf; send JSON`,
    );
  }
  return { apiVersion, kind, object: { apiVersion, kind, ...decodeMessage(raw, message, lookupIn(table ?? core)) } };
}

/** An object has metadata; the other messages of a table are only its parts. */
function rootMessage(table: FieldTable | undefined, kind: string): Message | undefined {
  const message = table?.get(kind);
  const isRoot = message?.values().some((field) => field.name === 'metadata') === true && kind !== 'PodTemplateSpec';
  return isRoot ? message : undefined;
}

function lookupIn(table: FieldTable): Lookup {
  return (name) => {
    const message = table.get(name) ?? core.get(name) ?? meta.get(name);
    if (message === undefined) throw new Error(`the field tables name ${name} and do not hold it`);
    return message;
  };
}

/** The fields of a built-in kind, and how to find those of its parts; undefined for a kind that is not in the tables. */
export function fieldsOf(
  apiVersion: string,
  kind: string,
): { readonly message: Message; readonly lookup: Lookup } | undefined {
  const table = TABLES.get(apiVersion);
  const message = table?.get(kind);
  return table === undefined || message === undefined ? undefined : { message, lookup: lookupIn(table) };
}
