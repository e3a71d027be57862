/** What TO leads to: the addresses that an application would dial, and how a name leads there. */
import { formatSocketAddress, type SocketAddress } from '../address.ts';
import { candidateNames } from '../dns/candidates.ts';
import { resolveName } from '../dns/resolve.ts';
import { missingPod, type PredictedCaller, podsNamed } from './callers.ts';
import { ended, hop, leaves } from './ends.ts';
import { listed } from './lists.ts';
import { askFor, lookupOf, offer } from './lookup.ts';
import type { MeshModel } from './model.ts';
import type { Hop } from './prediction.ts';
import type { Callee } from './question.ts';
import { type Destination, endpointsOf, type NamedService, throughService } from './through-service.ts';

/** More names than this after one another are a circle. */
const MAX_ALIASES = 8;

export function destinationOf(model: MeshModel, to: Callee, caller: PredictedCaller): Destination {
  switch (to.kind) {
    case 'service':
      return namedService(model, to, caller);
    case 'pod':
      return namedPod(model, to, caller);
    case 'host':
      return host(model, to.host, to.port, caller, []);
    case 'address':
      return address(model, to.address, caller);
    default:
      return to satisfies never;
  }
}

function namedService(
  model: MeshModel,
  to: Extract<Callee, { kind: 'service' }>,
  caller: PredictedCaller,
): Destination {
  const { view, config } = model;
  const { namespace, name, port } = to;
  const hostname = `${name}.${namespace}.svc.${config.clusterDomain}`;
  const isThere = view.serviceByKey(`${namespace}/${hostname}`) !== undefined;
  if (isThere || lookupOf(model).externalName(namespace, name) !== undefined)
    return host(model, hostname, port, caller, []);
  const near = [...view.services()].filter((s) => s.name === name || s.namespace === namespace);
  const same = near.filter((s) => s.name === name);
  const offered = (same.length > 0 ? same : near).map((s) => askFor(s, config.clusterDomain));
  const unread = model.conditions.find(
    ({ object, reason }) =>
      object.kind === 'Service' && object.namespace === namespace && object.name === name && reason === 'Invalid',
  );
  const because = unread
    ? `service ${namespace}/${name} can not be read: ${unread.message}`
    : `there is no service ${name} in namespace ${namespace}${offer(offered)}`;
  return missing(caller, 'service', because);
}

function namedPod(model: MeshModel, to: Extract<Callee, { kind: 'pod' }>, caller: PredictedCaller): Destination {
  const pods = podsNamed(model, to);
  if (pods.length === 0) return missing(caller, 'endpoint', missingPod(model, to));
  const targets = pods.flatMap(({ addresses }) => addresses.map((ip) => ({ ip, port: to.port })));
  const notes = pods
    .filter((pod) => pod.networkMode === 'HOST_NETWORK')
    .map(
      (pod) =>
        `pod ${pod.namespace}/${pod.name} uses the network of its node: the mesh does not know it by its address`,
    );
  const says = `${listed(pods.map((pod) => `pod ${pod.namespace}/${pod.name}`))} at ${listed(pods.flatMap((pod) => pod.addresses))}, dialled directly`;
  return { kind: 'dialled', targets, hops: [hop('name', says)], notes };
}

function host(
  model: MeshModel,
  name: string,
  port: number,
  caller: PredictedCaller,
  before: readonly string[],
): Destination {
  const { view } = model;
  const { clusterDomain } = model.config;
  const { namespace } = caller.workload;
  const path = [...before, name];
  const aliasHops = path.slice(1).map((to, i) => hop('name', `${path[i]} is another name (ExternalName) for ${to}`));
  if (path.length > MAX_ALIASES) return missing(caller, 'name', `${path[0]} leads in a circle: ${path.join(' -> ')}`);
  const answer = answerTo(model, caller, name);
  if (answer !== undefined) return throughService(caller, { ...answer, port, asked: name, before: aliasHops });
  for (const candidate of candidateNames(name, { clientNamespace: namespace, clusterDomain })) {
    const alias = externalNameOf(model, candidate.name);
    if (alias !== undefined) return host(model, alias, port, caller, [...before, candidate.name]);
  }
  // Such names nobody outside could have.
  if (!name.includes('.') || name.endsWith(`.svc.${clusterDomain}`) || name.endsWith('.svc')) {
    const services = [...view.services()].filter((s) => s.name === name.split('.')[0]);
    return missing(caller, 'name', `no service is known as ${name}${offer(services.map((s) => s.hostname))}`);
  }
  const known = view.serviceByHostname(name, namespace);
  if (known !== undefined) {
    const says = `${name} belongs to ${known.namespace}/${known.name}, which has no address of its own to know its connections by`;
    return { kind: 'ends', end: leaves(caller, name), hops: [...aliasHops, hop('name', says)] };
  }
  const namesakes = [...view.services()].filter((s) => s.name === name.split('.')[0]);
  const meant = offer(namesakes.map((s) => askFor(s, clusterDomain)));
  const says = `${name} is no name of the mesh${meant}: whatever DNS answers is dialled`;
  return { kind: 'ends', end: leaves(caller, name), hops: [...aliasHops, hop('name', says)] };
}

/** What DNS answers to the caller: the mesh, or the cluster's own DNS, which knows no ServiceEntry. */
function answerTo(model: MeshModel, caller: PredictedCaller, name: string): NamedService | undefined {
  const { clusterDomain } = model.config;
  const [v4, v6] = ([4, 6] as const).map((family) =>
    resolveName(model.view, { client: caller.workload, name, family }, { clusterDomain, ipv6: true }),
  );
  if (v4?.kind !== 'known' || v6?.kind !== 'known') return undefined;
  const { service } = v4;
  if (caller.membership.state !== 'in' && !service.hostname.endsWith(`.svc.${clusterDomain}`)) return undefined;
  return { service, addresses: [...v4.addresses, ...v6.addresses], endpoints: model.view.endpoints(service).length };
}

function externalNameOf(model: MeshModel, hostname: string): string | undefined {
  const suffix = `.svc.${model.config.clusterDomain}`;
  const [name, namespace, more] = hostname.endsWith(suffix) ? hostname.slice(0, -suffix.length).split('.') : [];
  if (name === undefined || namespace === undefined || more !== undefined) return undefined;
  return lookupOf(model).externalName(namespace, name);
}

function address({ view }: MeshModel, target: SocketAddress, caller: PredictedCaller): Destination {
  const service = view.serviceByVip(view.network, target.ip, caller.workload.namespace);
  const workload = view.workloadByAddress(view.network, target.ip);
  const hops: Hop[] = [];
  if (workload !== undefined) {
    hops.push(hop('name', `${target.ip} is ${workload.namespace}/${workload.name}, dialled directly`));
  } else if (service !== undefined) {
    const endpoints = endpointsOf(service, view.endpoints(service).length);
    const says = `${target.ip} is service ${service.namespace}/${service.name}, port ${target.port}, ${endpoints}`;
    hops.push(hop('service', says));
  } else {
    hops.push(hop('name', `${formatSocketAddress(target)} is an address that the mesh does not know`));
  }
  return { kind: 'dialled', targets: [target], ...(service && workload === undefined && { service }), hops, notes: [] };
}

function missing(caller: PredictedCaller, kind: Hop['kind'], because: string): Destination {
  const end = ended(caller, 'unknown', 'destination-not-found', because, [hop(kind, because, 'unclear')]);
  return { kind: 'ends', end, hops: [] };
}
