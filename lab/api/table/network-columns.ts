/** Columns of how things are reached. */
import { type ApiObject, at, listAt, numberAt, textAt } from '../object.ts';
import type { Json } from '../pure/index.ts';
import { AGE, type Column, NAME, orNone, pairs, textOrNone } from './cells.ts';

/** Cells show the first few addresses only. */
const SHOWN = 3;

function shorten(items: readonly string[]): string {
  const more = items.length - SHOWN;
  const text = items.slice(0, SHOWN).join(',');
  return orNone(more > 0 ? `${text} + ${more} more...` : text);
}

function externalAddress(service: ApiObject): string {
  const ingress = listAt(service, 'status', 'loadBalancer', 'ingress').map(
    (i) => textAt(i, 'ip') || textAt(i, 'hostname'),
  );
  const external = listAt(service, 'spec', 'externalIPs').map(String);
  switch (textAt(service, 'spec', 'type')) {
    case 'ExternalName':
      return textAt(service, 'spec', 'externalName');
    case 'LoadBalancer':
      return [...ingress, ...external].join(',') || '<pending>';
    default:
      return orNone(external.join(','));
  }
}

function servicePorts(service: ApiObject): string {
  const ports = listAt(service, 'spec', 'ports').map((port) => {
    const node = numberAt(port, 'nodePort') ?? 0;
    return `${numberAt(port, 'port') ?? 0}${node > 0 ? `:${node}` : ''}/${textAt(port, 'protocol')}`;
  });
  return orNone(ports.join(','));
}

function endpoints(object: ApiObject): string {
  const all = listAt(object, 'subsets').flatMap((subset) =>
    listAt(subset, 'addresses').flatMap((address) =>
      listAt(subset, 'ports').map((port) => `${textAt(address, 'ip')}:${numberAt(port, 'port') ?? 0}`),
    ),
  );
  return shorten(all);
}

const sliceAddresses = (slice: ApiObject): string =>
  shorten(listAt(slice, 'endpoints').flatMap((endpoint) => listAt(endpoint, 'addresses').map(String)));

function ingressPorts(ingress: ApiObject): string {
  return listAt(ingress, 'spec', 'tls').length > 0 ? '80, 443' : '80';
}

const hosts = (ingress: ApiObject): string =>
  listAt(ingress, 'spec', 'rules')
    .map((rule) => textAt(rule, 'host') || '*')
    .slice(0, SHOWN)
    .join(',') || '*';

const selector = (object: ApiObject): Json => pairs(at(object, 'spec', 'podSelector', 'matchLabels'));

export const NETWORK_COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  '/services': [
    NAME,
    { name: 'Type', cell: (o) => textAt(o, 'spec', 'type') },
    { name: 'Cluster-IP', cell: (o) => textOrNone(o, 'spec', 'clusterIP') },
    { name: 'External-IP', cell: externalAddress },
    { name: 'Port(s)', cell: servicePorts },
    AGE,
    { name: 'Selector', wide: true, cell: (o) => pairs(at(o, 'spec', 'selector')) },
  ],
  '/endpoints': [NAME, { name: 'Endpoints', cell: endpoints }, AGE],
  'discovery.k8s.io/endpointslices': [
    NAME,
    { name: 'AddressType', cell: (o) => textAt(o, 'addressType') },
    { name: 'Ports', cell: (o) => shorten(listAt(o, 'ports').map((port) => String(numberAt(port, 'port') ?? '*'))) },
    { name: 'Endpoints', cell: sliceAddresses },
    AGE,
  ],
  'networking.k8s.io/ingresses': [
    NAME,
    { name: 'Class', cell: (o) => textOrNone(o, 'spec', 'ingressClassName') },
    { name: 'Hosts', cell: hosts },
    {
      name: 'Address',
      cell: (o) =>
        listAt(o, 'status', 'loadBalancer', 'ingress')
          .map((i) => textAt(i, 'ip') || textAt(i, 'hostname'))
          .join(','),
    },
    { name: 'Ports', cell: ingressPorts },
    AGE,
  ],
  'networking.k8s.io/ingressclasses': [
    NAME,
    { name: 'Controller', cell: (o) => textAt(o, 'spec', 'controller') },
    { name: 'Parameters', cell: (o) => textOrNone(o, 'spec', 'parameters', 'name') },
    AGE,
  ],
  'networking.k8s.io/networkpolicies': [NAME, { name: 'Pod-Selector', cell: selector }, AGE],
};
