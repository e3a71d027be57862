/** The scale subresource: one small kind for everything that has replicas. */
import { decodeObject, decodePatch, mediaType } from '../http/body.ts';
import { json, type Reply } from '../http/reply.ts';
import { type ApiObject, at, listAt, mapAt, numberAt, textAt } from '../object.ts';
import {
  applyPatch,
  badRequest,
  isObject,
  type Json,
  type JsonObject,
  methodNotAllowed,
  type ResourceInfo,
  unsupportedMediaType,
} from '../pure/index.ts';
import { checkPreconditions, updateObject } from '../write/commit.ts';
import { writeOptions } from '../write/options.ts';
import { type ApiRequest, existing, rendererOf, writeContext } from './request.ts';

type Paths = {
  readonly spec: readonly string[];
  readonly status: readonly string[];
  readonly selector: readonly string[] | undefined;
};

const BUILT_IN: Paths = { spec: ['spec', 'replicas'], status: ['status', 'replicas'], selector: ['spec', 'selector'] };
const SCALE_INFO: Pick<ResourceInfo, 'group' | 'version' | 'kind'> = {
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
};

const steps = (path: string): readonly string[] => path.replace(/^\./, '').split('.');

function pathsOf(r: ApiRequest): Paths {
  if (!r.info.custom) return BUILT_IN;
  const scale = at(r.parts.registry.versionOf(r.info), 'subresources', 'scale');
  const selector = textAt(scale, 'labelSelectorPath');
  return {
    spec: steps(textAt(scale, 'specReplicasPath')),
    status: steps(textAt(scale, 'statusReplicasPath')),
    selector: selector === '' ? undefined : steps(selector),
  };
}

/** A label selector in one line: `a=b,c in (d,e)`. */
function selectorText(selector: Json | undefined): string {
  if (typeof selector === 'string') return selector;
  const labels = Object.entries(mapAt(selector, 'matchLabels')).map(([key, value]) => `${key}=${String(value)}`);
  const expressions = listAt(selector, 'matchExpressions').map((e) => {
    const key = textAt(e, 'key');
    const list = listAt(e, 'values').join(',');
    switch (textAt(e, 'operator')) {
      case 'Exists':
        return key;
      case 'DoesNotExist':
        return `!${key}`;
      case 'NotIn':
        return `${key} notin (${list})`;
      default:
        return `${key} in (${list})`;
    }
  });
  return [...labels, ...expressions].join(',');
}

function scaleOf(object: ApiObject, paths: Paths): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = paths.selector === undefined ? '' : selectorText(at(object, ...paths.selector));
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), uid, resourceVersion, creationTimestamp },
    spec: { replicas: numberAt(object, ...paths.spec) ?? 0 },
    status: { replicas: numberAt(object, ...paths.status) ?? 0, ...(selector === '' ? {} : { selector }) },
  };
}

const PATCHES: Readonly<Record<string, 'merge' | 'json' | 'strategic'>> = {
  'application/merge-patch+json': 'merge',
  'application/json-patch+json': 'json',
  'application/strategic-merge-patch+json': 'strategic',
};

export function serveScale(r: ApiRequest): Reply {
  const paths = pathsOf(r);
  const object = rendererOf(r).plain(existing(r));
  const current = scaleOf(object, paths);
  if (r.target.verb === 'get') return json(current);
  const wanted = wantedScale(r, current);
  const replicas = at(wanted, 'spec', 'replicas') ?? 0;
  if (typeof replicas !== 'number' || !Number.isInteger(replicas) || replicas < 0) {
    throw badRequest('spec.replicas must be a whole number, not below 0');
  }
  const resourceVersion = textAt(wanted, 'metadata', 'resourceVersion');
  if (resourceVersion !== '') checkPreconditions(r.info, object, { resourceVersion });
  const scaled = withNumber(object, paths.spec, replicas) as ApiObject;
  const updated = updateObject(writeContext(r), {
    ...writeOptions(r.query, r.headers),
    info: r.info,
    old: existing(r),
    object: scaled,
    subresource: 'scale',
  });
  return json(scaleOf(updated, paths));
}

function wantedScale(r: ApiRequest, current: JsonObject): Json {
  const type = mediaType(r.headers['content-type']);
  if (r.target.verb === 'update') return decodeObject(r.body, type).value;
  if (r.target.verb !== 'patch') throw methodNotAllowed();
  const patch = PATCHES[type];
  if (patch === undefined)
    throw unsupportedMediaType(`a scale takes patches of type ${Object.keys(PATCHES).join(', ')}`);
  const info = { ...r.info, ...SCALE_INFO, custom: false };
  return applyPatch(info, current, { type: patch, body: decodePatch(r.body, false).value });
}

function withNumber(value: Json | undefined, path: readonly string[], number: number): Json {
  const [step, ...rest] = path;
  if (step === undefined) return number;
  const object = isObject(value ?? null) ? (value as JsonObject) : {};
  return { ...object, [step]: withNumber(object[step], rest, number) };
}
