/** Least-privilege policies from connections that were seen: for each kind of pod who called it, on which ports, and no more. */
import { GATEWAY_NAME_LABEL } from '../derive/waypoints.ts';
import type { KubeObject } from '../kube-object.ts';
import type { MeshModel } from '../predict/model.ts';
import { identityOf, reached, type SeenFlow } from './flow.ts';

/** One caller and the ports it used: `flows` are the evidence. */
export type SuggestedRule = {
  /** Without `spiffe://`, as policies write it. */
  readonly principal: string;
  readonly ports: readonly number[];
  readonly flows: readonly SeenFlow[];
};

export type Suggestion = {
  readonly policy: KubeObject;
  readonly rules: readonly SuggestedRule[];
};

export type Suggestions = {
  readonly suggestions: readonly Suggestion[];
  /** Allowed today, and by no rule: callers without an identity. */
  readonly plaintext: readonly SeenFlow[];
  /** Denied today; left as it is. */
  readonly denied: readonly SeenFlow[];
  /** Pods that nobody with an identity was seen to call: no policy is suggested for them. `namespace/name`. */
  readonly open: readonly string[];
  /** What they reached is gone, and nothing has taken its place: they are in no rule. */
  readonly gone: readonly SeenFlow[];
  /** ALLOW policies that are there already, and let in more than what is suggested. `namespace/name`. */
  readonly besides: readonly string[];
  /** Pods that no label tells from others. */
  readonly unlabelled: readonly string[];
};

type Labels = Readonly<Record<string, string>>;

/** What names an application, best first. */
const APP_LABELS = ['app', 'app.kubernetes.io/name', 'k8s-app'];
/** What tells replicas and generations of one application apart. */
const GENERATION =
  /^(pod-template-hash|controller-revision-hash|pod-template-generation|statefulset\.kubernetes\.io\/|apps\.kubernetes\.io\/pod-index|batch\.kubernetes\.io\/|controller-uid|job-name|version$|app\.kubernetes\.io\/version$)/;

type Group = { readonly selector: Labels; readonly pods: string[]; readonly flows: SeenFlow[] };

export function suggestPolicies(model: MeshModel, namespace: string, flows: readonly SeenFlow[]): Suggestions {
  const labels = podLabels(model, namespace);
  const groups = new Map<string, Group>();
  const plaintext: SeenFlow[] = [];
  const denied: SeenFlow[] = [];
  const unlabelled: string[] = [];
  const byDestination = Map.groupBy(flows, (flow) => reached(model, flow)?.uid ?? '');
  const gone = (byDestination.get('') ?? []).filter(({ destination }) => destination.split('/')[3] === namespace);
  for (const workload of [...model.view.workloads()].sort((a, b) => (a.uid < b.uid ? -1 : 1))) {
    if (workload.namespace !== namespace || !labels.has(workload.name)) continue; // machines and endpoints of others are no pods
    const name = `${namespace}/${workload.name}`;
    const seen = byDestination.get(workload.uid) ?? [];
    const allowed = seen.filter(({ verdict }) => verdict === 'allow');
    denied.push(...seen.filter(({ verdict }) => verdict === 'deny'));
    plaintext.push(...allowed.filter((flow) => identityOf(flow) === undefined));
    const selector = selectorOf(labels.get(workload.name) ?? {});
    if (selector === undefined) {
      unlabelled.push(name);
      continue;
    }
    const key = JSON.stringify(selector);
    const group = groups.get(key) ?? { selector, pods: [], flows: [] };
    groups.set(key, group);
    group.pods.push(name);
    group.flows.push(...allowed.filter((flow) => identityOf(flow) !== undefined));
  }
  const existing = model.objects.filter(isPolicyIn(namespace));
  const names = new Set(existing.map(({ metadata }) => metadata.name));
  const called = [...groups.values()].filter((group) => group.flows.length > 0);
  const suggestions = called.map(({ selector, flows: own }) => {
    const name = freeName(`${shortName(Object.values(selector)[0] ?? '')}-callers`, names);
    return suggestionFor({ name, namespace }, selector, own);
  });
  const open = [...groups.values()].filter((group) => group.flows.length === 0).flatMap(({ pods }) => pods);
  const besides = existing.filter(isAllow).map(({ metadata }) => `${namespace}/${metadata.name}`);
  return { suggestions, plaintext, denied, open, gone, besides, unlabelled };
}

/** As policies write it. */
export const principalOf = (source: string) => source.replace(/^spiffe:\/\//, '');

function suggestionFor(
  metadata: { readonly name: string; readonly namespace: string },
  selector: Labels,
  flows: readonly SeenFlow[],
): Suggestion {
  const rules = [...Map.groupBy(flows, ({ source }) => source)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([source, own]): SuggestedRule => ({
        principal: principalOf(source),
        ports: [...new Set(own.map(({ port }) => port))].sort((a, b) => a - b),
        flows: own,
      }),
    );
  const policy: KubeObject = {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata,
    spec: {
      selector: { matchLabels: selector },
      action: 'ALLOW',
      rules: rules.map(({ principal, ports }) => ({
        from: [{ source: { principals: [principal] } }],
        to: [{ operation: { ports: ports.map(String) } }],
      })),
    },
  };
  return { policy, rules };
}

function shortName(app: string): string {
  const name = app.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  return name.slice(0, 200) || 'pods';
}

/** `cart-callers`, or `cart-callers-2` when something else has led to that name; then it is taken. */
export function freeName(base: string, taken: Set<string>): string {
  let name = base;
  for (let n = 2; taken.has(name); n += 1) name = `${base}-${n}`;
  taken.add(name);
  return name;
}

export function isPolicyIn(namespace: string): (object: KubeObject) => boolean {
  return ({ apiVersion, kind, metadata }) =>
    kind === 'AuthorizationPolicy' && apiVersion.startsWith('security.istio.io/') && metadata.namespace === namespace;
}

function isAllow(policy: KubeObject): boolean {
  return ((policy['spec'] as { readonly action?: unknown } | undefined)?.action ?? 'ALLOW') === 'ALLOW';
}

function podLabels({ objects }: MeshModel, namespace: string): ReadonlyMap<string, Labels> {
  // Waypoints take tunnels only, from whoever is in the mesh; what they let through is for their own policies.
  const pods = objects.filter(
    ({ kind, metadata }) =>
      kind === 'Pod' && metadata.namespace === namespace && metadata.labels?.[GATEWAY_NAME_LABEL] === undefined,
  );
  return new Map(pods.map(({ metadata }) => [metadata.name, metadata.labels ?? {}]));
}

/** The label that names the application; else all that replicas share. Undefined when there is none. */
function selectorOf(labels: Labels): Labels | undefined {
  for (const key of APP_LABELS) {
    const value = labels[key];
    if (value) return { [key]: value };
  }
  const shared = Object.entries(labels).filter(([key]) => !GENERATION.test(key));
  return shared.length === 0 ? undefined : Object.fromEntries(shared.sort(([a], [b]) => (a < b ? -1 : 1)));
}
