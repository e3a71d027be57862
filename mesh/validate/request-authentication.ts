/** RequestAuthentication (crds.md section 4): tokens of requests, which waypoints check. */
import { fields, text as textOf } from '../derive/read.ts';
import { readRequestAuthentication } from '../http-policy/derive/request-authentication.ts';
import type { KubeObject } from '../kube-object.ts';
import { attachmentFields, onlyOneAttachment, targetsIn, warnOfSelector, warnOfTargets } from './attachment.ts';
import { duration } from './durations.ts';
import { type Findings, quote } from './findings.ts';
import { boolean, type Check, isSet, list, object, oneOf, present, text } from './shape.ts';
import type { Surroundings } from './surroundings.ts';

const MAX_RULES = 4096;
const MAX_URI = 2048;
const MAX_CLAIMS = 64;
/** Two spellings of one field. */
const KEY_SOURCES = ['jwks', 'jwksUri', 'jwks_uri'] as const;

const uri = text({
  min: 1,
  max: MAX_URI,
  reason: (written) => (isHttp(written) ? undefined : `${quote(written)} is no http or https URL`),
});

const headerName = text({
  min: 1,
  reason: (written) => (/^[-_A-Za-z0-9]+$/.test(written) ? undefined : `${quote(written)} is no name of a header`),
});

const keySet = text({
  reason: (written) => (isKeySet(written) ? undefined : 'is no JSON Web Key Set: a JSON object with a list "keys"'),
});

const jwtRule: Check = object(
  {
    issuer: text({ min: 1 }),
    audiences: list(text({ min: 1 })),
    jwksUri: uri,
    jwks_uri: uri,
    jwks: keySet,
    fromHeaders: list(object({ name: text({ min: 1 }), prefix: text() }, { required: ['name'] })),
    fromParams: list(text({ min: 1 })),
    fromCookies: list(text({ min: 1 })),
    outputPayloadToHeader: text(),
    outputClaimToHeaders: list(
      object({ header: headerName, claim: text({ min: 1 }) }, { required: ['header', 'claim'] }),
    ),
    forwardOriginalToken: boolean,
    timeout: duration,
    spaceDelimitedClaims: list(text(), { max: MAX_CLAIMS }),
    presence: oneOf('OPTIONAL', 'REQUIRED'),
  },
  {
    also: (value, at, found) => {
      const rule = fields(value);
      const keys = present(rule, KEY_SOURCES);
      if (keys.length > 1) found.error(at, `${keys.join(' and ')} together: keys can come from one place only`);
      if (textOf(rule['issuer']) === '' && !isSet(rule['jwksUri']) && !isSet(rule['jwks_uri'])) {
        found.error(at, 'needs an issuer or a jwksUri');
      }
    },
  },
);

const spec: Check = object(
  { ...attachmentFields, jwtRules: list(jwtRule, { max: MAX_RULES }) },
  { also: onlyOneAttachment },
);

export function validateRequestAuthentication(policy: KubeObject, around: Surroundings, found: Findings): void {
  if (isSet(policy['spec'])) spec(policy['spec'], 'spec', found);
  if (found.errors.length > 0) return;
  const written = fields(policy['spec']);
  const namespace = policy.metadata.namespace ?? '';
  warnOfSelector(written, namespace, around, found);
  warnOfTargets(written, namespace, around, found);
  if (targetsIn(written).length === 0) {
    found.warn(
      'no-waypoint',
      'spec',
      'ztunnel can not see tokens, and waypoints obey only targetRefs: nothing enforces this',
    );
  }
  for (const problem of readRequestAuthentication(policy, around.config)?.ruleProblems ?? []) {
    const end = problem.indexOf(': ');
    found.warn('never-matches', problem.slice(0, end), `${problem.slice(end + 2)}: tokens for this rule are refused`);
  }
}

function isHttp(written: string): boolean {
  const url = URL.parse(written);
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.host !== '';
}

function isKeySet(written: string): boolean {
  try {
    return Array.isArray(fields(JSON.parse(written))['keys']);
  } catch {
    return false; // no JSON
  }
}
