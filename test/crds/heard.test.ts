/**
 * Every field that our definitions take is carried out by waypoints, or said not to be: whoever writes it another way, or takes it
 * away, gets another configuration for waypoints, another status, or another warning. Whatever a definition gains needs a sample here.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { parseAllDocuments } from 'yaml';
import * as crds from '../../core/kube/crds/index.ts';
import {
  buildModel,
  DEFAULT_MESH_CONFIG,
  type KubeObject,
  type MeshConfig,
  readMeshConfig,
  surroundingsOf,
  validate,
} from '../../mesh/index.ts';

type Json = Readonly<Record<string, unknown>>;
type Path = readonly (string | number)[];

const documentsOf = (name: string): readonly KubeObject[] =>
  parseAllDocuments(readFileSync(new URL(name, import.meta.url), 'utf8')).map(
    (document) => document.toJS() as KubeObject,
  );

const SAMPLES = documentsOf('heard.samples.yaml');
const AROUND = documentsOf('heard.mesh.yaml');
const CONFIG: MeshConfig = readMeshConfig(
  AROUND.find(({ kind }) => kind === 'ConfigMap'),
  DEFAULT_MESH_CONFIG,
  DEFAULT_MESH_CONFIG.rootNamespace,
);

/** Fields that say the same however they are written, each with why. */
const SAME_ANYWAY: Readonly<Record<string, string>> = {
  'DestinationRule.trafficPolicy.outlierDetection.interval': 'endpoints are looked at with each of their answers',
  'DestinationRule.trafficPolicy.outlierDetection.splitExternalLocalOriginErrors': 'they are always counted apart',
  'DestinationRule.trafficPolicy.tls.clientCertificate': 'nothing is sent, whichever file it is, and that is said',
  'DestinationRule.trafficPolicy.tls.privateKey': 'nothing is sent, whichever file it is, and that is said',
  'DestinationRule.trafficPolicy.proxyProtocol.version': 'nothing is sent, whichever it is',
  'RequestAuthentication.selector': 'without targetRefs nothing enforces it, and that is said',
  'Telemetry.metrics[].overrides[].tagOverrides{}.operation': 'the value tells: UPSERT needs one, REMOVE has none',
  'Telemetry.tracing[].customTags{}.formatter': 'the tag is left out, and that is said',
  'Telemetry.tracing[].customTags{}.formatter.value': 'the tag is left out, whatever its format is',
};
/** What is said of the whole is not said of each of its parts. */
const AS_A_WHOLE = /^DestinationRule\.(?:subsets\[\]|workloadSelector)\./;
/** Filters that a rule, or a backend, can not have: the rule is refused for their type, whatever they say. */
const REFUSED_BY_TYPE = /\.filters\[\]\.extensionRef|\.backendRefs\[\]\.filters\[\]\.(?:requestMirror|cors)/;
/** Targets are in the namespace of the policy, and group and kind belong together: any other is refused. */
const REFUSED = /\.targetRefs?(?:\[\])?\.(?:namespace|group|kind)$/;
const KINDS = {
  AuthorizationPolicy: crds.AUTHORIZATION_POLICY_CRD,
  RequestAuthentication: crds.REQUEST_AUTHENTICATION_CRD,
  Telemetry: crds.TELEMETRY_CRD,
  DestinationRule: crds.DESTINATION_RULE_CRD,
  HTTPRoute: crds.HTTP_ROUTE_CRD,
  GRPCRoute: crds.GRPC_ROUTE_CRD,
  TCPRoute: crds.TCP_ROUTE_CRD,
  TLSRoute: crds.TLS_ROUTE_CRD,
} as const;

for (const [kind, crd] of Object.entries(KINDS)) {
  test(`each field of ${kind} is carried out, or said not to be`, () => {
    const heard = heardIn(
      SAMPLES.filter((sample) => sample.kind === kind),
      schemaOf(crd),
    );
    const all = [...namesIn(schemaOf(crd), kind)];
    const named = all.filter((name) => ![AS_A_WHOLE, REFUSED_BY_TYPE, REFUSED].some((left) => left.test(name)));
    // What can not be left out is heard by what is in it.
    const isHeard = (name: string) =>
      [...heard].some(
        ([other, is]) => is && (other === name || other.startsWith(`${name}.`) || other.startsWith(`${name}[`)),
      );
    const silent = named.filter(
      (name) => !isHeard(name) && SAME_ANYWAY[name.replace('.portLevelSettings[]', '')] === undefined,
    );
    const told = silent.map((name) => `${name}: ${heard.has(name) ? 'nothing hears it' : 'no sample has it'}`);
    assert.deepEqual(told, []);
  });
}

function schemaOf(crd: KubeObject): Json {
  const { versions } = crd['spec'] as { versions: readonly { storage: boolean; schema: { openAPIV3Schema: Json } }[] };
  const stored = versions.find(({ storage }) => storage);
  if (stored === undefined) throw new Error(`no version of ${crd.metadata.name} is stored`);
  return (stored.schema.openAPIV3Schema['properties'] as Record<string, Json>)['spec'] as Json;
}

function* namesIn(schema: Json, name: string): Generator<string> {
  for (const [field, inner] of Object.entries((schema['properties'] ?? {}) as Record<string, Json>)) {
    yield `${name}.${field}`;
    yield* namesIn(inner, `${name}.${field}`);
  }
  if (schema['items'] !== undefined) yield* namesIn(schema['items'] as Json, `${name}[]`);
  const { additionalProperties } = schema;
  if (typeof additionalProperties === 'object') yield* namesIn(additionalProperties as Json, `${name}{}`);
}

/** By name, whether anything hears it where a sample has it. */
function heardIn(samples: readonly KubeObject[], schema: Json): ReadonlyMap<string, boolean> {
  const heard = new Map<string, boolean>();
  for (const sample of samples) {
    const spec = sample['spec'] as Json;
    const whole = outcomeOf(sample);
    assert.deepEqual(whole.errors, [], `sample ${sample.kind} ${sample.metadata.name}`);
    const isOther = (other: Json): boolean => {
      const outcome = outcomeOf({ ...sample, spec: other });
      // That it is refused as something else says nothing of what it is.
      return outcome.errors.length === 0 && !isDeepStrictEqual(outcome, whole);
    };
    for (const path of pathsIn(spec)) {
      const name = nameOf(sample.kind, path);
      if (heard.get(name) !== true) heard.set(name, otherWays(spec, path, schema).some(isOther));
    }
  }
  return heard;
}

/** All that somebody would notice. */
function outcomeOf(object: KubeObject) {
  const { deriver, conditions, routes } = buildModel([...AROUND, object], CONFIG);
  const { errors, warnings } = validate(object, surroundingsOf([...AROUND, object], CONFIG));
  return { told: deriver.waypoints, authorizations: deriver.authorizations, conditions, routes, errors, warnings };
}

function* pathsIn(value: unknown, path: Path = []): Generator<Path> {
  if (typeof value !== 'object' || value === null) return;
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  for (const key of keys) {
    yield [...path, key];
    yield* pathsIn((value as Record<string | number, unknown>)[key], [...path, key]);
  }
}

/** Maps are those whose keys are people's. */
const MAPS = new Set(['customTags', 'tagOverrides', 'labels', 'matchLabels']);

function nameOf(kind: string, path: Path): string {
  return path.reduce<string>((name, key, at) => {
    if (typeof key === 'number') return `${name}[]`;
    return MAPS.has(String(path[at - 1])) ? `${name}{}` : `${name}.${key}`;
  }, kind);
}

/** Without it, and as something else. */
function otherWays(spec: Json, path: Path, schema: Json): readonly Json[] {
  const value = path.reduce<unknown>((held, key) => (held as Record<string | number, unknown>)[key], spec);
  const others = otherValues(value, path.reduce<Json>(schemaBelow, schema));
  return [undefined, ...others].map((other) => changed(spec, path, other) as Json);
}

function schemaBelow(schema: Json, key: string | number): Json {
  const { properties = {}, items = {}, additionalProperties = {} } = schema as Record<string, Record<string, Json>>;
  return typeof key === 'number' ? items : (properties[key] ?? additionalProperties);
}

/** Whatever it is, one of these will do. */
const TEXTS = [
  ...['other', '7s', '7', '10.9.9.9', '/other', 'other.example', 'x-other', 'https://other.example/'],
  ...['response.code == 200', 'request.path', '{"keys":[{}]}', 'destination.ip'],
];

function otherValues(value: unknown, { enum: known }: Json): readonly unknown[] {
  if (Array.isArray(known)) return known.filter((one) => one !== value);
  if (typeof value === 'boolean') return [!value];
  if (typeof value === 'number') return [value + 1, value + 6];
  return typeof value === 'string' ? TEXTS : [];
}

function changed(value: unknown, [key, ...rest]: Path, other: unknown): unknown {
  if (key === undefined) return other;
  if (Array.isArray(value)) {
    const next = changed(value[Number(key)], rest, other);
    return next === undefined ? value.toSpliced(Number(key), 1) : value.with(Number(key), next);
  }
  const { [String(key)]: held, ...others } = value as Json;
  const next = changed(held, rest, other);
  return next === undefined ? others : { ...others, [String(key)]: next };
}
