/**
 * Validates objects of our kinds, and our labels and annotations on any object: what must be refused, and what is legal but
 * seldom meant. The webhook refuses and warns with it, the command line reports it. Pure; never throws, whatever the object.
 */
import type { KubeObject } from '../kube-object.ts';
import { validateAuthorizationPolicy } from './authorization-policy.ts';
import { Findings, type Validation } from './findings.ts';
import { validatePeerAuthentication } from './peer-authentication.ts';
import { closest } from './shape.ts';
import { groupOf, type Surroundings } from './surroundings.ts';

type Validator = (object: KubeObject, around: Surroundings, found: Findings) => void;

const KINDS: Readonly<Record<string, Validator>> = {
  'security.istio.io/AuthorizationPolicy': validateAuthorizationPolicy,
  'security.istio.io/PeerAuthentication': validatePeerAuthentication,
};

const TOP_LEVEL = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];

/** `around` is what is known of the rest of the mesh; the object itself may be among it, in an older form. */
export function validate(object: KubeObject, around: Surroundings): Validation {
  const found = new Findings();
  const validator = KINDS[`${groupOf(object.apiVersion)}/${object.kind}`];
  if (validator !== undefined) {
    for (const name of Object.keys(object)) {
      if (TOP_LEVEL.includes(name)) continue;
      const near = closest(name, TOP_LEVEL);
      found.error(name, `unknown field${near === undefined ? '' : `; did you mean ${near}?`}`, 'unknown-field');
    }
    validator(object, around, found);
  }
  return { errors: found.errors, warnings: found.warnings };
}
