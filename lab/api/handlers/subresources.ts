/** Subresources that are more than a view of the object: each its own small verb. */

import { decodeObject, mediaType } from '../http/body.ts';
import { json, type Reply } from '../http/reply.ts';
import { type ApiObject, at, listAt, mapAt, numberAt, sameJson, textAt } from '../object.ts';
import {
  badRequest,
  conflict,
  isObject,
  type JsonObject,
  matchLabelSelector,
  methodNotAllowed,
  tooManyRequests,
} from '../pure/index.ts';
import { storageKey } from '../store/store.ts';
import { isFinished } from '../write/commit.ts';
import { deleteOptions, removeObject } from '../write/remove.ts';
import { patchObject } from './patch.ts';
import { type ApiRequest, existing, storageOf, writeContext } from './request.ts';

function bodyOf(r: ApiRequest): JsonObject {
  return r.body.length === 0 ? {} : decodeObject(r.body, mediaType(r.headers['content-type'])).value;
}

const MIN_TTL_SECONDS = 600;
const MAX_TTL_SECONDS = 86_400 * 365;
const DEFAULT_TTL_SECONDS = 3600;
const BOUND_KINDS: Readonly<Record<string, { readonly plural: string; readonly key: 'pod' | 'secret' | 'node' }>> = {
  Pod: { plural: 'pods', key: 'pod' },
  Secret: { plural: 'secrets', key: 'secret' },
  Node: { plural: 'nodes', key: 'node' },
};

/** TokenRequest: a token of the account, for audiences, perhaps bound to a pod and gone with it. */
export async function requestToken(r: ApiRequest, apiAudience: string): Promise<Reply> {
  if (r.target.verb !== 'create') throw methodNotAllowed();
  const account = existing(r);
  const request = bodyOf(r);
  const spec = mapAt(request, 'spec');
  const asked = listAt(spec, 'audiences').filter((a) => typeof a === 'string');
  const audiences = asked.length > 0 ? asked : [apiAudience];
  const ttlSeconds = numberAt(spec, 'expirationSeconds') ?? DEFAULT_TTL_SECONDS;
  if (ttlSeconds < MIN_TTL_SECONDS || ttlSeconds > MAX_TTL_SECONDS) {
    throw badRequest(`spec.expirationSeconds: must be between ${MIN_TTL_SECONDS} and ${MAX_TTL_SECONDS} seconds`);
  }
  const namespace = account.metadata.namespace ?? '';
  const { token, expires } = await r.parts.tokens.issueAccount({
    namespace,
    account: { name: account.metadata.name, uid: account.metadata.uid },
    audiences,
    ttlSeconds,
    ...boundTo(r, namespace, account.metadata.name, spec),
  });
  const expirationTimestamp = `${expires.toISOString().slice(0, 19)}Z`;
  return json(
    {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: {
        name: account.metadata.name,
        namespace,
        creationTimestamp: `${r.parts.now().toISOString().slice(0, 19)}Z`,
      },
      spec: { ...spec, audiences, expirationSeconds: ttlSeconds },
      status: { token, expirationTimestamp },
    },
    201,
  );
}

function boundTo(r: ApiRequest, namespace: string, account: string, spec: JsonObject) {
  const reference = spec['boundObjectRef'];
  if (!isObject(reference)) return {};
  const kind = textAt(reference, 'kind');
  const bound = BOUND_KINDS[kind];
  const name = textAt(reference, 'name');
  if (bound === undefined) throw badRequest(`spec.boundObjectRef: cannot bind to objects of kind ${kind}`);
  const object = r.parts.store.get(storageKey('', bound.plural), bound.key === 'node' ? '' : namespace, name);
  const plural = { group: '', plural: bound.plural };
  if (object === undefined) throw conflict(plural, name, 'the object to bind the token to does not exist');
  const uid = textAt(reference, 'uid');
  if (uid !== '' && uid !== object.metadata.uid) {
    throw conflict(
      plural,
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record (${object.metadata.uid})`,
    );
  }
  if (bound.key === 'pod' && textAt(object, 'spec', 'serviceAccountName') !== account) {
    throw badRequest(
      `cannot bind token for serviceaccount "${account}" to pod running with different serviceaccount name`,
    );
  }
  const self = { name, uid: object.metadata.uid };
  if (bound.key !== 'pod') return { [bound.key]: self };
  const node = r.parts.store.get(storageKey('', 'nodes'), '', textAt(object, 'spec', 'nodeName'));
  return { pod: self, ...(node === undefined ? {} : { node: { name: node.metadata.name, uid: node.metadata.uid } }) };
}

/** Binding: the one way a pod gets its node. */
export function bindPod(r: ApiRequest): Reply {
  if (r.target.verb !== 'create') throw methodNotAllowed();
  const pod = existing(r);
  const binding = bodyOf(r);
  const node = textAt(binding, 'target', 'name');
  if (node === '') throw badRequest('target.name: Required value');
  if (textAt(pod, 'spec', 'nodeName') !== '') {
    throw conflict(
      r.info,
      pod.metadata.name,
      `pod ${pod.metadata.name} is already assigned to node "${textAt(pod, 'spec', 'nodeName')}"`,
    );
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    throw conflict(
      r.info,
      pod.metadata.name,
      `pod ${pod.metadata.name} is being deleted, cannot be assigned to a host`,
    );
  }
  const now = `${r.parts.now().toISOString().slice(0, 19)}Z`;
  const others = listAt(pod, 'status', 'conditions').filter((c) => textAt(c, 'type') !== 'PodScheduled');
  const conditions = [
    ...others,
    { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: now },
  ];
  r.parts.store.put(storageOf(r), {
    ...pod,
    spec: { ...mapAt(pod, 'spec'), nodeName: node },
    status: { ...mapAt(pod, 'status'), conditions },
  });
  return created();
}

const created = (): Reply =>
  json({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }, 201);

/** Eviction: a deletion that asks the disruption budgets first. */
export function evictPod(r: ApiRequest): Reply {
  if (r.target.verb !== 'create') throw methodNotAllowed();
  const pod = existing(r);
  const eviction = bodyOf(r);
  const budgets = r.parts.store.list(storageKey('policy', 'poddisruptionbudgets'), pod.metadata.namespace);
  const blocked = budgets.find(
    (budget) => selects(budget, pod) && (numberAt(budget, 'status', 'disruptionsAllowed') ?? 0) <= 0,
  );
  const running = !['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase'));
  if (blocked !== undefined && running) {
    throw tooManyRequests(
      `Cannot evict pod as it would violate the pod's disruption budget ${blocked.metadata.name}.`,
      10,
    );
  }
  removeObject(writeContext(r), r.info, pod, deleteOptions(mapAt(eviction, 'deleteOptions'), r.query));
  return created();
}

function selects(budget: ApiObject, pod: ApiObject): boolean {
  const selector = at(budget, 'spec', 'selector');
  return isObject(selector ?? null) && matchLabelSelector(selector as never, pod.metadata.labels ?? {});
}

/** Debug containers: the only part of a running pod's spec that grows. */
export function ephemeralContainers(r: ApiRequest): Reply {
  if (r.target.verb === 'get') return json(existing(r));
  if (r.target.verb !== 'patch' && r.target.verb !== 'update') throw methodNotAllowed();
  return patchObject({ ...r, target: { ...r.target, subresource: '' } });
}

/** `PUT namespaces/X/finalize`: replaces spec.finalizers and nothing else. */
export function finalizeNamespace(r: ApiRequest): Reply {
  if (r.target.verb !== 'update') throw methodNotAllowed();
  const namespace = existing(r);
  const finalizers = [...listAt(bodyOf(r), 'spec', 'finalizers')];
  const changed = { ...namespace, spec: { ...mapAt(namespace, 'spec'), finalizers } } as ApiObject;
  if (sameJson(changed, namespace)) return json(namespace);
  if (isFinished(changed)) {
    r.parts.store.remove(storageOf(r), '', namespace.metadata.name);
    return json(changed);
  }
  return json(r.parts.store.put(storageOf(r), changed));
}
