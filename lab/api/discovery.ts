/** Which groups, versions and types there are: in one document, or in the older one for each group (spec section 3). */
import type { Accepted } from './http/accept.ts';
import { json, type Reply } from './http/reply.ts';
import { apiVersionOf, type Json, type JsonObject, type ResourceInfo } from './pure/index.ts';
import { SUBRESOURCES, splitApiVersion } from './resources/kinds.ts';
import type { Group, GroupVersion, Registry } from './resources/registry.ts';

/** Without these parameters clients misread the document as an old one. */
const AGGREGATED_TYPE = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** What to report for `GET /version`; charts compare it, so it has upstream's form. */
export const VERSION: JsonObject = {
  major: '1',
  minor: '35',
  emulationMajor: '1',
  emulationMinor: '35',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '34',
  gitVersion: 'v1.35.0',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '2025-12-17T00:00:00Z',
  goVersion: 'none',
  compiler: 'node',
  platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
};

/** Answers the discovery paths; undefined for others. */
export function discover(registry: Registry, path: string, accepted: Accepted): Reply | undefined {
  const parts = path.split('/').filter((part) => part !== '');
  const [prefix, group, version] = parts;
  const groups = registry.groups();
  if (prefix === 'api') {
    const core = groups.filter((g) => g.name === '');
    if (parts.length === 1) return accepted.form === 'aggregated-discovery' ? aggregated(core) : json(coreVersions());
    const found = core.flatMap((g) => g.versions).find((v) => v.version === group);
    return parts.length === 2 && found !== undefined ? json(resourceList(found)) : undefined;
  }
  if (prefix !== 'apis') return undefined;
  const named = groups.filter((g) => g.name !== '');
  if (parts.length === 1) {
    return accepted.form === 'aggregated-discovery'
      ? aggregated(named)
      : json({ kind: 'APIGroupList', apiVersion: 'v1', groups: named.map(apiGroup) });
  }
  const found = named.find((g) => g.name === group);
  if (found === undefined) return undefined;
  if (parts.length === 2) return json({ kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(found) });
  const groupVersion = found.versions.find((v) => v.version === version);
  return parts.length === 3 && groupVersion !== undefined ? json(resourceList(groupVersion)) : undefined;
}

function coreVersions(): Json {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
}

function apiGroup(group: Group): JsonObject {
  const versions = group.versions.map((v) => ({ groupVersion: apiVersionOf(v), version: v.version }));
  return { name: group.name, versions, preferredVersion: versions[0] ?? {} };
}

/** The kind a subresource speaks: its own, or that of its resource. */
function subresourceKind(info: ResourceInfo, sub: string): { group: string; version: string; kind: string } {
  const own = SUBRESOURCES[sub];
  const { group, version } = own?.apiVersion === undefined ? info : splitApiVersion(own.apiVersion);
  return { group, version, kind: own?.kind ?? info.kind };
}

function resourceList(groupVersion: GroupVersion): Json {
  const resources = groupVersion.resources.flatMap((info) => [
    {
      name: info.plural,
      singularName: info.singular,
      namespaced: info.namespaced,
      kind: info.kind,
      verbs: [...info.verbs],
      ...(info.shortNames.length > 0 ? { shortNames: [...info.shortNames] } : {}),
      ...(info.categories.length > 0 ? { categories: [...info.categories] } : {}),
    },
    ...info.subresources.map((sub) => ({
      name: `${info.plural}/${sub}`,
      singularName: '',
      namespaced: info.namespaced,
      ...subresourceKind(info, sub),
      verbs: [...(SUBRESOURCES[sub]?.verbs ?? [])],
    })),
  ]);
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersionOf(groupVersion), resources };
}

function aggregated(groups: readonly Group[]): Reply {
  const body: Json = {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map((group) => ({
      metadata: { name: group.name, creationTimestamp: null },
      versions: group.versions.map((version) => ({
        version: version.version,
        freshness: 'Current',
        resources: version.resources.map(aggregatedResource),
      })),
    })),
  };
  return { kind: 'json', code: 200, body, contentType: AGGREGATED_TYPE };
}

function aggregatedResource(info: ResourceInfo): JsonObject {
  const { group, version, kind } = info;
  return {
    resource: info.plural,
    responseKind: { group, version, kind },
    scope: info.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: info.singular,
    verbs: [...info.verbs],
    ...(info.shortNames.length > 0 ? { shortNames: [...info.shortNames] } : {}),
    ...(info.categories.length > 0 ? { categories: [...info.categories] } : {}),
    subresources: info.subresources.map((sub) => ({
      subresource: sub,
      responseKind: subresourceKind(info, sub),
      verbs: [...(SUBRESOURCES[sub]?.verbs ?? [])],
    })),
  };
}
