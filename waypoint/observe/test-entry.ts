/** Entries for tests: a request of everyday, changed where a test says so. */
import { mustParseIp, spiffeId, spiffeParts, type Workload } from '../../mesh/index.ts';
import type { Source } from '../source.ts';
import type { Entry } from './entry.ts';

const identity = spiffeId('cluster.local', 'web', 'client');

export const SOURCE: Source = {
  identity,
  parts: spiffeParts(identity),
  ip: mustParseIp('10.1.0.7'),
  port: 41_000,
  baggage: {
    clusterId: 'Kubernetes',
    namespace: 'lies',
    workloadType: 'DEPLOYMENT',
    workloadName: 'client-v1',
    serviceName: 'client',
    revision: 'v1',
  },
  traceId: 'c'.repeat(32),
  header: `${identity};10.1.0.7`,
};

export const WORKLOAD: Workload = {
  uid: 'Kubernetes//Pod/shop/cart-1',
  name: 'cart-1',
  namespace: 'shop',
  addresses: [mustParseIp('10.1.0.9')],
  network: '',
  tunnelProtocol: 'HBONE',
  trustDomain: 'cluster.local',
  serviceAccount: 'cart',
  node: 'node-1',
  canonicalName: 'cart',
  canonicalRevision: 'v2',
  workloadType: 'DEPLOYMENT',
  workloadName: 'cart-v2',
  nativeTunnel: false,
  authorizationPolicies: [],
  status: 'HEALTHY',
  clusterId: 'Kubernetes',
  hostname: '',
  services: new Map(),
  networkMode: 'STANDARD',
  capacity: 1,
};

export const CART = 'shop/cart.shop.svc.cluster.local';

const HEADERS: Readonly<Record<string, string>> = {
  'user-agent': 'curl/8',
  'x-request-id': 'id-1',
  'x-forwarded-for': '10.1.0.7',
};

export function entry(changes: Partial<Entry> = {}): Entry {
  return {
    at: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
    source: SOURCE,
    method: 'GET',
    path: '/items?all',
    authority: 'cart',
    protocol: 'HTTP/1.1',
    status: 200,
    flags: '',
    details: 'via_upstream',
    bytesReceived: 3,
    bytesSent: 1_024,
    durationMs: 12.4,
    upstreamMs: 9.6,
    service: CART,
    port: 80,
    endpoint: { workload: WORKLOAD, port: 8_080 },
    dialled: '10.96.0.1:80',
    route: 'default',
    traceId: 'a'.repeat(32),
    header: (name) => HEADERS[name],
    ...changes,
  };
}
