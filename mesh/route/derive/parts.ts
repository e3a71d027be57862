/** Parts that routes of all kinds are written with (crds.md sections 1.3, 15). Nothing here throws. */
import { createdOf } from '../../derive/age.ts';
import { conditionTarget } from '../../derive/outputs.ts';
import { type Fields, fields, list, portNumber, text } from '../../derive/read.ts';
import type { KubeObject } from '../../kube-object.ts';
import { compileRegex } from '../../regex/regex.ts';
import type { NamedMatch, StringMatch } from '../model.ts';
import type { BackendRef, ParentFacts, RouteFacts, RouteKind, RuleFacts } from './facts.ts';

const GATEWAY_API = 'gateway.networking.k8s.io';
const ISTIO = 'networking.istio.io';

/** Everything but the rules, which `read` reads; `id` is what no other rule has, and stays when rules come and go, if it has a name. */
export function routeFacts(
  kind: RouteKind,
  object: KubeObject,
  read: (rule: Fields, name: string, id: string) => RuleFacts,
): RouteFacts {
  const { name, namespace = '' } = object.metadata;
  const spec = fields(object['spec']);
  return {
    kind,
    namespace,
    name,
    created: createdOf(object.metadata),
    target: conditionTarget(object),
    parents: list(spec['parentRefs']).flatMap((parent) => parentFacts(fields(parent), namespace)),
    rules: list(spec['rules']).map((entry, index) => {
      const rule = fields(entry);
      const given = text(rule['name']);
      return read(rule, given || `${namespace}.${name}.${index}`, `${kind} ${namespace}/${name}/${given || index}`);
    }),
  };
}

function parentFacts(written: Fields, namespace: string): readonly ParentFacts[] {
  const group = written['group'] ?? GATEWAY_API;
  const kind = written['kind'] ?? 'Gateway';
  const isService = group === '' && kind === 'Service';
  if (!isService && !(group === ISTIO && kind === 'ServiceEntry')) return [];
  const ref = {
    kind: isService ? ('Service' as const) : ('ServiceEntry' as const),
    namespace: text(written['namespace']) || namespace,
    name: text(written['name']),
  };
  return [{ ref, port: portNumber(written['port']), sectionName: text(written['sectionName']), written }];
}

export function backendRef(written: Fields, namespace: string): BackendRef {
  return {
    group: text(written['group']),
    kind: text(written['kind']) || 'Service',
    namespace: text(written['namespace']) || namespace,
    name: text(written['name']),
    port: portNumber(written['port']),
  };
}

/** 0 to a million; what is no number counts as the default, 1. */
export function weightOf(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? Math.min(value, 1_000_000) : 1;
}

const DURATION = /^(?:\d{1,5}(?:h|m|s|ms)){1,4}$/;
const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
/** What the model can carry. */
const MAX_MS = 4_294_967_295;

/** Milliseconds of a Gateway API duration; undefined when it is none. */
export function durationMs(value: unknown): number | undefined {
  const written = text(value);
  if (!DURATION.test(written)) return undefined;
  let ms = 0;
  for (const [, count, unit = 'ms'] of written.matchAll(/(\d+)(ms|h|m|s)/g)) ms += Number(count) * (UNIT_MS[unit] ?? 0);
  return Math.min(ms, MAX_MS);
}

const TYPES: ReadonlyMap<unknown, StringMatch['kind']> = new Map<unknown, StringMatch['kind']>([
  [undefined, 'EXACT'],
  ['Exact', 'EXACT'],
  ['RegularExpression', 'REGEX'],
]);

/** A value of one of the two types; text says why it can not be had. */
export function stringMatch(type: unknown, value: string): StringMatch | string {
  const kind = TYPES.get(type);
  if (kind === undefined) return `type ${JSON.stringify(type)} is neither Exact nor RegularExpression`;
  if (kind === 'REGEX') {
    const compiled = compileRegex(value);
    if (compiled.kind === 'invalid') return `${JSON.stringify(value)} is ${compiled.problem}`;
  }
  return { kind, value, ignoreCase: false };
}

/** Header or query matches: of several with one name the first counts. Text says why they can not be had. */
export function namedMatches(
  value: unknown,
  at: string,
  nameOf: (name: string) => string,
): readonly NamedMatch[] | string {
  const found = new Map<string, NamedMatch>();
  for (const [index, entry] of list(value).entries()) {
    const written = fields(entry);
    const name = nameOf(text(written['name']));
    if (name === '') return `${at}[${index}].name: is empty`;
    const match = stringMatch(written['type'], text(written['value']));
    if (typeof match === 'string') return `${at}[${index}]: ${match}`;
    if (!found.has(name)) found.set(name, { name, match, invert: false });
  }
  return [...found.values()];
}
