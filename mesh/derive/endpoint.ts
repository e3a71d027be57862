/** Where something outside of Kubernetes is reached: the spec of a WorkloadEntry, or one endpoint of a ServiceEntry. */
import { type IpAddress, parseIp } from '../address.ts';
import type { Locality } from '../model.ts';
import { type Fields, fields, invalid, type Labels, labelsOf, portNumber, type Reading, text } from './read.ts';

export type EndpointFacts = {
  /** As written; '' when only its network is known. */
  readonly address: string;
  readonly ip: IpAddress | undefined;
  /** To be resolved by the proxy; '' when there is an address. */
  readonly hostname: string;
  /** '' for the network of the cluster. */
  readonly network: string;
  /** By the name of the service's port. */
  readonly ports: ReadonlyMap<string, number>;
  readonly labels: Labels;
  readonly locality: Locality | undefined;
  /** Share among the endpoints of a service; 1 unless said otherwise. */
  readonly weight: number;
  readonly serviceAccount: string;
};

const HOSTNAME =
  /^(?=.{1,253}\.?$)[a-zA-Z0-9_]([-a-zA-Z0-9_]{0,61}[a-zA-Z0-9_])?(\.[a-zA-Z0-9_]([-a-zA-Z0-9_]{0,61}[a-zA-Z0-9_])?)*\.?$/;
const DOTTED_NUMBERS = /^[0-9.]+$/;

/** Whether it could be the name of a host; what looks like an address and is none could not. */
export function isHostname(text: string): boolean {
  return HOSTNAME.test(text) && !DOTTED_NUMBERS.test(text);
}

/** `path` names the spec in problems. */
export function readEndpoint(value: unknown, path: string): Reading<EndpointFacts> {
  const spec = fields(value);
  const address = text(spec['address']);
  const network = text(spec['network']);
  if (address === '' && network === '') return invalid(`${path}.address: must be set where no network is`);
  if (address.startsWith('unix://'))
    return invalid(`${path}.address: a unix socket can not be reached by node proxies`);
  const ip = parseIp(address);
  if (ip === undefined && address !== '' && !isHostname(address)) {
    return invalid(`${path}.address: ${JSON.stringify(address)} is neither an address nor a host name`);
  }
  const weight = spec['weight'];
  return {
    kind: 'facts',
    facts: {
      address,
      ip,
      hostname: ip === undefined ? address : '',
      network,
      ports: portsOf(fields(spec['ports'])),
      labels: labelsOf(spec['labels']),
      locality: readLocality(text(spec['locality'])),
      weight: typeof weight === 'number' && Number.isInteger(weight) && weight > 0 ? weight : 1,
      serviceAccount: text(spec['serviceAccount']) || 'default',
    },
  };
}

function portsOf(written: Fields): ReadonlyMap<string, number> {
  const ports = new Map<string, number>();
  for (const [name, value] of Object.entries(written)) {
    const number = portNumber(value);
    if (number !== undefined) ports.set(name, number);
  }
  return ports;
}

/** `region/zone/subzone`, each part optional from the right. */
function readLocality(written: string): Locality | undefined {
  if (written === '') return undefined;
  const [region = '', zone = '', subzone = ''] = written.split('/');
  return { region, zone, subzone };
}
