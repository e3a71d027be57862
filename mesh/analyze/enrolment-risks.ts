/**
 * What would break when a namespace joins the mesh, or refuses plaintext: the mesh as it would be is analysed like the one that
 * is, and what is new counts; with it comes what only the step itself makes a question of.
 */
import { readAuthorizationPolicy } from '../derive/authorization-policy.ts';
import { fields, type Labels, labelsOf, list, text } from '../derive/read.ts';
import { getOrAdd } from '../derive/selector.ts';
import type { KubeObject, MeshConfig } from '../kube-object.ts';
import { buildModel, type MeshModel } from '../predict/model.ts';
import { type Code, SEVERITIES } from './codes.ts';
import { type Finding, finding, formatRef, type ObjectRef, type ObservedFlow, refOf, some } from './finding.ts';
import { findings } from './findings.ts';
import { isRefusedByStrict, nameOfSource, workloadOf } from './strict.ts';
import { type AnalyzedPod, type World, worldOf } from './world.ts';

export type EnrolmentStep = {
  readonly namespace: string;
  /** Also refuse plaintext. */
  readonly strict: boolean;
};

/** A connection without identity that is open to a pod (`namespace/name`), as its ztunnel tells; `source` is an address. */
export type OpenConnection = { readonly pod: string; readonly source: string; readonly port: number };

export type EnrolmentEvidence = {
  readonly flows: readonly ObservedFlow[];
  readonly open: readonly OpenConnection[];
  /** Whether there is a live mesh to ask at all; without, nothing is said of what it could have shown. */
  readonly isLive: boolean;
};

const MODE = 'istio.io/dataplane-mode';
const REDIRECTION = 'ambient.istio.io/redirection';
const POLICY = 'security.istio.io/AuthorizationPolicy';
const PEER = 'security.istio.io/PeerAuthentication';

/** Findings that the step can bring about; others are the business of `analyze`. */
const BROUGHT: ReadonlySet<Code> = new Set<Code>([
  'AMB0201',
  'AMB0202',
  'AMB0204',
  'AMB0301',
  'AMB0305',
  'AMB0307',
  'AMB0401',
  'AMB0402',
  'AMB0403',
  'AMB0602',
  'AMB0604',
  'IST0123',
  'IST0167',
]);

/** A policy for nobody, and pods that become outsiders where others are strict. */
const LEFT: ReadonlySet<Code> = new Set<Code>(['AMB0101', 'AMB0201']);

/** The worst first. Throws MESH_CONFIG_INVALID as {@link buildModel} does. */
export function enrolmentRisks(now: MeshModel, step: EnrolmentStep, evidence: EnrolmentEvidence): readonly Finding[] {
  const then = buildModel(afterStep(now.objects, step), now.config);
  const [before, after] = [worldOf(now, evidence.flows), worldOf(then, evidence.flows)];
  const known = new Set(findings(now, evidence.flows).map(identity));
  const risks = [
    ...findings(then, evidence.flows).filter((one) => BROUGHT.has(one.code) && !known.has(identity(one))),
    ...policiesThatBegin(before, after, step),
    ...notCarried(after, step),
    ...(step.strict ? strictRisks(after, step, evidence) : []),
    ...(evidence.isLive ? [...withoutController(after, step), ...unready(after, step), ...unseen(before, step)] : []),
  ];
  return risks.toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}

/** What nobody would enforce any more, or who would be shut out, when the namespace leaves the mesh. */
export function leavingRisks(now: MeshModel, namespace: string): readonly Finding[] {
  const objects = now.objects.map((object) =>
    object.kind === 'Namespace' && object.metadata.name === namespace ? relabelled(object, undefined) : object,
  );
  const known = new Set(findings(now).map(identity));
  return findings(buildModel(objects, now.config)).filter((one) => LEFT.has(one.code) && !known.has(identity(one)));
}

const identity = ({ code, object, field, message }: Finding) =>
  `${code} ${formatRef(object)} ${field ?? ''} ${message}`;

/** The objects as they would be, with every pod that would join captured already. */
function afterStep(objects: readonly KubeObject[], { namespace, strict }: EnrolmentStep): readonly KubeObject[] {
  const isIt = (object: KubeObject) => object.kind === 'Namespace' && object.metadata.name === namespace;
  const existing = objects.find(isIt) ?? { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
  const joined = relabelled(existing, 'ambient');
  const rest = objects.filter((object) => !isIt(object) && !(strict && isWide(object, namespace)));
  return [joined, ...rest.map((object) => captured(object, namespace)), ...(strict ? [strictIn(namespace)] : [])];
}

function relabelled(object: KubeObject, mode: string | undefined): KubeObject {
  const { [MODE]: _, ...others } = object.metadata.labels ?? {};
  const labels = mode === undefined ? others : { ...others, [MODE]: mode };
  return { ...object, metadata: { ...object.metadata, labels } };
}

function captured(object: KubeObject, namespace: string): KubeObject {
  if (object.kind !== 'Pod' || object.metadata.namespace !== namespace) return object;
  const { metadata } = object;
  return { ...object, metadata: { ...metadata, annotations: { ...metadata.annotations, [REDIRECTION]: 'enabled' } } };
}

function isWide(object: KubeObject, namespace: string): boolean {
  if (object.kind !== 'PeerAuthentication' || object.metadata.namespace !== namespace) return false;
  return Object.keys(fields(fields(fields(object['spec'])['selector'])['matchLabels'])).length === 0;
}

const strictIn = (namespace: string): KubeObject => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { namespace, name: 'default' },
  spec: { mtls: { mode: 'STRICT' } },
});

const namespaceRef = (name: string): ObjectRef => ({ kind: 'Namespace', name });

/** Policies that wait for the namespace: written already, and nobody enforces them yet. */
function* policiesThatBegin(before: World, after: World, { namespace }: EnrolmentStep): Generator<Finding> {
  const inside = new Set(before.podsIn(namespace).flatMap((pod) => (pod.enrolment.enrolled ? [pod.facts.key] : [])));
  const joins = (pod: AnalyzedPod) => pod.enrolment.enrolled && !inside.has(pod.facts.key);
  for (const policy of [...before.objects(POLICY), ...before.objects(PEER)]) {
    const selector = selectorFor(policy, namespace, after.config);
    const whom = selector === undefined ? [] : [...after.podsSelected(namespace, selector)].filter(joins);
    if (whom.length === 0) continue;
    yield finding('AMB0605', refOf(policy), {
      message: `begins to be enforced at ${names(whom)}: until now nothing did; ${effectOf(policy)}`,
      fix:
        policy.kind === 'PeerAuthentication'
          ? 'see who calls these pods from outside the mesh, or start with mode PERMISSIVE'
          : 'ask before with ambit why, or try it with the annotation istio.io/dry-run: "true"',
    });
  }
}

/** Which pods of the namespace a policy is about; undefined: none, or it changes nothing for them. */
function selectorFor(policy: KubeObject, namespace: string, config: MeshConfig): Labels | undefined {
  const isOwn = policy.metadata.namespace === namespace;
  if (!isOwn && policy.metadata.namespace !== config.rootNamespace) return undefined;
  if (policy.kind === 'PeerAuthentication') {
    const selector = labelsOf(fields(fields(policy['spec'])['selector'])['matchLabels']);
    const isWithout = !isOwn && Object.keys(selector).length > 0; // selectors have no effect in the root namespace
    return isWithout || !mentionsStrict(policy) ? undefined : selector;
  }
  const reading = readAuthorizationPolicy(policy, config);
  return reading.kind !== 'policy' || reading.authorization.dryRun ? undefined : (reading.selector ?? {});
}

function mentionsStrict(peer: KubeObject): boolean {
  const spec = fields(peer['spec']);
  const modes = [spec['mtls'], ...Object.values(fields(spec['portLevelMtls']))].map(
    (setting) => fields(setting)['mode'],
  );
  return modes.includes('STRICT');
}

function effectOf(policy: KubeObject): string {
  if (policy.kind === 'PeerAuthentication') return 'callers outside the mesh are refused then';
  const denies = fields(policy['spec'])['action'] === 'DENY';
  return denies
    ? 'whom it denies is refused then'
    : 'whom no ALLOW policy allows is refused then, and callers outside the mesh have no identity that could be allowed';
}

/** Tunnels carry TCP. */
function* notCarried(world: World, { namespace }: EnrolmentStep): Generator<Finding> {
  for (const service of world.objects('/Service')) {
    if (service.metadata.namespace !== namespace) continue;
    const ports = list(fields(service['spec'])['ports']).map(fields);
    const others = ports.filter(({ protocol }) => protocol === 'UDP' || protocol === 'SCTP');
    if (others.length === 0) continue;
    yield finding('AMB0603', refOf(service), {
      field: 'spec.ports',
      message: `${some(others.map(({ port, protocol }) => `${text(protocol)} ${port}`))} is not carried by the mesh: it goes on in plaintext, and no policy sees it`,
      fix: 'nothing, unless you count on encryption there',
    });
  }
}

function* strictRisks(world: World, { namespace }: EnrolmentStep, { open }: EnrolmentEvidence): Generator<Finding> {
  const outside = world.pods.filter(
    (pod) => !pod.enrolment.enrolled && pod.namespace !== namespace && pod.namespace !== world.config.rootNamespace,
  );
  if (outside.length > 0) {
    yield finding('AMB0606', namespaceRef(namespace), {
      message: `${names(outside)} ${new Set(outside.map(nameOf)).size === 1 ? 'is' : 'are'} outside the mesh: any of them that calls pods of ${namespace} is refused`,
      fix: 'bring in those that call, or exempt the ports that they call with mode PERMISSIVE in portLevelMtls',
    });
  }
  const byPod = Map.groupBy(open, ({ pod }) => pod);
  for (const pods of Map.groupBy(world.podsIn(namespace), ({ owner }) => formatRef(owner)).values()) {
    const cut = pods.flatMap((pod) => {
      const workload = workloadOf(world, pod);
      if (workload === undefined) return [];
      return (byPod.get(pod.facts.key) ?? []).filter((one) => isRefusedByStrict(world, workload, one));
    });
    const [first] = pods;
    if (first === undefined || cut.length === 0) continue;
    const sources = some(cut.map(({ source }) => nameOfSource(world, source)));
    yield finding('AMB0607', first.owner, {
      message: `${cut.length === 1 ? 'a connection' : `${cut.length} connections`} without identity (from ${sources}) would be cut`,
      fix: 'bring the callers into the mesh first',
    });
  }
}

/** Nodes with pods that would join, where the mesh is not up. */
function* unready(world: World, { namespace }: EnrolmentStep): Generator<Finding> {
  const needed = new Map<string, AnalyzedPod[]>();
  for (const pod of world.podsIn(namespace)) {
    if (pod.enrolment.enrolled && pod.facts.node !== '') getOrAdd(needed, pod.facts.node, () => []).push(pod);
  }
  const parts: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['agent', { 'k8s-app': 'istio-cni-node' }],
    ['ztunnel', { app: 'ztunnel' }],
  ];
  for (const [part, labels] of parts) {
    const there = [...world.podsSelected(world.config.rootNamespace, labels)];
    const ready = new Set(there.filter(({ facts }) => facts.healthy).map(({ facts }) => facts.node));
    for (const [node, pods] of needed) {
      if (ready.has(node)) continue;
      yield finding(
        'AMB0601',
        { kind: 'Node', name: node },
        {
          message: `no ${part} is ready on node ${node}, where ${names(pods)} would join: ${part === 'agent' ? 'they would stay outside, and new pods would not start' : 'their traffic would be down'}`,
          fix: 'see ambit status, and kubectl -n istio-system get pods -o wide',
        },
      );
    }
  }
}

/** Without a controller nobody learns of the pods, and they get no certificates. */
function* withoutController({ config, podsSelected, podsIn }: World, { namespace }: EnrolmentStep): Generator<Finding> {
  const { rootNamespace } = config;
  if (podsIn(namespace).length === 0) return;
  if ([...podsSelected(rootNamespace, { app: 'istiod' })].some(({ facts }) => facts.healthy)) return;
  yield finding(
    'AMB0601',
    { kind: 'Deployment', namespace: rootNamespace, name: 'istiod' },
    {
      message:
        'no controller is ready: pods that join get no certificates, and can neither call nor be called through tunnels',
      fix: 'see ambit status; is the mesh installed? (ambit install)',
    },
  );
}

/** What nobody can know before: said, so that silence is not taken for an answer. */
function* unseen(before: World, { namespace, strict }: EnrolmentStep): Generator<Finding> {
  const pods = before.podsIn(namespace);
  if (pods.length === 0 || pods.some(({ enrolment }) => enrolment.enrolled)) return;
  yield finding('AMB0608', namespaceRef(namespace), {
    message: `who calls these pods now is not visible before they are in the mesh; connections that are open stay as they are, in plaintext, until they close`,
    fix: strict
      ? `enrol first, without --strict; look again after a while: ambit enroll ${namespace} --check --strict`
      : 'restart clients that must not go on in plaintext',
  });
}

const nameOf = ({ namespace, owner }: AnalyzedPod) => `${namespace}/${owner.name}`;
const names = (pods: readonly AnalyzedPod[]) => some(pods.map(nameOf));
