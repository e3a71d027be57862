/** Reviews: questions about tokens and rights that are posted, answered and never stored (spec section 12). */
import type { Caller } from '../auth/caller.ts';
import type { Attributes } from '../auth/rbac.ts';
import { API_AUDIENCE } from '../auth/tokens.ts';
import { json, type Reply } from '../http/reply.ts';
import { at, listAt, mapAt, textAt } from '../object.ts';
import { badRequest, isObject, type Json, type JsonObject, methodNotAllowed } from '../pure/index.ts';
import { checkFields } from '../write/field-checks.ts';
import { incoming } from '../write/incoming.ts';
import { writeOptions } from '../write/options.ts';
import { type ApiRequest, decodedBody, objectNamespace } from './request.ts';

const strings = (value: readonly Json[]): readonly string[] => value.filter((v) => typeof v === 'string');

export async function serveReview(r: ApiRequest): Promise<Reply> {
  if (r.target.verb !== 'create' || r.target.name !== '') throw methodNotAllowed();
  const body = decodedBody(r);
  const object = incoming(r.info, body.value, objectNamespace(r), '');
  const options = writeOptions(r.query, r.headers);
  const { object: review, warnings } = checkFields(
    r.parts.registry,
    r.info,
    object,
    body.duplicates,
    options.fieldValidation,
  );
  const status = await answer(r, review);
  const { name, ...metadata } = review.metadata;
  const named = name === '' ? metadata : { ...metadata, name };
  return json({ ...review, metadata: { ...named, creationTimestamp: null }, status }, 201, warnings);
}

async function answer(r: ApiRequest, review: JsonObject): Promise<Json> {
  const spec = mapAt(review, 'spec');
  switch (r.info.kind) {
    case 'TokenReview':
      return await reviewToken(r, spec);
    case 'SelfSubjectReview':
      return { userInfo: userInfo(r.caller) };
    case 'SelfSubjectAccessReview':
      return decide(r, r.caller, spec);
    case 'SubjectAccessReview':
      return decide(r, subjectOf(spec), spec);
    case 'LocalSubjectAccessReview': {
      if (textAt(spec, 'resourceAttributes', 'namespace') !== r.target.namespace) {
        throw badRequest('spec.resourceAttributes.namespace must match the namespace of the path');
      }
      return decide(r, subjectOf(spec), spec);
    }
    case 'SelfSubjectRulesReview':
      return rulesOf(r, textAt(spec, 'namespace'));
    default:
      throw methodNotAllowed();
  }
}

async function reviewToken(r: ApiRequest, spec: JsonObject): Promise<Json> {
  const token = textAt(spec, 'token');
  if (token === '') throw badRequest('spec.token: Required value: a token is required');
  const wanted = strings(listAt(spec, 'audiences'));
  const verified = await r.parts.tokens.verify(token);
  if (verified === undefined) return { authenticated: false, user: {}, error: 'invalid bearer token' };
  const audiences = verified.audiences.filter((a) => (wanted.length > 0 ? wanted : [API_AUDIENCE]).includes(a));
  if (audiences.length === 0) {
    const error = `token audiences ${JSON.stringify(verified.audiences)} is invalid for the target audiences ${JSON.stringify(wanted)}`;
    return { authenticated: false, user: {}, error };
  }
  return { authenticated: true, user: userInfo(verified.caller), audiences };
}

function userInfo(caller: Caller): JsonObject {
  const extra = Object.entries(caller.extra).map(([key, values]): [string, Json] => [key, [...values]]);
  return {
    username: caller.username,
    ...(caller.uid === '' ? {} : { uid: caller.uid }),
    groups: [...caller.groups],
    ...(extra.length === 0 ? {} : { extra: Object.fromEntries(extra) }),
  };
}

function subjectOf(spec: JsonObject): Caller {
  const username = textAt(spec, 'user');
  const groups = strings(listAt(spec, 'groups'));
  if (username === '' && groups.length === 0)
    throw badRequest('spec.user: Required value: at least one of user or group must be specified');
  return { username, uid: textAt(spec, 'uid'), groups, extra: {} };
}

function attributesOf(spec: JsonObject): Attributes {
  const resource = spec['resourceAttributes'];
  const path = spec['nonResourceAttributes'];
  if (isObject(resource ?? null) === isObject(path ?? null)) {
    throw badRequest('exactly one of spec.resourceAttributes and spec.nonResourceAttributes must be set');
  }
  if (isObject(path ?? null)) return { kind: 'path', verb: textAt(path, 'verb'), path: textAt(path, 'path') };
  const read = (field: string) => textAt(resource, field);
  return {
    kind: 'resource',
    verb: read('verb'),
    group: read('group'),
    resource: read('resource'),
    subresource: read('subresource'),
    namespace: read('namespace'),
    name: read('name'),
  };
}

function decide(r: ApiRequest, caller: Caller, spec: JsonObject): Json {
  const verdict = r.parts.rbac.authorize(caller, attributesOf(spec));
  return verdict.allowed ? { allowed: true, reason: verdict.reason } : { allowed: false };
}

function rulesOf(r: ApiRequest, namespace: string): Json {
  const masters = r.parts.rbac.authorize(r.caller, {
    kind: 'path',
    verb: '*',
    path: '*',
  });
  const rules = [...r.parts.rbac.rulesFor(r.caller, namespace)].map((granted) => mapAt(granted.rule));
  const resourceRules = rules.filter((rule) => at(rule, 'resources') !== undefined);
  const nonResourceRules = rules.filter((rule) => at(rule, 'nonResourceURLs') !== undefined);
  const pick = (rule: JsonObject, fields: readonly string[]): JsonObject =>
    Object.fromEntries(fields.flatMap((f) => (rule[f] === undefined ? [] : [[f, rule[f]]])));
  const all = masters.allowed && rules.length === 0;
  return {
    resourceRules: all
      ? [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }]
      : resourceRules.map((rule) => pick(rule, ['verbs', 'apiGroups', 'resources', 'resourceNames'])),
    nonResourceRules: all
      ? [{ verbs: ['*'], nonResourceURLs: ['*'] }]
      : nonResourceRules.map((rule) => pick(rule, ['verbs', 'nonResourceURLs'])),
    incomplete: false,
  };
}
