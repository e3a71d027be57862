/** Least-privilege policies for services behind waypoints, from requests that were seen: who asked what by which method, and no more. */
import { templateProblem } from '../http-policy/derive/values.ts';
import type { KubeObject } from '../kube-object.ts';
import { type JudgingPlace, policiesAt } from '../predict/http-verdict.ts';
import type { MeshModel } from '../predict/model.ts';
import { spiffeParts } from '../spiffe.ts';
import { readIdentity } from './flow.ts';
import { merged } from './merge.ts';
import { placeOf, requestKey, type SeenRequest } from './request.ts';
import { sentOn } from './sent-on.ts';
import { freeName, isPolicyIn, principalOf } from './suggest.ts';

/** `routedBy`: key of the service that was asked, and whose routes may have led the request here. */
export type Evidence = SeenRequest & { readonly routedBy?: string };

/** One caller, or everybody: `requests` are the evidence. */
export type SuggestedRequestRule = {
  /** Without `spiffe://`, as policies write it. Absent: everybody may go on as before on `ports`, which tell nothing of requests. */
  readonly principal?: string;
  readonly ports: readonly number[];
  readonly requests: readonly Evidence[];
};

export type RequestSuggestion = {
  readonly policy: KubeObject;
  readonly rules: readonly SuggestedRequestRule[];
};

export type RequestSuggestions = {
  readonly suggestions: readonly RequestSuggestion[];
  /** Denied today; left as it is. */
  readonly denied: readonly SeenRequest[];
  /** Allowed, and by no rule: what they called is gone or no single object, or no policy can name what they asked. */
  readonly unruled: readonly SeenRequest[];
};

type Target = { readonly group: '' | 'networking.istio.io'; readonly kind: string; readonly name: string };
type Called = { readonly target: Target; readonly place: JudgingPlace; readonly requests: Evidence[] };

export function suggestForRequests(
  model: MeshModel,
  namespace: string,
  requests: readonly SeenRequest[],
): RequestSuggestions {
  const own = requests.filter(({ destination }) => namespaceOf(destination) === namespace);
  const rows = (verdict: 'allow' | 'deny') =>
    merged(
      own.filter((row) => row.verdict === verdict),
      requestKey,
    );
  const called = new Map<string, Called>();
  const unruled: SeenRequest[] = [];
  for (const row of rows('allow')) {
    const target = targetOf(model, row.destination);
    const place = placeOf(model, row);
    if (target === undefined || place === undefined || !canBeWritten(row)) {
      unruled.push(row);
      continue;
    }
    const known = called.get(row.destination) ?? { target, place, requests: [] };
    called.set(row.destination, known);
    known.requests.push(row);
  }
  // What routes lead to is judged by its own policies, too: one that is made of direct requests alone would cut the others.
  for (const row of merged(
    requests.filter(({ verdict }) => verdict === 'allow'),
    requestKey,
  )) {
    for (const routed of routedFrom(model, row)) {
      const there = called.get(routed.destination);
      if (there !== undefined) (canBeWritten(routed) ? there.requests : unruled).push(routed);
    }
  }
  const names = new Set(model.objects.filter(isPolicyIn(namespace)).map(({ metadata }) => metadata.name));
  const suggestions = [...called]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, one]) => suggestionFor({ name: freeName(`${one.target.name}-requests`, names), namespace }, one));
  return { suggestions, denied: rows('deny'), unruled };
}

/** What other services of that waypoint may have been asked by it. */
function routedFrom(model: MeshModel, row: SeenRequest): readonly Evidence[] {
  const service = placeOf(model, row)?.service;
  const source = readIdentity(row.source);
  if (service === undefined || source === undefined) return [];
  const asked = { ...row.example, paths: row.paths, sourceNamespace: spiffeParts(source).namespace };
  return sentOn(service, row.port, asked).flatMap((sent) => {
    if (sent === undefined) return [];
    const { path, host, paths, port } = sent;
    const example = { ...row.example, path, host };
    const routed = { ...row, destination: sent.service, port, paths, example, routedBy: row.destination };
    return placeOf(model, routed) === undefined ? [] : [routed];
  });
}

function namespaceOf(destination: string): string | undefined {
  return destination.includes('//') ? destination.split('/')[3] : destination.split('/')[0];
}

/** What a policy for a service is attached to. A ServiceEntry of several hosts would let in at all of them what was asked of one. */
function targetOf({ deriver }: MeshModel, destination: string): Target | undefined {
  const [namespace = '', hostname = ''] = destination.split('/');
  const owner = deriver.ownerOf(namespace, hostname);
  if (owner === undefined) return undefined;
  const { kind, name } = owner;
  if (kind === 'Service') return { group: '', kind, name };
  return owner.hosts.length === 1 ? { group: 'networking.istio.io', kind, name } : undefined;
}

/** A caller chooses its method and path: neither may mean more in a policy than it did in the request. */
function canBeWritten(row: Evidence): boolean {
  const { source, paths } = row;
  const isPath = paths.startsWith('/') && templateProblem(paths) === undefined;
  return isPath && /^[A-Za-z]+(-[A-Za-z]+)*$/.test(methodOf(row)) && readIdentity(source) !== undefined;
}

const methodOf = ({ method, example }: SeenRequest) => (method === 'other' ? example.method : method);

function suggestionFor(
  metadata: { readonly name: string; readonly namespace: string },
  { target, place, requests }: Called,
): RequestSuggestion {
  const byCaller = [...Map.groupBy(requests, ({ source }) => source)].sort(([a], [b]) => (a < b ? -1 : 1));
  const rules = byCaller.map(([source, own]): SuggestedRequestRule => {
    return { principal: principalOf(source), ports: portsOf(own), requests: own };
  });
  const opaque = opaquePorts(place, requests);
  if (opaque.length > 0) rules.push({ ports: opaque, requests: [] });
  const policy: KubeObject = {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata,
    spec: {
      targetRefs: [target],
      action: 'ALLOW',
      rules: rules.map(({ principal, ports, requests: own }) =>
        principal === undefined
          ? { to: [{ operation: { ports: ports.map(String) } }] }
          : {
              from: [{ source: { principals: [principal] } }],
              to: operationsOf(own).map((operation) => ({ operation })),
            },
      ),
    },
  };
  return { policy, rules };
}

/**
 * Ports of which the waypoint sees connections only: a policy about requests would cut them. Where an ALLOW policy is there already,
 * that one is about them.
 */
function opaquePorts(place: JudgingPlace, requests: readonly SeenRequest[]): readonly number[] {
  if (policiesAt(place).some(({ action, dryRun }) => action === 'ALLOW' && !dryRun)) return [];
  const spoken = new Set(portsOf(requests));
  const ports = (place.service?.ports ?? []).filter(
    ({ port, protocol }) => protocol === 'TCP' || protocol === 'TLS' || (protocol === 'UNKNOWN' && !spoken.has(port)),
  );
  return ports.map(({ port }) => port).sort((a, b) => a - b);
}

type Operation = {
  readonly ports: readonly string[];
  readonly methods: readonly string[];
  readonly paths: readonly string[];
};

/** Each lets in every method on every path of it, so it has only paths that were asked by the same methods. */
function operationsOf(requests: readonly SeenRequest[]): readonly Operation[] {
  const byPort = portsOf(requests).map((port) => {
    const there = requests.filter((row) => row.port === port);
    const byPath = [...Map.groupBy(there, ({ paths }) => paths)].map(([path, rows]) => ({
      path,
      methods: [...new Set(rows.map(methodOf))].sort(),
    }));
    const byMethods = Map.groupBy(byPath, ({ methods }) => methods.join(' '));
    return { port, groups: [...byMethods.values()] };
  });
  return byPort.flatMap(({ port, groups }) =>
    groups.map((group) => ({
      ports: [String(port)],
      methods: group[0]?.methods ?? [],
      paths: group.map(({ path }) => path).sort(),
    })),
  );
}

function portsOf(requests: readonly SeenRequest[]): readonly number[] {
  return [...new Set(requests.map(({ port }) => port))].sort((a, b) => a - b);
}
