/** Labels and annotations of the mesh: slips in their names, values that they do not have, kinds where they mean nothing. */
import { labelsOf } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import type { Code } from './codes.ts';
import { nearest } from './edit-distance.ts';
import { type Finding, finding, type ObjectRef, podField, refOf } from './finding.ts';
import { ANNOTATIONS, DOMAINS, domainOf, FOREIGN_DOMAINS, LABELS, type NameRule } from './names.ts';
import { kindOf, type World } from './world.ts';

type Place = 'labels' | 'annotations';
const KNOWN: Readonly<Record<Place, ReadonlyMap<string, NameRule>>> = { labels: LABELS, annotations: ANNOTATIONS };
const OTHER: Readonly<Record<Place, Place>> = { labels: 'annotations', annotations: 'labels' };
const PLAIN: Readonly<Record<Place, string>> = { labels: 'label', annotations: 'annotation' };
const ONE: Readonly<Record<Place, string>> = { labels: 'a label', annotations: 'an annotation' };
const MISPLACED: Readonly<Record<Place, Code>> = { labels: 'AMB0304', annotations: 'IST0107' };
const BAD_VALUE: Readonly<Record<Place, Code>> = { labels: 'AMB0303', annotations: 'IST0125' };

/** Objects that carry pods: their own labels reach nobody, those of the template do. */
const TEMPLATED = new Set(['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job', 'CronJob']);

/** Kubernetes copies labels of a Service to these. */
const COPIES = new Set(['EndpointSlice', 'Endpoints']);
/** What a controller made of a Gateway bears labels of that. */
const isMade = ({ metadata }: KubeObject) => labelsOf(metadata.labels)['gateway.istio.io/managed'] !== undefined;

export function* misspeltNames(world: World): Generator<Finding> {
  const owners = new Map(world.pods.map((pod) => [pod.object, pod.owner]));
  const names = new Names();
  for (const object of world.all) {
    if (object.kind === 'Pod' && !owners.has(object)) continue; // it has ended
    if (COPIES.has(object.kind) || isMade(object)) continue; // nobody wrote that
    const ref = owners.get(object) ?? refOf(object);
    for (const place of ['labels', 'annotations'] as const) {
      for (const [key, value] of Object.entries(labelsOf(object.metadata[place]))) {
        const found = judge({ object, ref, place, key, value }, names);
        if (found !== undefined) yield found;
      }
    }
  }
}

type Written = {
  readonly object: KubeObject;
  readonly ref: ObjectRef;
  readonly place: Place;
  readonly key: string;
  readonly value: string;
};

function judge(written: Written, names: Names): Finding | undefined {
  const { ref, place, key } = written;
  const field = fieldOf(written);
  const rule = KNOWN[place].get(key);
  if (rule !== undefined) return judgeKnown(written, rule);
  if (KNOWN[OTHER[place]].has(key)) {
    return finding(MISPLACED[place], ref, {
      field,
      message: `${key} is written as ${ONE[place]} and means nothing there: it is ${ONE[OTHER[place]]}`,
      fix: `move it to metadata.${OTHER[place]}`,
    });
  }
  const meant = names.meantBy(place, key);
  if (meant !== undefined) {
    return finding('AMB0302', ref, {
      field,
      message: `${key} is no ${PLAIN[place]} of the mesh and has no effect; probably ${meant} is meant`,
      fix: `rename it to ${meant}`,
    });
  }
  // Labels of other tools under these domains are none of our business; an annotation is a wish that nobody hears.
  if (place === 'labels' || !DOMAINS.includes(domainOf(key)) || domainOf(key) === 'ambit.io') return undefined;
  return finding('IST0108', ref, {
    field,
    message: `${key} is no annotation that the mesh knows; it has no effect`,
    fix: 'look its name up, or take it away',
  });
}

function judgeKnown(written: Written, { on, values, anyCase }: NameRule): Finding | undefined {
  const { object, ref, place, key, value } = written;
  const field = fieldOf(written);
  if (on !== undefined && !on.includes(kindOf(object))) {
    const kinds = on.map((kind) => kind.slice(kind.indexOf('/') + 1)).join(', ');
    const inTemplate = TEMPLATED.has(object.kind) && on.includes('/Pod');
    return finding(MISPLACED[place], ref, {
      field,
      message: `the ${PLAIN[place]} ${key} means nothing on a ${object.kind}; it belongs on ${kinds}`,
      fix: inTemplate ? `move it to spec.template.metadata.${place}` : `put it on the ${kinds} that is meant`,
    });
  }
  if (values === undefined || value === '') return undefined;
  const isSame = (a: string) => a === value || (anyCase === true && a.toLowerCase() === value.toLowerCase());
  const isKnown = 'test' in values ? values.test(value) : values.some(isSame);
  if (isKnown) return undefined;
  const near = 'test' in values ? undefined : nearest(value, values);
  const expected = 'test' in values ? values.expected : values.join(' or ');
  return finding(BAD_VALUE[place], ref, {
    field,
    message: `${JSON.stringify(value)} is no value of the ${PLAIN[place]} ${key}: it counts as if it were not there`,
    fix: `write ${near ?? expected}`,
  });
}

function fieldOf({ object, ref, place, key }: Written): string {
  const path = `metadata.${place}[${JSON.stringify(key)}]`;
  return object.kind === 'Pod' ? podField(ref, path) : path;
}

/** Keys are few and repeat on thousands of pods: each is thought about once. */
class Names {
  readonly #meant = new Map<string, string | undefined>();

  meantBy(place: Place, key: string): string | undefined {
    const word = `${place} ${key}`;
    if (!this.#meant.has(word)) this.#meant.set(word, meantBy(place, key));
    return this.#meant.get(word);
  }
}

/** A slip in the key, in its domain, or a domain left out. */
function meantBy(place: Place, key: string): string | undefined {
  const known = KNOWN[place];
  const domain = domainOf(key);
  if (FOREIGN_DOMAINS.has(domain) && !known.has(key)) return undefined;
  if (domain === '') {
    const full = [...known.keys()].find((candidate) => candidate.endsWith(`/${key}`));
    // Only names that nobody else would use; `network`, `global`, `rev` are anybody's.
    return key.includes('-') ? full : undefined;
  }
  const isNear = DOMAINS.includes(domain) || nearest(domain, DOMAINS) !== undefined;
  return isNear ? nearest(key, known.keys()) : undefined;
}
