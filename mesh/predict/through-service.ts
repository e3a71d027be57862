/** A service that was asked for by name: its own addresses, or those of its endpoints. */
import type { IpAddress, SocketAddress } from '../address.ts';
import type { Service } from '../model.ts';
import { adviceFor } from './advice.ts';
import type { PredictedCaller } from './callers.ts';
import { ended, hop } from './ends.ts';
import { counted, listed } from './lists.ts';
import type { Hop, PredictedCase } from './prediction.ts';

/** What the application would dial, and how the name led there. */
export type Destination =
  | {
      readonly kind: 'dialled';
      readonly targets: readonly SocketAddress[];
      readonly service?: Service;
      readonly hops: readonly Hop[];
      readonly notes: readonly string[];
    }
  /** The path ends before anything is dialled. */
  | { readonly kind: 'ends'; readonly end: PredictedCase; readonly hops: readonly Hop[] };

/** A service and the addresses that DNS gives for its name: its own, or those of its endpoints. */
export type NamedService = {
  readonly service: Service;
  readonly addresses: readonly IpAddress[];
  /** How many can be chosen. */
  readonly endpoints: number;
};

type Asked = NamedService & {
  readonly port: number;
  /** The name in the question. */
  readonly asked: string;
  /** How that name was arrived at. */
  readonly before: readonly Hop[];
};

export function throughService(
  caller: PredictedCaller,
  { service, addresses, endpoints, ...rest }: Asked,
): Destination {
  const { port, asked, before } = rest;
  const name = `${service.namespace}/${service.name}`;
  const isHeadless = service.addresses.length === 0;
  const means = asked === service.hostname ? asked : `${asked} means ${service.hostname}, which`;
  const nameSays = isHeadless
    ? `${means} has no address of its own: DNS gives those of its endpoints`
    : `${means} is ${listed(addresses)}`;
  const count = counted(endpoints, 'healthy endpoint');
  const serviceSays = isHeadless
    ? `service ${name} is headless, ${count}, dialled directly`
    : `service ${name}, port ${port}, ${endpointsOf(service, endpoints)}`;
  const hops = [...before, hop('name', nameSays), hop('service', serviceSays)];
  if (addresses.length === 0) {
    const because = isHeadless
      ? `service ${name} has no healthy endpoint whose address DNS could give`
      : `service ${name} has no address that the caller could use`;
    const end = ended(caller, 'denied', isHeadless ? 'no-healthy-endpoint' : 'no-address', because, [
      hop('service', because, 'stops'),
    ]);
    return {
      kind: 'ends',
      end: { ...end, next: adviceFor({ end, caller, service }) },
      hops: [...before, hop('name', because)],
    };
  }
  const targets = addresses.map((ip) => ({ ip, port }));
  const mapped = service.ports.find((p) => p.servicePort === port)?.targetPort ?? port;
  const isMisled = isHeadless && mapped !== port && mapped !== 0;
  const note = `service ${name} is headless, so nobody maps its port ${port} to ${mapped}: its pods are dialled on ${port} itself`;
  return { kind: 'dialled', targets, service, hops, notes: isMisled ? [note] : [] };
}

/** How many endpoints can be chosen, and whom the service prefers. */
export function endpointsOf({ loadBalancing }: Service, healthy: number): string {
  const count = counted(healthy, 'healthy endpoint');
  if (loadBalancing?.mode === 'PASSTHROUGH') return 'whose address the client itself chooses';
  if (loadBalancing?.mode === 'STRICT') return `${count}, only those on the node of the caller`;
  if (loadBalancing?.mode === 'FAILOVER') return `${count}, those near the caller first`;
  return count;
}
