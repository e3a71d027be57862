/** The API server's decisions, free of I/O: patches, ownership of fields, decoding, selectors, schemas, tables. */
import type { Cause, Json } from './types.ts';

export { type ApplyOptions, serverSideApply } from './fields/server-side-apply.ts';
export { trackUpdate, type UpdateOptions } from './fields/track-update.ts';
export { applyPatch, type Patch } from './patch/apply-patch.ts';
export { type DecodedObject, decodeProtobuf } from './protobuf/decode.ts';
export {
  type LabelExpression,
  type LabelSelector,
  type Labels,
  matchLabelSelector,
  parseFieldSelector,
  parseLabelSelector,
} from './selectors.ts';
export {
  ApiStatusError,
  alreadyExists,
  badRequest,
  conflict,
  expired,
  forbidden,
  internalError,
  invalid,
  methodNotAllowed,
  notFound,
  notImplemented,
  type StatusDetails,
  tooManyRequests,
  unauthorized,
  unknownPath,
  unsupportedMediaType,
} from './status-error.ts';
export {
  apiVersionOf,
  type Cause,
  type CauseReason,
  isObject,
  type Json,
  type JsonObject,
  qualifiedResource,
  type ResourceInfo,
} from './types.ts';

export type CompiledSchema = {
  prune(object: Json, strict: boolean): { object: Json; unknown: string[] };
  default(object: Json): Json;
  validate(object: Json, old?: Json): Cause[];
};
export declare function compileSchema(schema: Json): CompiledSchema;
export declare function structuralProblems(schema: Json): Cause[];
export type PrinterColumn = {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  readonly jsonPath: string;
};
export declare function printerCells(columns: readonly PrinterColumn[], object: Json, now: Date): Json[];
export declare function humanAge(from: string, now: Date): string;
