/** AdmissionReview: what a webhook is asked, and how its answer is read. Pure. */
import type { Caller } from '../auth/caller.ts';
import { at, listAt, mapAt, numberAt, textAt } from '../object.ts';
import { ApiStatusError, isObject, type Json, type JsonObject } from '../pure/index.ts';
import type { Attempt } from './attempt.ts';
import { asVersion } from './matching.ts';

export const REVIEW_VERSION = 'admission.k8s.io/v1';

/** The part that match conditions know as `request`; with the object in this version. */
export function reviewRequest(attempt: Attempt, caller: Caller, version: string, uid: string): JsonObject {
  const { info, operation, subresource, object, old, dryRun, manager } = attempt;
  const { group, kind, plural } = info;
  const { name, namespace } = (object ?? old)?.metadata ?? { name: '' };
  const part = subresource === '' ? {} : { subResource: subresource, requestSubResource: subresource };
  const optionsKind = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' }[operation];
  const isNamespace = group === '' && plural === 'namespaces';
  return {
    uid,
    kind: { group, version, kind },
    resource: { group, version, resource: plural },
    requestKind: { group, version: info.version, kind },
    requestResource: { group, version: info.version, resource: plural },
    ...part,
    name,
    ...(isNamespace ? { namespace: name } : namespace === undefined ? {} : { namespace }),
    operation,
    userInfo: {
      username: caller.username,
      ...(caller.uid === '' ? {} : { uid: caller.uid }),
      groups: [...caller.groups],
      ...(Object.keys(caller.extra).length === 0
        ? {}
        : { extra: Object.fromEntries(Object.entries(caller.extra).map(([key, values]) => [key, [...values]])) }),
    },
    object: object === undefined ? null : asVersion(info, object, version),
    oldObject: old === undefined ? null : asVersion(info, old, version),
    dryRun,
    options: {
      kind: optionsKind,
      apiVersion: 'meta.k8s.io/v1',
      ...(dryRun ? { dryRun: ['All'] } : {}),
      ...(manager === undefined ? {} : { fieldManager: manager }),
    },
  };
}

export const reviewBody = (request: JsonObject): JsonObject => ({
  kind: 'AdmissionReview',
  apiVersion: REVIEW_VERSION,
  request,
});

export type ReviewAnswer = {
  readonly warnings: readonly string[];
  /** Undefined: allowed. */
  readonly denial: ApiStatusError | undefined;
};

/** Throws Error with what is wrong with the answer: then the webhook counts as not reached. */
export function readReview(webhook: string, uid: string, body: Json): ReviewAnswer {
  if (!isObject(body) || body['kind'] !== 'AdmissionReview' || body['apiVersion'] !== REVIEW_VERSION) {
    throw new Error(`expected an AdmissionReview of ${REVIEW_VERSION}`);
  }
  const response = at(body, 'response');
  if (!isObject(response)) throw new Error('the AdmissionReview has no response');
  if (response['uid'] !== uid) throw new Error(`expected response.uid "${uid}", got "${textAt(response, 'uid')}"`);
  if (response['patch'] !== undefined || response['patchType'] !== undefined) {
    throw new Error('a validating webhook must not answer with a patch');
  }
  return {
    warnings: bounded(listAt(response, 'warnings').filter((item) => typeof item === 'string')),
    denial: response['allowed'] === true ? undefined : denialOf(webhook, mapAt(response, 'status')),
  };
}

/** 400 unless the webhook gives another code of failure (spec section 15). */
function denialOf(webhook: string, status: JsonObject): ApiStatusError {
  const asked = numberAt(status, 'code') ?? 0;
  const code = asked >= 400 && asked < 600 ? asked : 400;
  const said = textAt(status, 'message') || textAt(status, 'reason');
  const why = said === '' ? 'denied the request without explanation' : `denied the request: ${said}`;
  const reason = textAt(status, 'reason') || (code === 400 ? 'BadRequest' : code === 403 ? 'Forbidden' : 'Invalid');
  return new ApiStatusError(code, reason, `admission webhook "${webhook}" ${why}`);
}

/** As upstream: together at most 4 KB, or each is cut. */
const MAX_ALL_WARNINGS = 4096;
const MAX_CUT_WARNING = 256;
const MAX_WARNINGS = 32;

function bounded(warnings: readonly string[]): readonly string[] {
  const few = warnings.slice(0, MAX_WARNINGS);
  const total = few.reduce((sum, warning) => sum + warning.length, 0);
  return total <= MAX_ALL_WARNINGS ? few : few.map((warning) => warning.slice(0, MAX_CUT_WARNING));
}
