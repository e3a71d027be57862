/**
 * May FROM reach TO, and why? Derived, decided and judged by the functions that controller and proxies work with, over every
 * caller, address and endpoint that may be meant.
 */
import { formatSocketAddress, ipFamily, type SocketAddress } from '../address.ts';
import { alikeCallers } from './alike-callers.ts';
import { callersOf, type PredictedCaller } from './callers.ts';
import { alike, overall } from './cases.ts';
import { destinationOf } from './destinations.ts';
import { judge } from './judge.ts';
import { listed } from './lists.ts';
import { lookupOf } from './lookup.ts';
import type { MeshModel } from './model.ts';
import { notesOn, waypointNotes } from './notes.ts';
import type { Hop, PredictedCase, Prediction } from './prediction.ts';
import type { Callee, Question } from './question.ts';
import { waysOf } from './ways.ts';

export function predict(model: MeshModel, question: Question): Prediction {
  const found = callersOf(model, question.from);
  if (found.kind === 'nobody') {
    const { because } = found;
    const hops: readonly Hop[] = [{ kind: 'caller', outcome: 'unclear', says: because }];
    return { question, verdict: 'unknown', reason: 'caller-not-found', because, hops, cases: [], notes: [], next: [] };
  }
  const { callers } = found;
  const notes = new Set<string>(found.note === undefined ? [] : [found.note]);
  const cases: PredictedCase[] = [];
  let path: readonly Hop[] = [];
  for (const { caller, names } of alikeCallers(model, callers)) {
    if (caller.workload.nativeTunnel)
      notes.add(`${caller.name} makes its tunnels itself: it may choose other ways than these`);
    const destination = destinationOf(model, question.to, caller);
    path = destination.hops;
    if (destination.kind === 'ends') {
      cases.push({ ...destination.end, callers: names });
      continue;
    }
    const { service } = destination;
    for (const note of destination.notes) notes.add(note);
    for (const note of service ? waypointNotes(model, service) : []) notes.add(note);
    for (const target of reachable(caller, destination.targets)) {
      for (const way of waysOf(model.view, caller, target)) {
        const call = { target, asked: { http: question.http, authority: authorityOf(model, question.to) } };
        for (const one of judge(model, caller, way, call)) cases.push({ ...one, callers: names });
      }
    }
  }
  const grouped = alike(cases);
  for (const note of notesOn(model, question, grouped)) notes.add(note);
  const { verdict, reason, because } = overall(grouped);
  return {
    question,
    verdict,
    reason,
    because,
    hops: [callerHop(model, callers), ...path],
    cases: grouped,
    notes: [...notes],
    next: [...new Set(grouped.flatMap(({ next }) => next))],
  };
}

/** What a client puts into its Host header: the port is left out where it is the usual one. */
function authorityOf({ config }: MeshModel, to: Callee): string {
  if (to.kind === 'address') return formatSocketAddress(to.address);
  const host =
    to.kind === 'host'
      ? to.host
      : to.kind === 'service'
        ? `${to.name}.${to.namespace}.svc.${config.clusterDomain}`
        : to.name;
  return to.port === HTTP_PORT ? host : `${host}:${to.port}`;
}

const HTTP_PORT = 80;

/** Addresses of the families that the caller has itself; all when that leaves none. */
function reachable({ workload }: PredictedCaller, targets: readonly SocketAddress[]): readonly SocketAddress[] {
  const families = new Set(workload.addresses.map(ipFamily));
  const fitting = targets.filter(({ ip }) => families.has(ipFamily(ip)));
  return fitting.length === 0 ? targets : fitting;
}

function callerHop(model: MeshModel, callers: readonly PredictedCaller[]): Hop {
  const [first] = callers;
  const isCutOff = callers.length > 0 && callers.every(({ membership }) => membership.state === 'cut-off');
  if (first === undefined || callers.length > 1) {
    const states = new Set(callers.map(({ membership }) => membership.state));
    const mixed =
      states.size > 1
        ? ', some of them in the mesh'
        : states.has('in')
          ? ', all in the mesh'
          : ', none of them in the mesh';
    return {
      kind: 'caller',
      outcome: isCutOff ? 'stops' : 'passes',
      says: `${callers.length} pods: ${listed(callers.map(({ name }) => name))}${mixed}`,
    };
  }
  const { name, workload, membership } = first;
  const addresses = lookupOf(model).hasTrueAddress(workload) ? workload.addresses : [];
  const where = [addresses.join(', '), workload.node && `on ${workload.node}`].filter((part) => part && part !== name);
  const place = where.length === 0 ? '' : ` (${where.join(' ')})`;
  const state = membership.state === 'in' ? 'in the mesh' : 'not in the mesh';
  return {
    kind: 'caller',
    outcome: isCutOff ? 'stops' : 'passes',
    says: `${name}${place}, ${state}: ${membership.because}`,
  };
}
