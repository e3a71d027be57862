/** The analysis as a whole: all families, each finding once, what people muted left out, the worst first. */
import type { MeshModel } from '../predict/model.ts';
import { callersNamedBehindWaypoint } from './behind-waypoint.ts';
import { unknownCallers } from './callers.ts';
import { SEVERITIES } from './codes.ts';
import { negativeConditions } from './conditions.ts';
import { destinationRuleProblems } from './destination-rules.ts';
import { enrolmentProblems, sidecarObjects } from './enrolment.ts';
import { type Finding, formatRef, type ObservedFlow, refOf } from './finding.ts';
import { misspeltNames } from './labels.ts';
import { misplacedMeshPolicies, peerConflicts } from './peer-conflicts.ts';
import { podSettings } from './pod-settings.ts';
import { servicePorts } from './ports.ts';
import { missingTargets, missingWaypoints } from './references.ts';
import { routeProblems } from './routes.ts';
import { selectorProblems } from './selectors.ts';
import { serviceEntryProblems } from './service-entries.ts';
import { serviceProblems } from './services.ts';
import { shadowedRules } from './shadowed.ts';
import { strictProblems } from './strict.ts';
import { blockedTunnels } from './tunnel-blocked.ts';
import { validationProblems } from './validation.ts';
import { waypointPolicyProblems } from './waypoint-policies.ts';
import { waypointProblems } from './waypoints.ts';
import { type World, worldOf } from './world.ts';

type Family = (world: World) => Iterable<Finding>;

const FAMILIES: readonly Family[] = [
  misspeltNames,
  enrolmentProblems,
  podSettings,
  sidecarObjects,
  selectorProblems,
  shadowedRules,
  unknownCallers,
  servicePorts,
  peerConflicts,
  misplacedMeshPolicies,
  strictProblems,
  blockedTunnels,
  serviceProblems,
  serviceEntryProblems,
  destinationRuleProblems,
  missingWaypoints,
  missingTargets,
  waypointProblems,
  waypointPolicyProblems,
  callersNamedBehindWaypoint,
  routeProblems,
  negativeConditions,
];

/** On any object: codes of findings about it that nobody wants to see, separated by commas, or `*`. */
const SUPPRESS = 'galley.istio.io/analyze-suppress';

/**
 * Everything that is found in a mesh; `flows` are what the ztunnels' ledgers hold, if anybody asked them. The same objects give
 * the same findings in the same order, whatever order they came in.
 */
export function findings(model: MeshModel, flows: readonly ObservedFlow[] = []): readonly Finding[] {
  const world = worldOf(model, flows);
  const muted = mutedCodes(world);
  const told = FAMILIES.flatMap((family) => [...family(world)]);
  const places = new Set(told.map(metadataPlace));
  const valid = [...validationProblems(world)].filter((one) => !places.has(metadataPlace(one) ?? NOWHERE));
  const found = new Map<string, Finding>();
  for (const one of [...told, ...valid]) {
    const codes = muted.get(formatRef(one.object));
    if (codes?.has(one.code) || codes?.has('*')) continue;
    // Replicas share an owner: what is said of one is said of all.
    found.set(`${one.code} ${formatRef(one.object)} ${one.field ?? ''} ${one.message}`, one);
  }
  return [...found]
    .map(([key, one]) => ({ key: `${SEVERITIES.indexOf(one.severity)} ${formatRef(one.object)} ${key}`, one }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ one }) => one);
}

const NOWHERE = '';

/** The label or annotation that a finding is about: what a family says of it, validation need not repeat. */
function metadataPlace({ object, field = '' }: Finding): string | undefined {
  return field.startsWith('metadata.') ? `${formatRef(object)} ${field.replaceAll('"', '')}` : undefined;
}

function mutedCodes(world: World): ReadonlyMap<string, ReadonlySet<string>> {
  const owners = new Map(world.pods.map(({ object, owner }) => [object, owner]));
  const muted = new Map<string, ReadonlySet<string>>();
  for (const object of world.all) {
    const written = object.metadata.annotations?.[SUPPRESS];
    if (typeof written !== 'string') continue;
    const ref = formatRef(owners.get(object) ?? refOf(object));
    muted.set(ref, new Set(written.split(',').map((code) => code.trim())));
  }
  return muted;
}
