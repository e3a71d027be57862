/** What a waypoint's Gateway asks of the cluster: objects, a word on why there are none, or nothing because others serve it. Pure. */
import type { KubeObject } from '../../mesh/index.ts';
import { deploymentOf } from './deployment.ts';
import { judgeListener, type ListenerVerdict } from './listeners.ts';
import {
  ACCOUNT_OVERRIDE,
  CLASS_NAME,
  CONTROLLER_VERSION,
  GATEWAY_GROUP,
  GATEWAY_NAME,
  HBONE,
  MANAGED,
  MANAGED_BY,
  NAME_OVERRIDE,
  NETWORK,
  SERVICE_TYPE,
  STATUS_PORT,
} from './names.ts';
import { asksFor, type Parameters, withOverlays } from './overlay.ts';
import type { WaypointWish } from './wish.ts';

/** What the mesh knows and the Gateway need not say. */
export type WaypointSettings = {
  readonly image: string;
  /** Of the controller. */
  readonly namespace: string;
  readonly revision: string;
  readonly clusterId: string;
  readonly clusterDomain: string;
  readonly trustDomain: string;
  /** '' where there is one network only. */
  readonly network: string;
};

export type Plan =
  | {
      readonly kind: 'objects';
      /** In the order in which they are applied. */
      readonly objects: readonly KubeObject[];
      readonly service: string;
      /** The account is named by the Gateway: it may be there already, as somebody else's. */
      readonly isAccountGiven: boolean;
    }
  /** `service`: `namespace/name` of a Service in this cluster, or undefined for another host. */
  | { readonly kind: 'elsewhere'; readonly hostname: string; readonly service: string | undefined }
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly message: string };

export type RefusalReason = 'ListenersNotValid' | 'UnsupportedAddress' | 'InvalidParameters' | 'Invalid';

const SERVICE_TYPES: readonly string[] = ['ClusterIP', 'NodePort', 'LoadBalancer'];
/** Names of Services are labels of DNS. */
const SERVICE_NAME = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const MAX_LABEL = 63;
/** What is said to this controller, or is about the Gateway as an object, is not for the objects that are made. */
const NOT_COPIED: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  NAME_OVERRIDE,
  ACCOUNT_OVERRIDE,
  CONTROLLER_VERSION,
  SERVICE_TYPE,
]);

export type Names = { readonly service: string; readonly account: string };

export function planWaypoint(wish: WaypointWish, settings: WaypointSettings, parameters: Parameters): Plan {
  const listeners = wish.listeners.map(judgeListener);
  const problem = listeners.find(({ problem }) => problem !== undefined)?.problem;
  if (listeners.every((listener) => listener.problem !== undefined)) {
    return refused('ListenersNotValid', problem ?? 'a waypoint needs a listener');
  }
  const elsewhere = addressElsewhere(wish, settings);
  if (elsewhere !== undefined) return elsewhere;
  const names = { service: wish.annotations[NAME_OVERRIDE] ?? wish.name, account: accountOf(wish) };
  const wrong = nameProblem(wish, names) ?? serviceTypeProblem(wish);
  if (wrong !== undefined) return refused('Invalid', wrong);
  if (parameters.kind === 'invalid') return refused('InvalidParameters', parameters.message);
  const { overlays } = parameters;
  const common = commonMetadata(wish, settings);
  const objects = [
    accountObject(names, common),
    deploymentOf(wish, settings, names, common),
    serviceObject(wish, names, common, listeners),
    ...(asksFor('HorizontalPodAutoscaler', overlays) ? [autoscalerObject(names, common)] : []),
    ...(asksFor('PodDisruptionBudget', overlays) ? [disruptionBudgetObject(wish, names, common)] : []),
  ];
  return {
    kind: 'objects',
    objects: objects.map((object) => marked(withOverlays(object, overlays), common)),
    service: names.service,
    isAccountGiven: wish.annotations[ACCOUNT_OVERRIDE] !== undefined,
  };
}

const refused = (reason: RefusalReason, message: string): Plan => ({ kind: 'refused', reason, message });

const accountOf = ({ annotations, name }: WaypointWish): string =>
  annotations[ACCOUNT_OVERRIDE] ?? annotations[NAME_OVERRIDE] ?? name;

/** A host that is named, or several addresses, mean a waypoint that somebody else runs. */
function addressElsewhere({ addresses }: WaypointWish, { clusterDomain }: WaypointSettings): Plan | undefined {
  const [first, ...more] = addresses;
  if (first === undefined) return undefined;
  if (more.length > 0) return refused('UnsupportedAddress', 'a waypoint has one address');
  if (first.type !== 'Hostname') {
    return refused(
      'UnsupportedAddress',
      `a waypoint gets its addresses from its Service, and ${first.type} ${first.value} can not be asked for; a waypoint that runs already is named by type Hostname`,
    );
  }
  const [name, namespace, svc, ...domain] = first.value.split('.');
  const isHere = svc === 'svc' && domain.join('.') === clusterDomain;
  return { kind: 'elsewhere', hostname: first.value, service: isHere ? `${namespace}/${name}` : undefined };
}

function nameProblem(wish: WaypointWish, { service, account }: Names): string | undefined {
  if (wish.name.length > MAX_LABEL) return `the name of a waypoint must not be longer than ${MAX_LABEL} characters`;
  if (!SERVICE_NAME.test(service)) {
    return `"${service}" is no name for a Service (a letter, then letters, digits and dashes, at most 63): name the Gateway so, or set annotation ${NAME_OVERRIDE}`;
  }
  // Where Gateways say none instead of a name, they opt out.
  if (wish.name === 'none') return 'no object can ask for a waypoint called none: that word opts out';
  return account === '' ? `annotation ${ACCOUNT_OVERRIDE} is empty` : undefined;
}

function serviceTypeProblem({ annotations }: WaypointWish): string | undefined {
  const type = annotations[SERVICE_TYPE];
  if (type === undefined || SERVICE_TYPES.includes(type)) return undefined;
  return `annotation ${SERVICE_TYPE} is "${type}", and must be one of ${SERVICE_TYPES.join(', ')}`;
}

/** What all objects carry. */
export type Common = {
  readonly namespace: string;
  readonly ownerReferences: readonly unknown[];
  /** Chosen by the user, over what is otherwise usual. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Over everything else. */
  readonly marks: Readonly<Record<string, string>>;
};

function commonMetadata(wish: WaypointWish, settings: WaypointSettings): Common {
  const { infrastructure, name, namespace, uid, className } = wish;
  const labels = infrastructure.labels ?? copied(wish.labels);
  return {
    namespace,
    ownerReferences: [{ apiVersion: `${GATEWAY_GROUP}/v1`, kind: 'Gateway', name, uid }],
    labels: { ...(settings.network !== '' && { [NETWORK]: settings.network }), ...labels },
    annotations: infrastructure.annotations ?? copied(wish.annotations),
    marks: { [GATEWAY_NAME]: name, [CLASS_NAME]: className, [MANAGED]: MANAGED_BY },
  };
}

const copied = (all: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(all).filter(([key]) => !key.startsWith(`${GATEWAY_GROUP}/`) && !NOT_COPIED.has(key)),
  );

export function metadataOf(name: string, common: Common) {
  const { namespace, ownerReferences, labels, annotations, marks } = common;
  return { name, namespace, labels: { ...labels, ...marks }, annotations, ownerReferences } as KubeObject['metadata'];
}

/** Overlays change what they like, but not by what we and the garbage collector know the objects, nor by what pods are known. */
function marked(object: KubeObject, { marks }: Common): KubeObject {
  const { metadata } = object;
  const whole = { ...object, metadata: { ...metadata, labels: { ...metadata.labels, ...marks } } };
  const spec = object['spec'] as { readonly template?: { readonly metadata?: KubeObject['metadata'] } } | undefined;
  if (object.kind !== 'Deployment' || spec?.template === undefined) return whole;
  const pod = spec.template.metadata;
  const template = { ...spec.template, metadata: { ...pod, labels: { ...pod?.labels, ...marks } } };
  return { ...whole, spec: { ...spec, template } };
}

function autoscalerObject(names: Names, common: Common): KubeObject {
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: names.service };
  const metadata = metadataOf(names.service, common);
  return { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata, spec: { scaleTargetRef } };
}

function disruptionBudgetObject({ name }: WaypointWish, names: Names, common: Common): KubeObject {
  const selector = { matchLabels: { [GATEWAY_NAME]: name } };
  const metadata = metadataOf(names.service, common);
  return { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata, spec: { selector } };
}

function accountObject(names: Names, common: Common): KubeObject {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadataOf(names.account, common) };
}

function serviceObject(
  { annotations, name }: WaypointWish,
  names: Names,
  common: Common,
  listeners: readonly ListenerVerdict[],
): KubeObject {
  const metadata = metadataOf(names.service, common);
  const ports = [{ name: 'status-port', port: STATUS_PORT, protocol: 'TCP', appProtocol: 'tcp' }];
  for (const listener of listeners) {
    if (listener.problem !== undefined || ports.some(({ port }) => port === listener.port)) continue;
    const base = listener.name.replaceAll('.', '-').slice(0, MAX_LABEL);
    const suffix = `-${listener.port}`;
    const isTaken = ports.some((port) => port.name === base);
    const portName = isTaken ? base.slice(0, MAX_LABEL - suffix.length) + suffix : base;
    ports.push({ name: portName, port: listener.port, protocol: 'TCP', appProtocol: HBONE.toLowerCase() });
  }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      ...metadata,
      // A node's callers use the waypoint's pods near them.
      annotations: { 'networking.istio.io/traffic-distribution': 'PreferClose', ...metadata.annotations },
    },
    spec: {
      type: annotations[SERVICE_TYPE] ?? 'ClusterIP',
      ipFamilyPolicy: 'PreferDualStack',
      selector: { [GATEWAY_NAME]: name },
      ports,
    },
  };
}
