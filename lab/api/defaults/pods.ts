/** Pods: defaults, the service account they run as, and what may change later. */
import { type ApiObject, at, childOf, defaultTo, listAt, mapAt, sameJson, textAt } from '../object.ts';
import { ApiStatusError, type Cause, isObject, type Json, type JsonObject } from '../pure/index.ts';
import { storageKey } from '../store/store.ts';
import { defaultPodSpec } from './pod-spec.ts';
import { forbiddenValue, invalidValue, required, type Strategy, type WriteContext } from './strategy.ts';

const TOKEN_MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Upstream's own time to live for the token that every pod gets. */
const POD_TOKEN_TTL_SECONDS = 3607;

function qosClass(spec: JsonObject): string {
  const containers = [...listAt(spec, 'containers'), ...listAt(spec, 'initContainers')];
  const sets = containers.map((c) => ({
    requests: mapAt(c, 'resources', 'requests'),
    limits: mapAt(c, 'resources', 'limits'),
  }));
  if (sets.every((s) => Object.keys(s.requests).length === 0 && Object.keys(s.limits).length === 0))
    return 'BestEffort';
  const guaranteed = sets.every(
    (s) =>
      ['cpu', 'memory'].every((r) => s.limits[r] !== undefined) && sameJson({ ...s.limits, ...s.requests }, s.limits),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

/** Gives the pod its account's token, as the admission of a real cluster does. */
function useServiceAccount(pod: ApiObject, { store }: WriteContext): void {
  const spec = childOf(pod, 'spec');
  if (textAt(spec, 'serviceAccountName') === '') {
    spec['serviceAccountName'] = 'default';
    spec['serviceAccount'] = 'default';
  }
  const name = textAt(spec, 'serviceAccountName');
  const namespace = pod.metadata.namespace ?? '';
  const account = store.get(storageKey('', 'serviceaccounts'), namespace, name);
  if (account === undefined) {
    throw new ApiStatusError(
      403,
      'Forbidden',
      `pods "${pod.metadata.name}" is forbidden: error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`,
      { name: pod.metadata.name, kind: 'pods' },
    );
  }
  const pullSecrets = listAt(account, 'imagePullSecrets');
  if (pullSecrets.length > 0) defaultTo(spec, 'imagePullSecrets', structuredClone([...pullSecrets]));
  const mount = at(spec, 'automountServiceAccountToken') ?? at(account, 'automountServiceAccountToken') ?? true;
  if (mount !== false) mountToken(spec);
}

function mountToken(spec: JsonObject): void {
  const lists = ['containers', 'initContainers'].flatMap((key) => listAt(spec, key)).filter(isObject);
  const without = lists.filter((c) => !listAt(c, 'volumeMounts').some((m) => textAt(m, 'mountPath') === TOKEN_MOUNT));
  if (without.length === 0) return;
  const volume = `kube-api-access-${suffix()}`;
  for (const container of without) {
    container['volumeMounts'] = [
      ...listAt(container, 'volumeMounts'),
      { name: volume, readOnly: true, mountPath: TOKEN_MOUNT },
    ];
  }
  const sources: Json[] = [
    { serviceAccountToken: { expirationSeconds: POD_TOKEN_TTL_SECONDS, path: 'token' } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    {
      downwardAPI: {
        items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
      },
    },
  ];
  spec['volumes'] = [...listAt(spec, 'volumes'), { name: volume, projected: { sources, defaultMode: 0o644 } }];
}

/** Five characters without vowels, so that no words come out. */
export function suffix(random: () => number = Math.random): string {
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
  return Array.from({ length: 5 }, () => alphabet[Math.floor(random() * alphabet.length)]).join('');
}

/** Containers without their images, and the few fields that may change: what must stay equal on an update. */
function frozenPart(spec: Json | undefined): Json {
  const rest = structuredClone(mapAt(spec)) as JsonObject;
  for (const key of ['activeDeadlineSeconds', 'tolerations', 'terminationGracePeriodSeconds', 'ephemeralContainers']) {
    delete rest[key];
  }
  for (const key of ['containers', 'initContainers']) {
    if (Array.isArray(rest[key])) rest[key] = listAt(rest, key).map((c) => ({ ...mapAt(c), image: '' }));
  }
  return rest;
}

function containerProblems(spec: Json | undefined, field: string): readonly Cause[] {
  const causes: Cause[] = [];
  const names = new Set<string>();
  const volumes = new Set(listAt(spec, 'volumes').map((v) => textAt(v, 'name')));
  if (listAt(spec, 'containers').length === 0) causes.push(required(`${field}.containers`));
  for (const list of ['containers', 'initContainers', 'ephemeralContainers']) {
    listAt(spec, list).forEach((container, i) => {
      const path = `${field}.${list}[${i}]`;
      const name = textAt(container, 'name');
      if (name === '') causes.push(required(`${path}.name`));
      else if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) {
        causes.push(invalidValue(`${path}.name`, name, 'must be a lowercase RFC 1123 label'));
      } else if (names.has(name)) {
        causes.push({ reason: 'FieldValueDuplicate', field: `${path}.name`, message: `Duplicate value: "${name}"` });
      }
      names.add(name);
      if (textAt(container, 'image') === '') causes.push(required(`${path}.image`));
      listAt(container, 'volumeMounts').forEach((mount, m) => {
        const volume = textAt(mount, 'name');
        if (volumes.has(volume)) return;
        causes.push({
          reason: 'FieldValueInvalid',
          field: `${path}.volumeMounts[${m}].name`,
          message: `Not found: "${volume}"`,
        });
      });
    });
  }
  return causes;
}

/** The rules of a pod spec, at `field` of the object that holds it. */
export const podSpecProblems = containerProblems;

export const pods: Strategy = {
  prepare(pod, old, context) {
    const spec = childOf(pod, 'spec');
    defaultPodSpec(spec);
    defaultTo(spec, 'enableServiceLinks', true);
    if (old !== undefined) return;
    useServiceAccount(pod, context);
    pod['status'] = { phase: 'Pending', qosClass: qosClass(spec) };
  },
  validate(pod, old) {
    const causes = [...containerProblems(at(pod, 'spec'), 'spec')];
    if (old !== undefined && !sameJson(frozenPart(at(pod, 'spec')), frozenPart(at(old, 'spec')))) {
      const why =
        'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations`,`spec.terminationGracePeriodSeconds` (a node is given through pods/binding)';
      causes.push(forbiddenValue('spec', why));
    }
    return causes;
  },
};
