/**
 * Validates objects of our kinds, and our labels and annotations on any object: what must be refused, and what is legal but
 * seldom meant. The webhook refuses and warns with it, the command line reports it. Pure; never throws, whatever the object.
 */
import { nearest } from '../analyze/edit-distance.ts';
import { groupOf, type KubeObject } from '../kube-object.ts';
import { readGrpcRoute } from '../route/derive/grpc-route.ts';
import { readHttpRoute } from '../route/derive/http-route.ts';
import { readTcpRoute, readTlsRoute } from '../route/derive/stream-route.ts';
import { validateAuthorizationPolicy } from './authorization-policy.ts';
import { validateDestinationRule } from './destination-rule.ts';
import { Findings, type Validation } from './findings.ts';
import { validateMeshLabels } from './mesh-labels.ts';
import { validatePeerAuthentication } from './peer-authentication.ts';
import { validateRequestAuthentication } from './request-authentication.ts';
import { routeValidator } from './routes.ts';
import { validateServiceEntry } from './service-entry.ts';
import type { Surroundings } from './surroundings.ts';
import { validateTelemetry } from './telemetry.ts';
import { validateWorkloadEntry } from './workload-entry.ts';

type Validator = (object: KubeObject, around: Surroundings, found: Findings) => void;

const KINDS: Readonly<Record<string, Validator>> = {
  'security.istio.io/AuthorizationPolicy': validateAuthorizationPolicy,
  'security.istio.io/PeerAuthentication': validatePeerAuthentication,
  'security.istio.io/RequestAuthentication': validateRequestAuthentication,
  'networking.istio.io/ServiceEntry': validateServiceEntry,
  'networking.istio.io/WorkloadEntry': validateWorkloadEntry,
  'networking.istio.io/DestinationRule': validateDestinationRule,
  'telemetry.istio.io/Telemetry': validateTelemetry,
  'gateway.networking.k8s.io/HTTPRoute': routeValidator(readHttpRoute),
  'gateway.networking.k8s.io/GRPCRoute': routeValidator(readGrpcRoute),
  'gateway.networking.k8s.io/TCPRoute': routeValidator(readTcpRoute),
  'gateway.networking.k8s.io/TLSRoute': routeValidator(readTlsRoute),
};

const TOP_LEVEL = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];

/** `around` is what is known of the rest of the mesh; the object itself may be among it, in an older form. */
export function validate(object: KubeObject, around: Surroundings): Validation {
  const found = new Findings();
  const validator = KINDS[`${groupOf(object.apiVersion)}/${object.kind}`];
  if (validator !== undefined) {
    for (const name of Object.keys(object)) {
      if (TOP_LEVEL.includes(name) || found.isFull) continue;
      const near = nearest(name, TOP_LEVEL);
      found.error(name, `unknown field${near === undefined ? '' : `; did you mean ${near}?`}`, 'unknown-field');
    }
    validator(object, around, found);
  }
  validateMeshLabels(object, around, found);
  return { errors: found.errors, warnings: found.warnings };
}
