import { builtinTopology } from '../fields/builtin-topology.ts';
import { badRequest, unsupportedMediaType } from '../status-error.ts';
import { isObject, type Json, type ResourceInfo } from '../types.ts';
import { jsonPatch } from './json-patch.ts';
import { mergePatch } from './merge-patch.ts';
import { strategicMerge } from './strategic-merge.ts';

/** A patch body and what its Content-Type calls it; server-side apply has its own function. */
export type Patch = { readonly type: 'strategic' | 'merge' | 'json'; readonly body: Json };

/**
 * The object after the patch; `current` is not changed. Throws ApiStatusError: 400 for a body that is no such patch, 415
 * for a strategic patch of a custom resource (kubectl then explains it), 422 for a JSON patch that fails.
 */
export function applyPatch(info: ResourceInfo, current: Json, patch: Patch): Json {
  switch (patch.type) {
    case 'json':
      return jsonPatch(current, patch.body);
    case 'merge':
      if (!isObject(patch.body)) throw badRequest('a merge patch must be an object');
      return mergePatch(current, patch.body);
    case 'strategic': {
      if (info.custom) {
        throw unsupportedMediaType(
          'the body of the request was in an unknown format - accepted media types include: ' +
            'application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
        );
      }
      if (!isObject(patch.body) || !isObject(current)) throw badRequest('a strategic merge patch must be an object');
      return strategicMerge(current, patch.body, builtinTopology(info.group, info.kind));
    }
    default:
      return patch.type satisfies never;
  }
}
