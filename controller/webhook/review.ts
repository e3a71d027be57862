/** An AdmissionReview and its answer (kubernetes-api.md section 15): pure. What is refused is told by object, field and reason. */
import { formatProblem, type KubeObject, type Problem, type Surroundings, validate } from '../../mesh/index.ts';

const API_VERSION = 'admission.k8s.io/v1';

/** Whatever carries it is refused: how it is proven that the API server really asks us. */
export const ALWAYS_REJECT = 'internal.istio.io/webhook-always-reject';

/** Problems that one answer names; the rest is counted. */
const MAX_TOLD = 10;

export type Outcome = {
  /** What came out of it, for metrics. */
  readonly kind: 'allowed' | 'refused';
  readonly resource: string;
  readonly group: string;
  readonly name: string;
  /** Why it is refused. */
  readonly message: string;
  readonly answer: unknown;
};

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const fields = (value: unknown): Fields => (isFields(value) ? value : {});
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Undefined when the body is no review that can be answered. */
export function answerReview(body: unknown, around: Surroundings): Outcome | undefined {
  const review = fields(body);
  const request = fields(review['request']);
  const uid = text(request['uid']);
  if (review['kind'] !== 'AdmissionReview' || review['apiVersion'] !== API_VERSION || uid === '') return undefined;
  const { resource, group } = fields(request['resource']);
  const about = { resource: text(resource), group: text(group) };
  const { problem, warnings, name } = judge(request, around);
  const outcome = { ...about, name, kind: problem === undefined ? 'allowed' : 'refused' } as const;
  return {
    ...outcome,
    message: problem ?? '',
    answer: {
      kind: 'AdmissionReview',
      apiVersion: API_VERSION,
      response: {
        uid,
        allowed: problem === undefined,
        ...(warnings.length === 0 ? {} : { warnings }),
        ...(problem === undefined ? {} : { status: { metadata: {}, code: 422, reason: 'Invalid', message: problem } }),
      },
    },
  };
}

type Judgement = { readonly problem: string | undefined; readonly warnings: readonly string[]; readonly name: string };

function judge(request: Fields, around: Surroundings): Judgement {
  const object = objectOf(request, 'object');
  const operation = text(request['operation']);
  if (operation !== 'CREATE' && operation !== 'UPDATE') return { problem: undefined, warnings: [], name: '' };
  if (object === undefined) return { problem: 'the review has no object', warnings: [], name: '' };
  const { name, namespace } = object.metadata;
  const named = `${object.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
  const lines = (problems: readonly Problem[]): string[] =>
    problems.map((problem) => `${named}: ${formatProblem(problem)}`);
  if (object.metadata.annotations?.[ALWAYS_REJECT] === 'true') {
    return {
      problem: `${named} is invalid: it asks for that, by annotation ${ALWAYS_REJECT}`,
      warnings: [],
      name: named,
    };
  }
  // Whoever lets go of an object must not be held up by what is wrong with it.
  if (object.metadata.deletionTimestamp !== undefined) return { problem: undefined, warnings: [], name: named };
  const { errors, warnings } = validate(object, around);
  if (errors.length === 0) return { problem: undefined, warnings: lines(warnings), name: named };
  const old = objectOf(request, 'oldObject');
  if (operation === 'UPDATE' && old !== undefined && isSameToUs(old, object, errors)) {
    // It was wrong before us. Others may still care for their part of it, as finalizers or labels of their own.
    return { problem: undefined, warnings: lines(errors), name: named };
  }
  const told = errors.slice(0, MAX_TOLD).map(formatProblem);
  const more = errors.length > MAX_TOLD ? `; and ${errors.length - MAX_TOLD} more` : '';
  return { problem: `${named} is invalid: ${told.join('; ')}${more}`, warnings: lines(warnings), name: named };
}

/** The object with the namespace and name that the request says it has. */
function objectOf(request: Fields, key: 'object' | 'oldObject'): KubeObject | undefined {
  const object = request[key];
  if (!isFields(object) || typeof object['kind'] !== 'string' || typeof object['apiVersion'] !== 'string')
    return undefined;
  const metadata = fields(object['metadata']);
  const { apiVersion, kind } = object;
  const name = text(metadata['name']) || text(request['name']) || text(metadata['generateName']);
  const namespace = text(metadata['namespace']) || text(request['namespace']);
  const isNamespace = kind === 'Namespace' || namespace === '';
  return { ...object, apiVersion, kind, metadata: { ...metadata, name, ...(isNamespace ? {} : { namespace }) } };
}

/** Whether what is wrong is as it was before. */
function isSameToUs(old: KubeObject, object: KubeObject, errors: readonly Problem[]): boolean {
  // Of objects that are not of our kinds nothing but labels and annotations concerns us.
  const isAboutNames = errors.every(({ field }) => field.startsWith('metadata.'));
  const looked = ({ metadata, spec, ...rest }: KubeObject): string => {
    const { status: _, ...top } = rest;
    const names = [ofMesh(metadata.labels), ofMesh(metadata.annotations)];
    return JSON.stringify(sorted(isAboutNames ? names : [names, Object.keys(top), spec]));
  };
  return looked(old) === looked(object);
}

/** Labels of others are theirs to change. */
function ofMesh(names: Readonly<Record<string, string>> | undefined): readonly (readonly [string, string])[] {
  return Object.entries(names ?? {})
    .filter(([key]) => key.includes('istio'))
    .sort();
}

/** The same value with its keys in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isFields(value)) return value;
  const keys = Object.keys(value).sort();
  return keys.map((key) => [key, sorted(value[key])]);
}
