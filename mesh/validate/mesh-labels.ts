/** The labels and annotations of the mesh, on whatever object they may stand (controller.md section 2). */
import { nearest } from '../analyze/edit-distance.ts';
import { ANNOTATIONS, LABELS, type NameRule } from '../analyze/names.ts';
import { groupOf, type KubeObject } from '../kube-object.ts';
import { type Findings, quote } from './findings.ts';
import { dnsLabel, dnsName } from './names.ts';
import type { Surroundings } from './surroundings.ts';
import { waypointOf } from './waypoint.ts';

type Place = 'labels' | 'annotations';

const KNOWN: Readonly<Record<Place, ReadonlyMap<string, NameRule>>> = { labels: LABELS, annotations: ANNOTATIONS };
const OTHER: Readonly<Record<Place, Place>> = { labels: 'annotations', annotations: 'labels' };
const ONE: Readonly<Record<Place, string>> = { labels: 'a label', annotations: 'an annotation' };

const MODE = 'istio.io/dataplane-mode';
const WAYPOINT = 'istio.io/use-waypoint';
const CANARY = 'istio.io/use-waypoint-canary';
const CANARY_WEIGHT = 'istio.io/use-waypoint-canary-weight';
const INJECTION = 'istio-injection';

/** Labels whose value is the name of something. */
const NAMES: Readonly<Record<string, (written: string) => string | undefined>> = {
  [WAYPOINT]: dnsName,
  [`${WAYPOINT}-namespace`]: dnsLabel,
  [CANARY]: dnsName,
  [`${CANARY}-namespace`]: dnsLabel,
};

/** An object can have very many labels, and guessing what was meant takes time. */
const MAX_LOOKED_AT = 256;

export function validateMeshLabels(object: KubeObject, around: Surroundings, found: Findings): void {
  const kind = `${groupOf(object.apiVersion)}/${object.kind}`;
  for (const place of ['labels', 'annotations'] as const) {
    for (const [key, value] of Object.entries(object.metadata[place] ?? {}).slice(0, MAX_LOOKED_AT)) {
      if (typeof value === 'string') look({ kind, place, key, value }, found);
    }
  }
  if (found.errors.length === 0) warnOfLabels(object, around, found);
}

type Written = { readonly kind: string; readonly place: Place; readonly key: string; readonly value: string };

function look({ kind, place, key, value }: Written, found: Findings): void {
  const at = `metadata.${place}[${key}]`;
  const rule = KNOWN[place].get(key);
  if (rule === undefined) {
    const hint = misnamed(place, key);
    if (hint !== undefined) found.warn('ignored', at, hint);
    return;
  }
  const wrong = value === '' ? undefined : wrongValue(key, value, rule); // an empty label is as good as none
  if (wrong !== undefined) found.error(at, wrong);
  else if (rule.on !== undefined && !rule.on.includes(kind)) {
    const kinds = rule.on.map((known) => known.slice(known.indexOf('/') + 1)).join(', ');
    found.warn('ignored', at, `has no effect on this kind: it belongs on ${kinds}`);
  }
}

/** What is wrong with a name that means nothing where it stands; undefined for names of others. */
function misnamed(place: Place, key: string): string | undefined {
  if (KNOWN[OTHER[place]].has(key)) return `has no effect here: it is ${ONE[OTHER[place]]}`;
  const meant = key.includes('istio') ? nearest(key, KNOWN[place].keys()) : undefined;
  return meant === undefined ? undefined : `is no name that the mesh knows; did you mean ${meant}?`;
}

function wrongValue(key: string, value: string, { values }: NameRule): string | undefined {
  if (Object.hasOwn(NAMES, key)) return NAMES[key]?.(value);
  if (values === undefined) return undefined;
  if ('test' in values) return values.test(value) ? undefined : `${quote(value)} is not ${values.expected}`;
  if (values.includes(value) || (key === DISTRIBUTION && isOneOf(values, value))) return undefined;
  return `${quote(value)} is none of ${values.join(', ')}`;
}

/** Its values are read in any case (controller.md section 1.9). */
const DISTRIBUTION = 'networking.istio.io/traffic-distribution';
const isOneOf = (values: readonly string[], written: string): boolean =>
  values.some((value) => value.toLowerCase() === written.toLowerCase());

function warnOfLabels(object: KubeObject, around: Surroundings, found: Findings): void {
  const { labels = {}, annotations = {}, name } = object.metadata;
  const isNamespace = groupOf(object.apiVersion) === '' && object.kind === 'Namespace';
  if (isNamespace && labels[MODE] === 'ambient') {
    if (labels[INJECTION] === 'enabled') {
      found.warn(
        'unusual',
        `metadata.labels[${INJECTION}]`,
        `stands beside ${MODE}=ambient: pods with a sidecar are not enrolled`,
      );
    }
    if (name === 'kube-system') {
      found.warn('ignored', `metadata.labels[${MODE}]`, 'has no effect: this namespace is excluded from the mesh');
    }
  }
  if (labels['istio.io/use-waypoint-namespace'] && !labels[WAYPOINT]) {
    found.warn('ignored', 'metadata.labels[istio.io/use-waypoint-namespace]', `has no effect without ${WAYPOINT}`);
  }
  if (annotations[CANARY_WEIGHT] !== undefined && !labels[CANARY]) {
    found.warn('ignored', `metadata.annotations[${CANARY_WEIGHT}]`, `has no effect without the label ${CANARY}`);
  }
  if (labels[CANARY] && labels[CANARY] === labels[WAYPOINT]) {
    found.warn('ignored', `metadata.labels[${CANARY}]`, 'has no effect: it names the waypoint that is there already');
  }
  warnOfWaypoint(object, around, found);
}

function warnOfWaypoint(object: KubeObject, around: Surroundings, found: Findings): void {
  const written = object.metadata.labels?.[WAYPOINT];
  if (written === undefined) return;
  // A Namespace's label means a waypoint in the namespace itself.
  const asked =
    object.kind === 'Namespace'
      ? { ...object, metadata: { ...object.metadata, namespace: object.metadata.name } }
      : object;
  const waypoint = waypointOf(asked, around);
  if (waypoint.kind === 'missing') {
    found.warn('missing-reference', `metadata.labels[${WAYPOINT}]`, `Gateway ${waypoint.gateway} does not exist`);
  }
}
