/**
 * Routes whose parents are services of the mesh (crds.md sections 15 to 17): what their CRDs can not say. A route that is for Gateways alone is
 * for whoever runs those; one that is for both is never refused, since the others may well have what waypoints do not.
 */
import { fields, isFields, list, text } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import type { BackendRef, ParentFacts, RouteFacts, RuleFacts } from '../route/derive/facts.ts';
import { isGranted, readGrant } from '../route/derive/grants.ts';
import { MAX_ATTEMPTS } from '../route/derive/http-route.ts';
import { durationMs } from '../route/derive/parts.ts';
import type { Findings } from './findings.ts';
import { findObject, type Surroundings } from './surroundings.ts';
import { waypointOf } from './waypoint.ts';

export function routeValidator(read: (object: KubeObject) => RouteFacts) {
  return (object: KubeObject, around: Surroundings, found: Findings): void => {
    const route = read(object);
    if (route.parents.length === 0) return;
    const spec = fields(object['spec']);
    const isOnlyOurs = route.parents.length === list(spec['parentRefs']).length;
    const wrong = (at: string, message: string) =>
      isOnlyOurs ? found.error(at, message) : found.warn('unusual', at, message);
    for (const [index, rule] of route.rules.entries()) {
      const at = `spec.rules[${index}]`;
      const written = fields(list(spec['rules'])[index]);
      tellProblems(rule, at, wrong, found);
      checkTimeouts(written['timeouts'], at, wrong);
      warnOfRetries(rule, written['retry'], at, found);
      warnOfWeights(rule, at, found);
      for (const { field, ref } of refsOf(rule, written)) warnOfBackend(route, ref, `${at}.${field}`, around, found);
    }
    if (route.kind !== 'TLSRoute' && list(spec['hostnames']).length > 0) {
      const message = 'mean nothing where the parent is a service: whatever is sent to the service counts, by any name';
      if (isOnlyOurs) found.warn('ignored', 'spec.hostnames', message);
    }
    for (const parent of route.parents) warnOfParent(parent, spec['parentRefs'], around, found);
  };
}

type Wrong = (at: string, message: string) => void;

const EFFECTS: Readonly<Record<RuleFacts['problems'][number]['effect'], string>> = {
  failed: 'requests of this rule are answered with 500',
  dropped: 'this match never matches',
};
/** Where in the rule, and what of it. */
const PROBLEM = /^([A-Za-z]+(?:\[\d+\])?(?:\.[A-Za-z]+(?:\[\d+\])?)*):? (.*)$/s;

function tellProblems(rule: RuleFacts, at: string, wrong: Wrong, found: Findings): void {
  for (const { message, effect, isUnsupported } of rule.problems) {
    const [, field = '', what = message] = PROBLEM.exec(message) ?? [];
    const where = field === '' ? at : `${at}.${field}`;
    if (isUnsupported === true) found.warn('ignored', where, `${what}: ${EFFECTS[effect]}`);
    else wrong(where, what);
  }
}

function checkTimeouts(written: unknown, at: string, wrong: Wrong): void {
  const { request, backendRequest } = fields(written);
  const [whole, each] = [durationMs(request), durationMs(backendRequest)];
  if (whole === undefined || each === undefined || whole === 0 || each <= whole) return;
  wrong(
    `${at}.timeouts.backendRequest`,
    `${text(backendRequest)} is longer than the whole request may take, ${text(request)}`,
  );
}

function warnOfRetries({ filters: { retry } }: RuleFacts, written: unknown, at: string, found: Findings): void {
  const { attempts } = fields(written);
  if (retry?.attempts !== MAX_ATTEMPTS || attempts === MAX_ATTEMPTS) return;
  found.warn(
    'unusual',
    `${at}.retry.attempts`,
    `${String(attempts)}: no request is tried again more than ${MAX_ATTEMPTS} times`,
  );
}

function warnOfWeights({ backends }: RuleFacts, at: string, found: Findings): void {
  if (backends.length === 0 || backends.some(({ weight }) => weight > 0)) return;
  found.warn('unusual', `${at}.backendRefs`, 'all weights are 0: requests of this rule are answered with 500');
}

type Ref = { readonly field: string; readonly ref: BackendRef };

function refsOf(rule: RuleFacts, written: ReturnType<typeof fields>): readonly Ref[] {
  const mirrored = list(written['filters']).flatMap((filter, i) =>
    isFields(fields(filter)['requestMirror']) ? [`filters[${i}].requestMirror.backendRef`] : [],
  );
  return [
    ...rule.backends.map(({ ref }, i) => ({ field: `backendRefs[${i}]`, ref })),
    ...rule.mirrors.flatMap(({ ref }, i) => (mirrored[i] === undefined ? [] : [{ field: mirrored[i], ref }])),
  ];
}

/** What will be told in the status as well; here whoever writes it learns it at once. */
function warnOfBackend(route: RouteFacts, ref: BackendRef, at: string, around: Surroundings, found: Findings): void {
  if (ref.group === 'networking.istio.io' && ref.kind === 'Hostname') return;
  if (ref.group !== '' || ref.kind !== 'Service') {
    found.warn('ignored', at, `a ${ref.kind} can not be a backend`);
    return;
  }
  const missing = isPermitted(route, ref, around)
    ? missingOf(ref, around)
    : `no ReferenceGrant lets ${route.kind}s of ${route.namespace} name ${nameOf(ref)}`;
  if (missing !== undefined) found.warn('missing-reference', at, missing);
}

const nameOf = ({ kind, namespace, name }: Pick<BackendRef, 'kind' | 'namespace' | 'name'>) =>
  `${kind} ${namespace}/${name}`;

function missingOf(ref: BackendRef, around: Surroundings): string | undefined {
  const service = findObject(around, 'Service', ref.namespace, ref.name);
  if (service === null) return `${nameOf(ref)} does not exist`;
  if (ref.port === undefined) return `${nameOf(ref)} is named without a port`;
  if (service === undefined || hasPort(service, ref.port)) return undefined;
  return `${nameOf(ref)} has no port ${ref.port}`;
}

/** A Service says `port`, a ServiceEntry `number`. */
function hasPort(object: KubeObject, wanted: number): boolean {
  const ports = list(fields(object['spec'])['ports']).map(fields);
  return ports.some(({ port, number }) => port === wanted || number === wanted);
}

/** Where grants are not known, nobody can say that there is none. */
function isPermitted(route: RouteFacts, { namespace, name }: BackendRef, around: Surroundings): boolean {
  if (namespace === route.namespace) return true;
  const objects = around.objects('ReferenceGrant', namespace);
  if (objects === undefined) return true;
  const isParent = route.parents.some(({ ref }) => ref.namespace === namespace && ref.name === name);
  const grants = [...objects].map(readGrant).flatMap((reading) => (reading.kind === 'facts' ? [reading.facts] : []));
  return isParent || isGranted(grants, route, { group: '', kind: 'Service', name });
}

function warnOfParent({ ref, written, port }: ParentFacts, all: unknown, around: Surroundings, found: Findings): void {
  const at = `spec.parentRefs[${list(all).indexOf(written)}]`;
  const held = findObject(around, ref.kind, ref.namespace, ref.name);
  if (held === undefined) return;
  if (held === null) {
    found.warn('missing-reference', at, `${nameOf(ref)} does not exist`);
    return;
  }
  if (port !== undefined && !hasPort(held, port)) {
    found.warn('missing-reference', `${at}.port`, `${nameOf(ref)} has no port ${port}`);
  }
  const waypoint = waypointOf(held, around);
  const end = 'nothing follows this route';
  if (waypoint.kind === 'none') found.warn('no-waypoint', at, `${nameOf(ref)} has no waypoint: ${end}`);
  if (waypoint.kind !== 'missing') return;
  found.warn('no-waypoint', at, `the waypoint of ${nameOf(ref)}, Gateway ${waypoint.gateway}, does not exist: ${end}`);
}
