/**
 * What the controller tells a waypoint, beside the addresses of the mesh: plain data, in just the JSON form of the messages of
 * `core/xds/proto/ambit/waypoint/v1`, which has the rule for versions.
 */
import type { ExternalAuthorizer, HttpPolicy, JwtAuthentication, PathNormalization } from '../http-policy/model.ts';
import type { AppProtocol } from '../model.ts';
import type { BackendPolicy } from '../resilience/model.ts';
import type { PortRoutes } from '../route/model.ts';
import type { TelemetryConfig } from '../telemetry/model.ts';

/** What this code can read; see `min_revision` in the schema. */
export const WAYPOINT_REVISION = 4;

export type WaypointResource = {
  readonly minRevision: number;
  /** `<namespace>/<gateway>`, then `/service/<namespace>/<hostname>` or `/workload/<uid>`. */
  readonly name: string;
  readonly gateway?: GatewayConfig;
  readonly service?: ServiceConfig;
  readonly workload?: WorkloadConfig;
};

export type GatewayConfig = {
  readonly namespace: string;
  readonly name: string;
  /** The trust domain, then its aliases. */
  readonly trustDomains: readonly string[];
  readonly pathNormalization: PathNormalization;
  /** For all that comes through it. */
  readonly policies: readonly HttpPolicy[];
  readonly authentications: readonly JwtAuthentication[];
  /** Whom its policies ask. */
  readonly authorizers: readonly ExternalAuthorizer[];
  /** Keys of the services whose addresses it needs for that. */
  readonly references: readonly string[];
  /** How it treats the endpoints of those services; those without a policy are missing. */
  readonly backends: readonly BackendPolicy[];
  /** Absent: numbers, and no more. */
  readonly telemetry?: TelemetryConfig;
  /** Denials carry the id of their receipt. */
  readonly receiptHeader: boolean;
};

export type ServiceConfig = {
  readonly namespace: string;
  readonly hostname: string;
  readonly ports: readonly PortConfig[];
  /** Keys of the services whose addresses it needs, its own among them. */
  readonly references: readonly string[];
  /** Beside those of the gateway. */
  readonly policies: readonly HttpPolicy[];
  readonly authentications: readonly JwtAuthentication[];
  readonly authorizers: readonly ExternalAuthorizer[];
  /** How it treats the endpoints of the services that it sends to; those without a policy are missing. */
  readonly backends: readonly BackendPolicy[];
  /** Instead of the gateway's. */
  readonly telemetry?: TelemetryConfig;
};

export type PortConfig = {
  readonly port: number;
  readonly protocol: AppProtocol;
  /** Absent: everything goes to the service itself. */
  readonly routes?: PortRoutes;
};

export type WorkloadConfig = { readonly uid: string };

/** The gateway that a resource is for: the first two parts of its name. */
export function gatewayOfResource(name: string): string {
  const slash = name.indexOf('/', name.indexOf('/') + 1);
  return slash < 0 ? name : name.slice(0, slash);
}
