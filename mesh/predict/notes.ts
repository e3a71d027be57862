/** What is worth knowing beside the verdict. */
import { WAYPOINT_BOUND } from '../derive/service-waypoint.ts';
import type { Service } from '../model.ts';
import { lookupOf } from './lookup.ts';
import type { MeshModel } from './model.ts';
import type { PredictedCase } from './prediction.ts';
import type { Question } from './question.ts';

/** A wish for a waypoint that is not fulfilled: traffic goes without it, and what it would enforce is not enforced. */
export function waypointNotes({ conditions }: MeshModel, { namespace, name }: Service): readonly string[] {
  return conditions
    .filter(
      ({ type, status, object }) =>
        type === WAYPOINT_BOUND && status === 'False' && object.name === name && object.namespace === namespace,
    )
    .map(({ message }) => `service ${namespace}/${name} asks for a waypoint and has none: ${message}`);
}

const MADE_UP = 'these are manifests: addresses stand for those that a cluster would give';

export function notesOn(model: MeshModel, question: Question, cases: readonly PredictedCase[]): readonly string[] {
  const madeUp = lookupOf(model).isMadeUp ? [MADE_UP, ...namespaceNotes(model, question, cases)] : [];
  return [...httpNotes(question, cases), ...policyNotes(model, cases), ...dryRunNotes(cases), ...madeUp];
}

/** Method, path and headers are carried in the question for the waypoint that may decide on them. */
function httpNotes({ http }: Question, cases: readonly PredictedCase[]): readonly string[] {
  if (http === undefined || cases.some((one) => one.reason === 'waypoint-decides' || one.http !== undefined)) return [];
  if (cases.every(({ policy }) => policy === undefined)) return [];
  return ['there is no waypoint on this path: method, path and headers are seen by nobody, and L4 alone decides'];
}

/** Policies that had a say and are not enforced as they were written. */
function policyNotes(model: MeshModel, cases: readonly PredictedCase[]): readonly string[] {
  const keys = new Set(cases.flatMap(({ policy }) => policy?.considered ?? []));
  return [...keys].sort().flatMap((key) => {
    const reading = model.deriver.policyReading(key);
    if (reading?.kind !== 'policy' || reading.status.reason === 'Accepted') return [];
    return [`AuthorizationPolicy ${key}: ${reading.status.message}`];
  });
}

function dryRunNotes(cases: readonly PredictedCase[]): readonly string[] {
  const hits = cases.flatMap(({ policy, http }) => [...(http?.dryRunHits ?? []), ...(policy?.dryRunHits ?? [])]);
  const notes = hits.map((hit) => {
    const { policy, rule, action, would, changes } = hit;
    const what =
      rule === undefined ? `no rule of it matches, which would ${would} it` : `rule ${rule} would ${would} it`;
    return `AuthorizationPolicy ${policy} (${action}) is a dry run: ${what}${changes ? '' : ', which changes nothing'}`;
  });
  return [...new Set(notes)];
}

/** In a folder that leaves a namespace out, nobody there seems to be in the mesh. */
function namespaceNotes(model: MeshModel, { from, to }: Question, cases: readonly PredictedCase[]): readonly string[] {
  const named = [from, to].flatMap((end) => ('namespace' in end ? [end.namespace] : []));
  const reached = cases.flatMap(({ endpoints }) => endpoints.map((endpoint) => endpoint.split('/')[0] ?? ''));
  return [...new Set([...named, ...reached])]
    .filter((namespace) => !lookupOf(model).knowsNamespace(namespace))
    .map((namespace) => `namespace ${namespace} is not among them, so it is taken to have no labels`);
}
