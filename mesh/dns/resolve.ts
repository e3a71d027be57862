/**
 * What the mesh answers to a name: the addresses of a service that it knows, or nothing, which is an answer, too. A name that
 * it does not know is somebody else's to answer (ztunnel.md section 7).
 */
import { type IpAddress, ipFamily } from '../address.ts';
import { type Service, serviceKey, type Workload } from '../model.ts';
import { isVisible } from '../view/contenders.ts';
import { isRange } from '../view/service-index.ts';
import type { View } from '../view/view.ts';
import { candidateNames, type NameCandidate, type NameScope, wildcardsOf } from './candidates.ts';

export type NameSettings = Omit<NameScope, 'clientNamespace'> & {
  /** Decides between namespaces that define the same host, after the client's own and the canonical one. */
  readonly preferredNamespace?: string;
  /** False: nobody is told IPv6 addresses. */
  readonly ipv6: boolean;
};

export type NameQuestion = {
  readonly client: Pick<Workload, 'namespace' | 'network'>;
  /** Lower case, without the final dot. */
  readonly name: string;
  readonly family: 4 | 6;
};

/** Why the mesh knows a name, and gives no address for it. */
export type WhyEmpty = 'ipv6-off' | 'not-of-its-families' | 'no-address-of-the-family' | 'no-address-on-the-network';

export type NameAnswer =
  /** Nobody of the mesh that the client may see has the name. */
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'known';
      readonly service: Service;
      /** The service's host that matched: may be a wildcard. */
      readonly host: string;
      /** The question without the client's search domain: the name that the addresses belong to, and an alias leads to it. */
      readonly alias?: string;
      /** In the order of the view; empty for a reason. */
      readonly addresses: readonly IpAddress[];
      readonly empty?: WhyEmpty;
    };

/** Does not wait and does not choose: the same question to the same view has the same answer. */
export function resolveName(view: View, question: NameQuestion, settings: NameSettings): NameAnswer {
  const { client, name } = question;
  const scope = { ...settings, clientNamespace: client.namespace };
  for (const candidate of candidateNames(name, scope)) {
    const found = match(view, candidate, client.namespace, settings);
    if (found === undefined) continue;
    const { service, host } = found;
    const { stripped } = candidate;
    const alias = stripped !== undefined && !host.startsWith('*') ? { alias: stripped } : {};
    return { kind: 'known', service, host, ...alias, ...addressesOf(view, service, question, settings) };
  }
  return { kind: 'unknown' };
}

type Match = { readonly service: Service; readonly host: string };

function match(view: View, { name }: NameCandidate, namespace: string, settings: NameSettings): Match | undefined {
  const exact = choose(view.servicesByHostname(name), namespace, settings);
  if (exact !== undefined) return { service: exact, host: name };
  for (const host of wildcardsOf(name)) {
    const service = choose(view.servicesByHostname(host), namespace, settings);
    if (service !== undefined) return { service, host };
  }
  return undefined;
}

/** The client's namespace, else a canonical one, else the preferred one, else the first by key. */
function choose(services: readonly Service[], namespace: string, settings: NameSettings): Service | undefined {
  if (services.length === 0) return undefined;
  const able = services.filter((s) => isVisible(s, namespace) && hasNameHere(s, settings.clusterDomain));
  return (
    able.find((s) => s.namespace === namespace) ??
    able.find((s) => s.canonical) ??
    able.find((s) => s.namespace === settings.preferredNamespace) ??
    able[0]
  );
}

/** Whether its name is ours to answer: it has an address, or it is a headless service of this cluster. */
function hasNameHere(service: Service, clusterDomain: string): boolean {
  return service.addresses.some((a) => !isRange(a)) || service.hostname.endsWith(`.svc.${clusterDomain}`);
}

type Addresses = { readonly addresses: readonly IpAddress[]; readonly empty?: WhyEmpty };

function addressesOf(
  view: View,
  service: Service,
  { client, family }: NameQuestion,
  settings: NameSettings,
): Addresses {
  if (family === 6 && !settings.ipv6) return { addresses: [], empty: 'ipv6-off' };
  if (service.ipFamilies === (family === 4 ? 'IPV6_ONLY' : 'IPV4_ONLY')) {
    return { addresses: [], empty: 'not-of-its-families' };
  }
  const virtual = service.addresses.filter((a) => !isRange(a));
  const all = virtual.length > 0 ? virtual : endpointAddresses(view, service, family);
  const ofFamily = all.filter(({ address }) => ipFamily(address) === family);
  if (ofFamily.length === 0) return { addresses: [], empty: 'no-address-of-the-family' };
  // An address means something else on another network: it would lead to a stranger.
  const here = ofFamily.filter(({ network }) => network === client.network).map(({ address }) => address);
  return here.length > 0 ? { addresses: here } : { addresses: [], empty: 'no-address-on-the-network' };
}

/** One address of the family for each endpoint of a headless service. */
function endpointAddresses(view: View, service: Service, family: 4 | 6) {
  return view.endpoints(service).flatMap(({ workload }) => {
    const address = workload.addresses.find((ip) => ipFamily(ip) === family);
    return address === undefined ? [] : [{ network: workload.network, address }];
  });
}

/** For logs: `shop/cart.shop.svc.cluster.local`, or why not. */
export function formatNameAnswer(answer: NameAnswer): string {
  if (answer.kind === 'unknown') return 'unknown to the mesh';
  return answer.empty === undefined ? serviceKey(answer.service) : `${serviceKey(answer.service)}: ${answer.empty}`;
}
