/** Whatever happens in whatever order: the result is that of deriving everything from scratch, and the deltas add up to it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ConditionChange,
  DEFAULT_MESH_CONFIG,
  type Delta,
  type KubeObject,
  type MeshConfig,
} from '../kube-object.ts';
import { addressKey, authorizationKey } from '../model.ts';
import type { RouteStatus } from '../route/derive/status.ts';
import { grant, route } from '../route/derive/test-derive-routes.ts';
import { seeded, shuffled } from '../test-support.ts';
import { Deriver } from './deriver.ts';
import {
  authorizationPolicy,
  gateway,
  gatewayClass,
  kubeService,
  namespace,
  node,
  peerAuthentication,
  pod,
  requestAuthentication,
  serviceEntry,
  slice,
  telemetry,
  workloadEntry,
} from './test-objects.ts';

const KINDS = [
  ...['pod', 'pod', 'pod', 'service', 'service', 'slice', 'node', 'namespace', 'policy', 'policy', 'peer', 'peer'],
  ...['entry', 'entry', 'machine', 'gateway', 'class', 'route', 'route', 'route', 'grant', 'tokens', 'sight'],
  ...['rule', 'rule', 'tls', 'tls', 'secret'],
];
const NAMESPACES = ['app', 'other', 'istio-system'];

const OPEN = { matchLabels: { open: 'yes' } };
const VISIBILITY: MeshConfig['serviceEntryVisibility'] = {
  default: 'NAMESPACE',
  policies: [
    { visibility: 'PUBLIC', namespaces: [OPEN] },
    { visibility: 'NONE', namespaces: [{ matchLabels: { 'kubernetes.io/metadata.name': 'other' } }] },
  ],
};

const AUTHORIZER = { port: 80, timeoutMs: 1_000, failOpen: false, statusOnError: 403, grpc: {} };
const COLLECTOR = { service: 'app/a.example.com', port: 80, path: '/', timeoutMs: 1_000, headers: [] };
/** What policies and Telemetry name is in the world now and then. */
const CONFIG: MeshConfig = {
  ...DEFAULT_MESH_CONFIG,
  revision: 'default',
  authorizers: [{ ...AUTHORIZER, name: 'authz', service: 'app/s.app.svc.cluster.local' }],
  telemetry: {
    ...DEFAULT_MESH_CONFIG.telemetry,
    providers: [...DEFAULT_MESH_CONFIG.telemetry.providers, { kind: 'traces', name: 'otel', collector: COLLECTOR }],
  },
};

/** One random object out of a small world, so that objects meet. */
function randomObject(random: () => number): KubeObject {
  const one = <T>(...items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const maybe = <T extends object>(fields: T): Partial<T> => (random() < 0.5 ? fields : {});
  const path = (...names: readonly string[]) => `${one(...NAMESPACES)}/${one(...names)}`;
  const labels = () => ({ ...maybe({ app: one('a', 'b') }), ...maybe({ tier: one('x', 'y') }) });
  const mode = () => one('STRICT', 'PERMISSIVE', 'DISABLE', 'UNSET', 'bad');
  const scope = () =>
    one({}, {}, { selector: { matchLabels: labels() } }, { targetRefs: [{ kind: 'Service', name: 's' }] });
  const target = () =>
    one<object>(
      { kind: 'Service', name: one('s', 't') },
      { group: 'networking.istio.io', kind: 'ServiceEntry', name: one('e', 'f') },
      { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: one('w', 'v') },
      { group: 'gateway.networking.k8s.io', kind: 'GatewayClass', name: 'istio-waypoint' },
    );
  const waypoint = () => ({
    ...maybe({ 'istio.io/use-waypoint': one('w', 'v', 'none') }),
    ...(random() < 0.2 ? { 'istio.io/use-waypoint-namespace': one(...NAMESPACES) } : {}),
    ...(random() < 0.2 ? { 'istio.io/use-waypoint-canary': one('w', 'v') } : {}),
    ...(random() < 0.1 ? { 'istio.io/ingress-use-waypoint': 'true' } : {}),
  });
  const annotations = () =>
    maybe({ 'istio.io/use-waypoint-canary-weight': one('10', 'bad') }) as Record<string, string>;
  const optOut = () => (random() < 0.2 ? { 'ambit.io/require-waypoint': 'false' } : {}) as Record<string, string>;
  const revision = () => (random() < 0.1 ? { 'istio.io/rev': one('default', 'other') } : {});
  const endpoint = () => ({
    ...one({ address: one('192.0.2.7', '192.0.2.8') }, { address: 'vm.example.com' }, { network: 'n9' }, {}),
    ...maybe({ labels: { ...labels(), ...waypoint() } }),
    ...maybe({ ports: { web: 9999 } }),
    ...maybe({ weight: 3 }),
  });
  switch (one(...KINDS)) {
    case 'entry': {
      const hosts = [one('a.example.com', 'b.example.com', '*.example.com', 's.app.svc.cluster.local')];
      const resolution = one('NONE', 'STATIC', 'DNS', 'DYNAMIC_DNS');
      const spec = {
        hosts: [...hosts, ...one([], ['b.example.com'])],
        resolution,
        ...maybe({ addresses: [one('10.2.0.1', '10.3.7.9/16', 'fd00::7/64', 'bad')] }),
        ...one({}, { workloadSelector: { labels: labels() } }, { endpoints: [endpoint(), endpoint()] }),
        ports: [{ name: 'web', number: 80, protocol: 'HTTP' }],
      };
      const status = maybe({ status: { addresses: [{ host: hosts[0], value: one('240.240.0.1', '2001:2::1') }] } });
      const meta = {
        labels: { ...labels(), ...waypoint(), ...revision() },
        annotations: { ...annotations(), ...optOut() },
      };
      return serviceEntry(path('e', 'f'), spec, meta, status, Math.floor(random() * 3));
    }
    case 'machine': {
      const meta = { labels: { ...labels(), ...waypoint(), ...revision() } };
      return workloadEntry(path('m', 'n'), endpoint(), meta);
    }
    case 'gateway': {
      const from = one(
        { from: 'Same' },
        { from: 'All' },
        { from: 'Selector', selector: { matchLabels: { open: 'yes' } } },
      );
      return gateway(path('w', 'v'), {
        className: one('c1', 'c2', 'istio-waypoint'),
        addresses: one([], ['10.4.0.1'], ['w.example.com'], ['w.example.com', '10.4.0.1']),
        labels: maybe({ 'istio.io/waypoint-for': one('service', 'workload', 'all', 'none') }) as Record<string, string>,
        annotations: {
          ...maybe({ 'ambient.istio.io/waypoint-inbound-binding': one('PROXY/15088', 'bad') }),
          ...maybe({ 'gateway.istio.io/service-account': one('a', 'b') }),
        } as Record<string, string>,
        listeners: [{ port: 15_008, protocol: 'HBONE', allowedRoutes: { namespaces: from } }],
      });
    }
    case 'class':
      return gatewayClass(one('c1', 'c2', 'istio-waypoint'), {
        labels: maybe({ 'istio.io/waypoint-for': 'all' }) as Record<string, string>,
      });
    case 'grant':
      return grant(
        path('g', 'h'),
        { kind: one('HTTPRoute', 'TCPRoute'), namespace: one(...NAMESPACES) },
        { kind: 'Service', ...maybe({ name: one('s', 't') }) },
      );
    case 'route': {
      const service = () => ({
        group: '',
        kind: 'Service',
        name: one('s', 't'),
        ...maybe({ namespace: one(...NAMESPACES) }),
      });
      const host = { group: 'networking.istio.io', kind: 'Hostname', name: one('a.example.com', 'b.example.com') };
      const entry = { group: 'networking.istio.io', kind: 'ServiceEntry', name: one('e', 'f') };
      const backend = () => ({ ...one(service(), service(), host), ...maybe({ port: one(80, 81) }) });
      const rule = {
        backendRefs: [backend(), backend()],
        ...maybe({ matches: [{ path: { value: one('/a', 'bad') } }] }),
      };
      const parent = { ...one(service(), service(), entry), ...maybe({ port: one(80, 81) }) };
      const spec = { parentRefs: [parent], hostnames: ['x'], rules: [rule] };
      return route(one('HTTPRoute', 'HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute'), path('r', 'q'), spec, {
        generation: one(1, 2),
        labels: revision() as Record<string, string>,
      });
    }
    case 'pod':
      return pod(path('a', 'b', 'c'), {
        ips: [`10.0.0.${1 + Math.floor(random() * 6)}`].slice(random() < 0.1 ? 1 : 0),
        labels: { ...labels(), ...waypoint(), ...maybe({ 'gateway.networking.k8s.io/gateway-name': 'w' }) },
        node: one('n1', 'n2'),
        ready: random() < 0.7,
        phase: one('Running', 'Running', 'Pending', 'Succeeded'),
        ports: maybe({ web: one(8080, 9090) }) as Record<string, number>,
        uid: one('u1', 'u2'),
      });
    case 'service':
      return kubeService(
        path('s', 't'),
        {
          ...maybe({ selector: labels() }),
          ...maybe({ clusterIPs: [one('10.1.0.1', '10.1.0.2', 'bad')] }),
          ...maybe({ trafficDistribution: 'PreferClose' }),
          ...maybe({ type: one('ClusterIP', 'ExternalName') }),
          ports: [{ name: 'web', port: 80, targetPort: one<string | number>('web', 8080) }],
        },
        { labels: waypoint(), annotations: optOut() },
      );
    case 'slice': {
      const target = { kind: 'Pod', name: one('a', 'b'), uid: one('u1', 'u2', '') };
      const endpoints = [
        { addresses: [one('192.0.2.1', '192.0.2.2')] },
        { addresses: ['10.0.0.1'], targetRef: target },
      ];
      return slice(path('e', 'f'), one('s', 't'), endpoints.slice(Math.floor(random() * 2)), [
        { name: 'web', port: 81 },
      ]);
    }
    case 'node':
      return node(one('n1', 'n2'), maybe({ 'topology.kubernetes.io/zone': one('z1', 'z2') }) as Record<string, string>);
    case 'namespace': {
      const annotations = maybe({ 'networking.istio.io/traffic-distribution': 'PreferSameNode' }) as Record<
        string,
        string
      >;
      const network = (random() < 0.2 ? { 'topology.istio.io/network': 'n1' } : {}) as Record<string, string>;
      return namespace(one(...NAMESPACES), {
        annotations,
        labels: { ...network, ...waypoint(), ...maybe({ open: 'yes' }) },
      });
    }
    case 'policy': {
      const rules = [
        { from: [{ source: { namespaces: [one('a', 'b')] } }] },
        ...one([], [{ to: [{ operation: { paths: ['/'] } }] }]),
      ];
      const action = one('ALLOW', 'DENY', 'AUDIT', 'CUSTOM');
      const provider = action === 'CUSTOM' ? { provider: { name: one('authz', 'none') } } : {};
      const attached = one<object>(scope(), { targetRefs: [target(), target()] });
      const tried = (random() < 0.2 ? { 'istio.io/dry-run': 'true' } : {}) as Record<string, string>;
      const spec = { ...attached, action, ...provider, rules };
      return authorizationPolicy(path('p', 'q'), spec, { annotations: tried });
    }
    case 'sight': {
      const about = one({}, {}, { targetRefs: [target()] }, { selector: { matchLabels: labels() } });
      const accessLogging = [{ ...maybe({ providers: [{ name: one('envoy', 'nobody') }] }), disabled: random() < 0.3 }];
      return telemetry(
        path('t', 'u'),
        {
          ...about,
          ...maybe({ accessLogging }),
          ...maybe({ tracing: [{ providers: [{ name: one('otel', 'nobody') }] }] }),
          metrics: [{ overrides: [{ disabled: random() < 0.5 }] }],
        },
        { labels: revision(), ...maybe({ creationTimestamp: one('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z') }) },
      );
    }
    case 'rule': {
      const credential = maybe({ credentialName: one('k', 'configmap://k') });
      const tls = () => one<object>({}, { tls: {} }, { tls: { mode: one('SIMPLE', 'MUTUAL'), ...credential } });
      const host = one(
        's',
        's.app.svc.cluster.local',
        '*.app.svc.cluster.local',
        'a.example.com',
        '*.example.com',
        '*',
      );
      const [namespace = '', name = ''] = path('d', 'e').split('/');
      const creationTimestamp = `2026-01-01T00:00:0${one(0, 1)}Z`;
      return {
        apiVersion: 'networking.istio.io/v1',
        kind: 'DestinationRule',
        metadata: { namespace, name, labels: revision(), creationTimestamp, generation: one(1, 2) },
        spec: {
          host,
          ...maybe({ exportTo: [one('.', '*', ...NAMESPACES)] }),
          ...(random() < 0.1 ? { workloadSelector: {} } : {}),
          trafficPolicy: { ...tls(), ...maybe({ portLevelSettings: [{ port: { number: 80 }, ...tls() }] }) },
        },
      };
    }
    case 'tls': {
      const [namespace = '', name = ''] = path('b', 'c').split('/');
      const about = () => ({
        ...one<object>(
          { group: '', kind: 'Service', name: one('s', 't') },
          { group: 'networking.istio.io', kind: 'ServiceEntry', name: one('e', 'f') },
        ),
        ...maybe({ sectionName: one('web', 'none') }),
      });
      const trust = one<object>(
        { wellKnownCACertificates: 'System' },
        { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'k' }] },
      );
      const annotations = random() < 0.1 ? { 'istio.io/ignore-policy-attachment': 'true' } : {};
      const creationTimestamp = `2026-01-01T00:00:0${one(0, 1)}Z`;
      return {
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'BackendTLSPolicy',
        metadata: { namespace, name, labels: revision(), annotations, creationTimestamp },
        spec: { targetRefs: [about(), about()], validation: { hostname: 'x', ...trust } },
      };
    }
    case 'secret': {
      const kind = one('Secret', 'ConfigMap');
      const pem = one('-----BEGIN CERTIFICATE-----', 'none');
      const data = { 'ca.crt': kind === 'Secret' ? btoa(pem) : pem };
      return { apiVersion: 'v1', kind, metadata: { namespace: one(...NAMESPACES), name: 'k' }, data };
    }
    case 'tokens':
      return requestAuthentication(path('r', 's'), {
        ...maybe({ targetRefs: [target()] }),
        jwtRules: [{ issuer: one('https://i', 'bad'), ...maybe({ jwksUri: one('http://t.app', 'http://s/keys') }) }],
      });
    default: {
      const ports = maybe({ portLevelMtls: { [one('80', '81')]: { mode: mode() } } });
      const selector = maybe({ selector: { matchLabels: labels() } });
      return peerAuthentication(
        path('m', 'n', 'o'),
        { ...selector, ...ports, ...maybe({ mtls: { mode: mode() } }) },
        Math.floor(random() * 4),
      );
    }
  }
}

const conditionKey = ({ object, type }: ConditionChange) => `${object.kind} ${object.namespace}/${object.name} ${type}`;
const routeKey = ({ object }: RouteStatus) => `${object.kind} ${object.metadata.namespace}/${object.metadata.name}`;
const sorted = (map: ReadonlyMap<string, unknown>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

test('deriving step by step gives what deriving from scratch gives, for random histories', () => {
  let requiring = 0;
  let secured = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const random = seeded(seed);
    let config = CONFIG;
    const deriver = new Deriver(config);
    const world = new Map<string, KubeObject>();
    const addresses = new Map<string, unknown>();
    const authorizations = new Map<string, unknown>();
    const conditions = new Map<string, ConditionChange>();
    const waypoints = new Map<string, unknown>();
    const routes = new Map<string, RouteStatus>();
    const follow = (delta: Delta, gone?: string) => {
      for (const a of delta.addresses.upserted) addresses.set(addressKey(a), a);
      for (const key of delta.addresses.removed) addresses.delete(key);
      for (const a of delta.authorizations.upserted) authorizations.set(authorizationKey(a), a);
      for (const key of delta.authorizations.removed) authorizations.delete(key);
      for (const w of delta.waypoints.upserted) waypoints.set(w.name, w);
      for (const key of delta.waypoints.removed) waypoints.delete(key);
      for (const status of delta.routes) {
        const key = routeKey(status);
        if (status.parents.length === 0) routes.delete(key);
        else routes.set(key, status);
      }
      for (const c of delta.conditions) {
        const key = conditionKey(c);
        if (c.status === undefined) conditions.delete(key);
        else conditions.set(key, c);
      }
      for (const key of conditions.keys()) if (gone !== undefined && key.startsWith(`${gone} `)) conditions.delete(key);
    };
    for (let step = 1; step <= 240; step++) {
      const object = randomObject(random);
      const key = `${object.kind} ${object.metadata.namespace ?? ''}/${object.metadata.name}`;
      if (random() < 0.02) {
        config = {
          ...config,
          trustDomain: random() < 0.5 ? 'td' : 'cluster.local',
          rootNamespace: random() < 0.5 ? 'other' : 'istio-system',
          serviceEntryVisibility: random() < 0.5 ? undefined : VISIBILITY,
          discoverySelectors: random() < 0.7 ? [] : [OPEN],
        };
        follow(deriver.reconfigure(config));
      } else if (random() < 0.25) {
        world.delete(key);
        follow(deriver.remove(object), key);
      } else {
        world.set(key, object);
        follow(deriver.apply(object));
      }
      if (step % 20 !== 0) continue;
      const where = `seed ${seed}, step ${step}`;
      const scratch = new Deriver(config);
      const all = scratch.applyAll(shuffled([...world.values()], random));
      assert.deepEqual(sorted(deriver.addresses), sorted(scratch.addresses), where);
      assert.deepEqual(sorted(deriver.authorizations), sorted(scratch.authorizations), where);
      for (const a of scratch.addresses.values()) {
        const named = a.kind === 'workload' ? a.workload.authorizationPolicies : [];
        if (named.some((policy) => policy.includes('/ambit_require_waypoint_'))) requiring += 1;
      }
      assert.deepEqual(sorted(deriver.waypoints), sorted(scratch.waypoints), where);
      assert.deepEqual(sorted(waypoints), sorted(deriver.waypoints), `deltas, ${where}`);
      for (const { gateway } of scratch.waypoints.values()) {
        if (gateway?.backends.some(({ tls, refusal }) => tls !== undefined || refusal !== '')) secured += 1;
      }
      assert.deepEqual(sorted(routes), sorted(new Map(all.routes.map((r) => [routeKey(r), r]))), `routes, ${where}`);
      assert.deepEqual(sorted(addresses), sorted(deriver.addresses), `deltas, ${where}`);
      assert.deepEqual(sorted(authorizations), sorted(deriver.authorizations), `deltas, ${where}`);
      const said = new Map(
        all.conditions.filter(({ status }) => status !== undefined).map((c) => [conditionKey(c), c]),
      );
      assert.deepEqual(sorted(conditions), sorted(said), `conditions, ${where}`);
    }
  }
  assert.ok(requiring > 10, `only ${requiring} workloads required a waypoint`);
  assert.ok(secured > 10, `only ${secured} gateways were to speak TLS`);
});

test('applying many objects at once gives what applying them one by one gives', () => {
  const random = seeded(99);
  const objects = Array.from({ length: 150 }, () => randomObject(random));
  const together = new Deriver(DEFAULT_MESH_CONFIG);
  const delta = together.applyAll(objects);
  const single = new Deriver(DEFAULT_MESH_CONFIG);
  for (const object of objects) single.apply(object);
  assert.deepEqual(sorted(together.addresses), sorted(single.addresses));
  assert.equal(delta.addresses.upserted.length, together.addresses.size);
});
