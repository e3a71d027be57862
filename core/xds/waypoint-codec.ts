/** What waypoints are told, between the model and `ambit.waypoint.v1`: the model is the JSON form of the messages. */
import {
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonValue,
  type Message,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { MeshError, WAYPOINT_REVISION, type WaypointResource } from '../../mesh/index.ts';
import { WaypointSchema } from './gen/ambit/waypoint/v1/waypoint_pb.ts';

/** The value of the `Any` of an `ambit.waypoint.v1.Waypoint` resource. Throws on what the schema does not have: our own bug. */
export function encodeWaypoint(resource: WaypointResource): Uint8Array {
  return toBinary(WaypointSchema, fromJson(WaypointSchema, resource as unknown as JsonValue));
}

/** @throws MeshError XDS_RESOURCE_INVALID for what can not be read, or not be enforced by this revision. */
export function decodeWaypoint(bytes: Uint8Array): WaypointResource {
  let json: unknown;
  try {
    const message = fromBinary(WaypointSchema, bytes, { readUnknownFields: false });
    const unknown = unknownEnum(WaypointSchema, message);
    if (unknown !== undefined) throw new RangeError(`${unknown} has a value that this waypoint does not know`);
    json = toJson(WaypointSchema, message, { alwaysEmitImplicit: true });
  } catch (cause) {
    throw new MeshError(
      'XDS_RESOURCE_INVALID',
      `resource: not a readable ambit.waypoint.v1.Waypoint: ${String(cause)}`,
      { cause },
    );
  }
  const resource = json as WaypointResource;
  if (resource.minRevision > WAYPOINT_REVISION) {
    const reason = `it needs a waypoint of revision ${resource.minRevision}, this one has ${WAYPOINT_REVISION}: upgrade it`;
    throw new MeshError('XDS_RESOURCE_INVALID', `min_revision: ${reason}`);
  }
  if (!resource.gateway && !resource.service && !resource.workload) {
    throw new MeshError('XDS_RESOURCE_INVALID', 'resource: about nothing that this waypoint knows');
  }
  return resource;
}

/** A name for what comes from a newer schema would be a number in the JSON form, and fit nowhere: the field's name, if there is one. */
function unknownEnum(schema: DescMessage, message: Message): string | undefined {
  const reflected = reflect(schema, message);
  for (const field of schema.fields) {
    if (field.fieldKind === 'enum') {
      if (!(reflected.get(field) in field.enum.value)) return field.toString();
    } else if (field.fieldKind === 'message') {
      if (!reflected.isSet(field)) continue;
      const inner = unknownEnum(field.message, reflected.get(field).message);
      if (inner !== undefined) return inner;
    } else if (field.fieldKind === 'list') {
      for (const item of reflected.get(field)) {
        if (field.listKind === 'enum' && !(Number(item) in field.enum.value)) return field.toString();
        if (field.listKind !== 'message') continue;
        const inner = unknownEnum(field.message, (item as { readonly message: Message }).message);
        if (inner !== undefined) return inner;
      }
    }
  }
  return undefined;
}
