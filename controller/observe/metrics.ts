/** The controller's metrics, by the reference's names (controller.md sections 5.6 and 6.7). */
import type { Counter, Gauge, Histogram, Registry } from '../../core/telemetry/index.ts';

export type AuthorityMetrics = {
  readonly requests: Counter;
  readonly authenticationFailures: Counter;
  readonly csrErrors: Counter;
  readonly signErrors: Counter;
  readonly issued: Counter;
};

export type WebhookMetrics = {
  readonly allowed: (group: string, resource: string) => void;
  readonly refused: (group: string, resource: string) => void;
  readonly httpError: (status: number) => void;
  readonly configurationUpdated: () => void;
  readonly configurationError: () => void;
};

export type WaypointsMetrics = {
  /** An object of a waypoint was written. */
  readonly applied: (kind: string) => void;
  /** A Gateway did not become a waypoint. */
  readonly refused: (reason: string) => void;
};

export type ControllerMetrics = {
  readonly waypoints: WaypointsMetrics;
  readonly webhook: WebhookMetrics;
  readonly authority: AuthorityMetrics;
  readonly clients: Gauge;
  readonly services: Gauge;
  readonly unboundPods: Gauge;
  readonly rootExpiry: (notAfterMs: number, nowMs: number) => void;
  readonly rejected: (typeUrl: string) => void;
  readonly inbound: (kind: string) => void;
  readonly triggered: (kind: string) => void;
  readonly pushed: (type: string) => void;
  readonly debounce: Histogram;
};

const DEBOUNCE_BOUNDS_S = [0.01, 0.1, 0.2, 0.5, 1, 3, 5, 10, 20, 30];

export function controllerMetrics(registry: Registry, version: string, now: () => number): ControllerMetrics {
  const counter = (name: string, help: string) => registry.counter(name, help).labels([]);
  const rejects = registry.counter('pilot_total_xds_rejects', 'Pushes that clients refused.', ['type']);
  const inbound = registry.counter('pilot_inbound_updates', 'Changes of inputs.', ['type']);
  const triggers = registry.counter('pilot_push_triggers', 'What led to a push.', ['type']);
  const pushes = registry.counter('pilot_xds_pushes', 'Rounds of changes handed to the clients.', ['type']);
  const expiry = registry.gauge('citadel_server_root_cert_expiry_timestamp', 'When the root ends, seconds since 1970.');
  const expirySeconds = registry.gauge('citadel_server_root_cert_expiry_seconds', 'Seconds until the root ends.');
  registry.gauge('pilot_info', 'Version of this control plane.', ['version']).labels([version]).set(1);
  const uptime = registry.gauge('istiod_uptime_seconds', 'Seconds since start.').labels([]);
  const started = now();
  registry.onCollect(() => uptime.set((now() - started) / 1000));
  const applied = registry.counter('ambit_waypoint_objects_applied', 'Objects of waypoints written (unstable).', [
    'kind',
  ]);
  const refused = registry.counter('ambit_waypoints_refused', 'Gateways that did not become waypoints (unstable).', [
    'reason',
  ]);
  return {
    waypoints: {
      applied: (kind) => applied.labels([kind]).inc(),
      refused: (reason) => refused.labels([reason]).inc(),
    },
    webhook: webhookMetrics(registry),
    authority: {
      requests: counter('citadel_server_csr_count', 'Certificate requests.'),
      authenticationFailures: counter('citadel_server_authentication_failure_count', 'Callers that were refused.'),
      csrErrors: counter('citadel_server_csr_parsing_err_count', 'Malformed certificate requests.'),
      signErrors: registry
        .counter('citadel_server_csr_sign_err_count', 'Signatures that failed.', ['error'])
        .labels(['signing']),
      issued: counter('citadel_server_success_cert_issuance_count', 'Certificates issued.'),
    },
    clients: registry.gauge('pilot_xds', 'Connected clients.', ['version']).labels([version]),
    services: registry.gauge('pilot_services', 'Services known.').labels([]),
    unboundPods: registry
      .gauge(
        'ambit_pods_without_their_waypoint',
        'Pods that ask for a waypoint and do not get it; /debug/ambientz says why.',
      )
      .labels([]),
    rootExpiry: (notAfterMs, nowMs) => {
      expiry.labels([]).set(notAfterMs / 1000);
      expirySeconds.labels([]).set((notAfterMs - nowMs) / 1000);
    },
    rejected: (typeUrl) => rejects.labels([typeUrl]).inc(),
    inbound: (kind) => inbound.labels([kind]).inc(),
    triggered: (kind) => triggers.labels([kind]).inc(),
    pushed: (type) => pushes.labels([type]).inc(),
    debounce: registry
      .histogram('pilot_debounce_time', 'Seconds from the first change to its push.', [], DEBOUNCE_BOUNDS_S)
      .labels([]),
  };
}

/** By the names that dashboards of the reference know. */
function webhookMetrics(registry: Registry): WebhookMetrics {
  const kind = ['group', 'resource'];
  const passed = registry.counter('galley_validation_passed', 'Objects that were found good.', kind);
  const failed = registry.counter('galley_validation_failed', 'Objects that were refused.', kind);
  const errors = registry.counter('galley_validation_http_error', 'Requests that were no review.', ['status']);
  const updates = registry.counter('galley_validation_config_updates', 'Changes to our registration.').labels([]);
  const problems = registry.counter('galley_validation_config_update_error', 'Changes that failed.').labels([]);
  return {
    // Whoever reaches the port may name anything: only what we validate gets a series of its own.
    allowed: (group, resource) => passed.labels(labelled(group, resource)).inc(),
    refused: (group, resource) => failed.labels(labelled(group, resource)).inc(),
    httpError: (status) => errors.labels([String(status)]).inc(),
    configurationUpdated: () => updates.inc(),
    configurationError: () => problems.inc(),
  };
}

const VALIDATED: ReadonlySet<string> = new Set([
  'security.istio.io/authorizationpolicies',
  'security.istio.io/peerauthentications',
  'security.istio.io/requestauthentications',
  'networking.istio.io/serviceentries',
  'networking.istio.io/workloadentries',
  '/services',
  '/namespaces',
]);

function labelled(group: string, resource: string): [string, string] {
  return VALIDATED.has(`${group}/${resource}`) ? [group, resource] : ['other', 'other'];
}
