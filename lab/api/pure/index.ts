/** The API server's decisions, free of I/O: patches, ownership of fields, decoding, selectors, schemas, tables. */
export { CelError, type Condition, compileCondition } from './cel/index.ts';
export { serverSideApply } from './fields/server-side-apply.ts';
export { trackUpdate } from './fields/track-update.ts';
export { applyPatch, type Patch } from './patch/apply-patch.ts';
export { humanAge, type PrinterColumn, printerCells } from './printer.ts';
export { decodeProtobuf } from './protobuf/decode.ts';
export { type CompiledSchema, compileSchema } from './schema/compile.ts';
export { structuralProblems } from './schema/structural.ts';
export { type LabelSelector, matchLabelSelector, parseFieldSelector, parseLabelSelector } from './selectors.ts';
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
  tooManyRequests,
  unauthorized,
  unknownPath,
  unsupportedMediaType,
} from './status-error.ts';
export {
  apiVersionOf,
  type Cause,
  isObject,
  type Json,
  type JsonObject,
  qualifiedResource,
  type ResourceInfo,
} from './types.ts';
