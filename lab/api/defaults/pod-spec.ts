/** Defaults of a pod's spec, also inside the templates of workloads (spec section 11). */
import { childOf, defaultTo, listAt, mapAt, textAt } from '../object.ts';
import { isObject, type Json, type JsonObject } from '../pure/index.ts';

/** 0644: the mode of files in volumes made from objects. */
const FILE_MODE = 0o644;
const TOKEN_TTL_SECONDS = 3600;

const objects = (parent: JsonObject, key: string): readonly JsonObject[] => listAt(parent, key).filter(isObject);

function defaultProbe(container: JsonObject, key: string): void {
  const probe = container[key];
  if (!isObject(probe)) return;
  defaultTo(probe, 'timeoutSeconds', 1);
  defaultTo(probe, 'periodSeconds', 10);
  defaultTo(probe, 'successThreshold', 1);
  defaultTo(probe, 'failureThreshold', 3);
  defaultHttpGet(probe);
}

function defaultHttpGet(handler: JsonObject): void {
  const { httpGet, grpc } = handler;
  if (isObject(httpGet)) {
    defaultTo(httpGet, 'path', '/');
    defaultTo(httpGet, 'scheme', 'HTTP');
  }
  if (isObject(grpc)) defaultTo(grpc, 'service', '');
}

/** `Always` for a moving tag: the answer of upstream's kubelet to a tag that may mean something new. */
function pullPolicy(image: string): string {
  const name = image.split('@');
  if (name.length > 1) return 'IfNotPresent';
  const tag = /:([^:/]+)$/.exec(image)?.[1];
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent';
}

function defaultContainer(container: JsonObject): void {
  defaultTo(container, 'resources', {});
  defaultTo(container, 'terminationMessagePath', '/dev/termination-log');
  defaultTo(container, 'terminationMessagePolicy', 'File');
  defaultTo(container, 'imagePullPolicy', pullPolicy(textAt(container, 'image')));
  for (const port of objects(container, 'ports')) defaultTo(port, 'protocol', 'TCP');
  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe']) defaultProbe(container, probe);
  for (const hook of Object.values(mapAt(container, 'lifecycle'))) if (isObject(hook)) defaultHttpGet(hook);
  for (const env of objects(container, 'env')) {
    const fieldRef = mapAt(env, 'valueFrom')['fieldRef'];
    if (isObject(fieldRef)) defaultTo(fieldRef, 'apiVersion', 'v1');
  }
  const resources = childOf(container, 'resources');
  if (isObject(resources['limits'])) {
    const requests = childOf(resources, 'requests');
    for (const [name, limit] of Object.entries(resources['limits'])) defaultTo(requests, name, limit);
  }
}

function defaultDownward(source: JsonObject): void {
  for (const item of objects(source, 'items')) {
    if (isObject(item['fieldRef'])) defaultTo(item['fieldRef'], 'apiVersion', 'v1');
  }
}

const SOURCES = ['configMap', 'secret', 'downwardAPI', 'projected'] as const;

function defaultVolume(volume: JsonObject): void {
  if (Object.keys(volume).length === 1) volume['emptyDir'] = {}; // only a name: an empty folder
  for (const key of SOURCES) {
    const source = volume[key];
    if (isObject(source)) defaultTo(source, 'defaultMode', FILE_MODE);
  }
  if (isObject(volume['hostPath'])) defaultTo(volume['hostPath'], 'type', '');
  if (isObject(volume['downwardAPI'])) defaultDownward(volume['downwardAPI']);
  for (const source of objects(mapAt(volume, 'projected'), 'sources')) {
    const { serviceAccountToken, downwardAPI } = source;
    if (isObject(serviceAccountToken)) defaultTo(serviceAccountToken, 'expirationSeconds', TOKEN_TTL_SECONDS);
    if (isObject(downwardAPI)) defaultDownward(downwardAPI);
  }
}

/** Completes a pod spec. `restartPolicy` of jobs has no default, so it is passed. */
export function defaultPodSpec(spec: JsonObject, restartPolicy: Json | undefined = 'Always'): void {
  if (restartPolicy !== undefined) defaultTo(spec, 'restartPolicy', restartPolicy);
  defaultTo(spec, 'dnsPolicy', 'ClusterFirst');
  defaultTo(spec, 'terminationGracePeriodSeconds', 30);
  defaultTo(spec, 'securityContext', {});
  defaultTo(spec, 'schedulerName', 'default-scheduler');
  if (textAt(spec, 'serviceAccountName') !== '') defaultTo(spec, 'serviceAccount', textAt(spec, 'serviceAccountName'));
  else if (textAt(spec, 'serviceAccount') !== '') spec['serviceAccountName'] = textAt(spec, 'serviceAccount');
  for (const list of ['initContainers', 'containers', 'ephemeralContainers']) {
    for (const container of objects(spec, list)) {
      defaultContainer(container);
      // Ports of a pod in its node's network are the node's.
      if (spec['hostNetwork'] === true) {
        for (const port of objects(container, 'ports')) defaultTo(port, 'hostPort', port['containerPort'] ?? 0);
      }
    }
  }
  for (const volume of objects(spec, 'volumes')) defaultVolume(volume);
}
