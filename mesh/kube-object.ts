/** The parts of Kubernetes objects that `derive` reads, and what it gives back. */
import type { LabelSelector } from './derive/label-selector.ts';
import type { ExternalAuthorizer, PathNormalization } from './http-policy/model.ts';
import type { WaypointResource } from './l7/model.ts';
import type { Address, Authorization } from './model.ts';
import type { RouteStatus } from './route/derive/status.ts';
import { DEFAULT_MESH_TELEMETRY, type MeshTelemetry } from './telemetry/derive/mesh-telemetry.ts';

export type OwnerReference = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid?: string;
  readonly controller?: boolean;
};

export type KubeMetadata = {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly generateName?: string;
};

/** Any object of the Kubernetes API; everything beyond the metadata is read with care. */
export type KubeObject = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: KubeMetadata;
  readonly [field: string]: unknown;
};

/** What names an object; enough to remove it. */
export type KubeObjectRef = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
};

/** Of an `apiVersion`: `apps` of `apps/v1`; the core group, of `v1`, has no name. */
export function groupOf(apiVersion: string): string {
  return apiVersion.slice(0, Math.max(apiVersion.indexOf('/'), 0));
}

/** The mesh-wide settings that derivation depends on. */
export type MeshConfig = {
  readonly trustDomain: string;
  /** Other trust domains whose identities count as ours in policies. */
  readonly trustDomainAliases: readonly string[];
  readonly rootNamespace: string;
  readonly clusterId: string;
  readonly clusterDomain: string;
  /** Network of this cluster; '' is the default network. */
  readonly network: string;
  /** Which control plane this is: objects labelled for another do not count. '' takes all. */
  readonly revision: string;
  /** Objects in namespaces that none of these selects do not count; without selectors all do. */
  readonly discoverySelectors: readonly LabelSelector[];
  /** Undefined: everybody sees every ServiceEntry. */
  readonly serviceEntryVisibility: VisibilityRules | undefined;
  readonly pathNormalization: PathNormalization;
  /** Whether waypoints tell callers the receipt of a denial (`ambit.receiptHeader`). */
  readonly receiptHeader: boolean;
  /** Whom policies of action CUSTOM can ask. */
  readonly authorizers: readonly ExternalAuthorizer[];
  readonly telemetry: MeshTelemetry;
};

/** Who sees a service: everybody, its own namespace, or nobody at all. */
export type Visibility = 'PUBLIC' | 'NAMESPACE' | 'NONE';

/** The first policy all of whose selectors hold for the labels of the namespace counts, else the default. */
export type VisibilityRules = {
  readonly default: Visibility;
  readonly policies: readonly { readonly visibility: Visibility; readonly namespaces: readonly LabelSelector[] }[];
};

export const DEFAULT_MESH_CONFIG: MeshConfig = {
  trustDomain: 'cluster.local',
  trustDomainAliases: [],
  rootNamespace: 'istio-system',
  clusterId: 'Kubernetes',
  clusterDomain: 'cluster.local',
  network: '',
  revision: '',
  discoverySelectors: [],
  serviceEntryVisibility: undefined,
  pathNormalization: 'BASE',
  receiptHeader: false,
  authorizers: [],
  telemetry: DEFAULT_MESH_TELEMETRY,
};

/** A status condition that should now stand on an object (or, with status undefined, be taken off it). */
export type ConditionChange = {
  readonly object: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    readonly generation?: number;
  };
  readonly type: string;
  readonly status: 'True' | 'False' | undefined;
  readonly reason: string;
  readonly message: string;
};

/** What one change to the inputs changed in the outputs. */
export type Delta = {
  readonly addresses: { readonly upserted: readonly Address[]; readonly removed: readonly string[] };
  readonly authorizations: { readonly upserted: readonly Authorization[]; readonly removed: readonly string[] };
  readonly waypoints: { readonly upserted: readonly WaypointResource[]; readonly removed: readonly string[] };
  readonly conditions: readonly ConditionChange[];
  /** What should now stand on routes, and on policies of Gateway API: for them, parents are ancestors. */
  readonly routes: readonly RouteStatus[];
};
