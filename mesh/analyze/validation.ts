/** What validation says of single objects, under the codes of analysis; what analysis itself says better is left to it. */
import { fields, labelsOf } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Problem, ProblemCode } from '../validate/findings.ts';
import { surroundingsOf } from '../validate/surroundings.ts';
import { validate } from '../validate/validate.ts';
import { boundTo } from './bindings.ts';
import type { Code } from './codes.ts';
import { type Finding, finding, refOf, some } from './finding.ts';
import type { World } from './world.ts';

type Warning = Exclude<ProblemCode, 'invalid'>;

/** Null: another family finds it, and says more. */
const WARNINGS: Readonly<Record<Warning, { readonly code: Code; readonly fix: string } | null>> = {
  'matches-nothing': null,
  'missing-reference': null,
  'http-only-deny': {
    code: 'AMB0104',
    fix: 'name the ports that it is about, or bind the policy to a waypoint with targetRefs',
  },
  'denies-more': { code: 'AMB0104', fix: 'take the HTTP fields out, or bind the policy to a waypoint with targetRefs' },
  'never-matches': {
    code: 'AMB0104',
    fix: 'take the HTTP fields out, or bind the policy to a waypoint with targetRefs',
  },
  'no-waypoint': { code: 'AMB0108', fix: 'make the waypoint, or select the pods themselves with spec.selector' },
  ignored: { code: 'AMB0108', fix: 'correct it, or take it away' },
  'denies-everything': { code: 'AMB0109', fix: 'nothing, if that is meant; else say what is to be denied' },
  'gone-around': {
    code: 'IST0133',
    fix: 'set pathNormalization: { normalization: MERGE_SLASHES } in the mesh configuration, unless all that is behind tells such paths apart',
  },
  unusual: { code: 'IST0133', fix: 'say what is meant in the usual way' },
  'unknown-field': { code: 'IST0133', fix: 'correct the name of the field, or take it away' },
};
/** What conditions of routes say, and analysis with them, needs no second finding. */
const ROUTES = ['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute'];
const HOSTNAMES = { code: 'AMB0714', fix: 'match the header Host, or take them away' } as const;
const NOTHING_SENT = { code: 'IST0133', fix: 'name a Secret in tls.credentialName, or take it away' } as const;
const SETTING_IGNORED = { code: 'AMB0716', fix: 'take it away, or do what the message says in its place' } as const;
const EMPTY_ENTRY = { code: 'IST0127', fix: 'correct its selector or endpoints, or take it away' } as const;
const INVALID_FIX = 'correct the field; see the reference of its kind (kubectl explain)';

export function* validationProblems(world: World): Generator<Finding> {
  const around = surroundingsOf(world.all, world.config);
  for (const object of world.all) {
    const { errors, warnings } = validate(object, around);
    for (const { field, message } of errors) {
      if (isOfMetadata(field)) continue;
      yield finding('IST0106', refOf(object), { field: field || undefined, message, fix: INVALID_FIX });
    }
    for (const warning of warnings) {
      if (isOfMetadata(warning.field)) continue;
      const known = mapped(object.kind, warning);
      if (known === null) continue;
      const { field, message } = warning;
      const fix = (known.code === 'AMB0104' ? targetsInstead(object, world) : undefined) ?? known.fix;
      yield finding(known.code, refOf(object), { field: field || undefined, message, fix });
    }
  }
}

/** Where the pods that a selector means are behind a waypoint already, it is known what to name. */
function targetsInstead(policy: KubeObject, world: World): string | undefined {
  const { namespace = '' } = policy.metadata;
  const meant = new Set(
    world.podsSelected(namespace, labelsOf(fields(fields(policy['spec'])['selector'])['matchLabels'])),
  );
  const services = world.objects('/Service').filter((service) => {
    const selector = labelsOf(fields(service['spec'])['selector']);
    if (service.metadata.namespace !== namespace || Object.keys(selector).length === 0) return false;
    if (boundTo(service, world).length === 0) return false;
    return overlap(world.podsSelected(namespace, selector), meant);
  });
  if (services.length === 0) return undefined;
  const targets = services.map(({ metadata: { name } }) => `{kind: Service, group: "", name: ${name}}`);
  return `these pods are behind a waypoint, which obeys targetRefs alone: in place of the selector write targetRefs: [${some(targets)}]`;
}

const overlap = <T>(some: Iterable<T>, others: ReadonlySet<T>) => {
  for (const one of some) if (others.has(one)) return true;
  return false;
};

/** Labels and annotations have a family of their own, which also knows whom they reach. */
const isOfMetadata = (field: string): boolean => field.startsWith('metadata.');

function mapped(kind: string, { code, field }: Problem) {
  if (code === 'invalid') return null; // never a warning
  if (ROUTES.includes(kind) && (code === 'no-waypoint' || code === 'ignored')) {
    return field === 'spec.hostnames' ? HOSTNAMES : null;
  }
  if (kind === 'DestinationRule' && code === 'denies-everything') return NOTHING_SENT;
  if ((kind === 'DestinationRule' || kind === 'Telemetry') && code === 'ignored') return SETTING_IGNORED;
  // Which of several PeerAuthentications counts is told with the pods that they are about.
  if (kind === 'PeerAuthentication' && code === 'ignored' && field === 'spec') return null;
  if (kind === 'ServiceEntry' && code === 'never-matches') return null; // it has no address, which is told as such
  if (kind === 'ServiceEntry' && code === 'matches-nothing') return EMPTY_ENTRY;
  return WARNINGS[code];
}
