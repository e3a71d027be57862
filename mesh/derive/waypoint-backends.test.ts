/** What waypoints send of their own accord (questions to authorizers, for keys, spans) goes by the rules of whom it goes to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_MESH_CONFIG, type KubeObject, type MeshConfig } from '../kube-object.ts';
import { materialName } from '../resilience/tls-material.ts';
import type { Deriver } from './deriver.ts';
import { conditionIn, deriverOf } from './test-derive.ts';
import {
  authorizationPolicy,
  gateway,
  kubeService,
  namespace,
  requestAuthentication,
  telemetry,
} from './test-objects.ts';

const ASKED = 'asked.infra.svc.cluster.local';
const CART = 'shop/w/service/shop/cart.shop.svc.cluster.local';
const PEM = '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n';
const PORTS = [{ name: 'http', port: 80 }];
const SERVICE = kubeService('infra/asked', { ports: PORTS });
const CONFIG: Partial<MeshConfig> = {
  authorizers: [
    {
      name: 'authz',
      service: `infra/${ASKED}`,
      port: 80,
      timeoutMs: 1_000,
      failOpen: false,
      statusOnError: 403,
      grpc: {},
    },
  ],
  telemetry: {
    ...DEFAULT_MESH_CONFIG.telemetry,
    providers: [
      {
        kind: 'traces',
        name: 'otel',
        collector: { service: `infra/${ASKED}`, port: 80, path: '/', timeoutMs: 1_000, headers: [] },
      },
    ],
  },
};
const MESH = [
  namespace('shop'),
  namespace('infra'),
  gateway('shop/w'),
  kubeService('shop/cart', { ports: PORTS }, { labels: { 'istio.io/use-waypoint': 'w' } }),
];

const at = (kind: string, name: string) => ({
  targetRefs: [{ group: kind === 'Service' ? '' : 'gateway.networking.k8s.io', kind, name }],
});
const GATEWAY = at('Gateway', 'w');
const CLASS = at('GatewayClass', 'istio-waypoint');
const CART_TARGET = at('Service', 'cart');
const custom = (path: string, target: object) =>
  authorizationPolicy(path, { ...target, action: 'CUSTOM', provider: { name: 'authz' }, rules: [{}] });
const tokens = (path: string, target: object, uri = `http://${ASKED}/keys`) =>
  requestAuthentication(path, { ...target, jwtRules: [{ issuer: 'me', jwksUri: uri }] });
const spans = (path: string, target: object) =>
  telemetry(path, { ...target, tracing: [{ providers: [{ name: 'otel' }] }] });

/** Who has the waypoint send there, and with which of its resources. */
const ASKERS: Readonly<Record<string, readonly [KubeObject, resource: string]>> = {
  'an authorizer for all that comes through a Gateway': [custom('shop/p', GATEWAY), 'shop/w'],
  'an authorizer for all waypoints': [custom('istio-system/p', CLASS), 'shop/w'],
  'an authorizer for a service': [custom('shop/p', CART_TARGET), CART],
  'keys for all that comes through a Gateway': [tokens('shop/r', GATEWAY), 'shop/w'],
  'keys for all waypoints': [tokens('istio-system/r', CLASS), 'shop/w'],
  'keys for a service': [tokens('shop/r', CART_TARGET), CART],
  'keys by discovery': [
    requestAuthentication('shop/r', { ...GATEWAY, jwtRules: [{ issuer: `http://${ASKED}` }] }),
    'shop/w',
  ],
  'spans of all that comes through a Gateway': [spans('shop/t', GATEWAY), 'shop/w'],
  'spans of all waypoints': [spans('istio-system/t', {}), 'shop/w'],
  'spans of all waypoints, for a service': [spans('istio-system/t', {}), CART],
  'spans of a service': [spans('shop/t', CART_TARGET), CART],
};

function rule(trafficPolicy: object, path = 'infra/d'): KubeObject {
  const [namespace = '', name = ''] = path.split('/');
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { namespace, name },
    spec: { host: ASKED, trafficPolicy },
  };
}

const SIMPLE = { tls: { mode: 'SIMPLE', credentialName: 'k' } };
const SECRET = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { namespace: 'shop', name: 'k' },
  data: { 'ca.crt': btoa(PEM) },
};
const TLS_POLICY = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'BackendTLSPolicy',
  metadata: { namespace: 'infra', name: 'b' },
  spec: {
    targetRefs: [{ group: '', kind: 'Service', name: 'asked' }],
    validation: { hostname: 'asked.example', wellKnownCACertificates: 'System' },
  },
};

/** `sni` of the TLS by which it is asked, `refused`, or `plain`. */
function how(deriver: Deriver, resource: string): string {
  const { gateway, service } = deriver.waypoints.get(resource) ?? {};
  const policy = (gateway ?? service)?.backends.find((one) => one.service === `infra/${ASKED}`);
  return policy?.tls?.sni ?? (policy?.refusal ? 'refused' : 'plain');
}

test('TLS that rules and policies ask for is spoken with whom waypoints ask themselves', async (t) => {
  const rows: Readonly<Record<string, readonly [readonly KubeObject[], string]>> = {
    'a rule of the waypoint': [[rule(SIMPLE, 'shop/d'), SECRET], ASKED],
    'a rule of the service': [[rule({ tls: { mode: 'SIMPLE' } })], ASKED],
    'a rule whose Secret is not there': [[rule(SIMPLE, 'shop/d')], 'refused'],
    "a rule that names another namespace's Secret": [[rule(SIMPLE), SECRET], 'refused'],
    'a BackendTLSPolicy': [[TLS_POLICY], 'asked.example'],
    'a rule of other things': [[rule({ loadBalancer: { simple: 'RANDOM' } })], 'plain'],
    nothing: [[], 'plain'],
  };
  for (const [asker, [object, resource]] of Object.entries(ASKERS)) {
    for (const [name, [rules, expected]] of Object.entries(rows)) {
      await t.test(`${asker}: ${name}`, () => {
        const all = [...MESH, SERVICE, object, ...rules];
        assert.equal(how(deriverOf(all, CONFIG), resource), expected);
        const deriver = deriverOf([], CONFIG);
        for (const one of all.toReversed()) deriver.apply(one);
        assert.equal(how(deriver, resource), expected, 'in another order');
        for (const one of rules) deriver.remove(one);
        assert.equal(how(deriver, resource), 'plain', 'when they are gone');
      });
    }
  }
});

test('a policy for a port begins to count when the service comes, and ends with it', async (t) => {
  for (const [asker, [object, resource]] of Object.entries(ASKERS)) {
    await t.test(asker, () => {
      const deriver = deriverOf([...MESH, object, TLS_POLICY], CONFIG);
      assert.equal(how(deriver, resource), 'plain');
      deriver.apply(SERVICE);
      assert.equal(how(deriver, resource), 'asked.example');
      deriver.apply(kubeService('infra/asked', { ports: [] }));
      assert.equal(how(deriver, resource), 'plain');
      deriver.apply(SERVICE);
      deriver.remove(SERVICE);
      assert.equal(how(deriver, resource), 'plain');
    });
  }
});

test('a gateway whose backends are not to be overlooked asks for a reader who looks at them', async (t) => {
  const REQUIRED = requestAuthentication('shop/q', { ...GATEWAY, jwtRules: [{ issuer: 'me', presence: 'REQUIRED' }] });
  const rows: Readonly<Record<string, readonly [readonly KubeObject[], number]>> = {
    nothing: [[], 1],
    'a rule of other things': [[rule({ loadBalancer: { simple: 'RANDOM' } })], 1],
    'tokens that are required': [[REQUIRED], 3],
    TLS: [[TLS_POLICY], 4],
    'TLS and tokens that are required': [[TLS_POLICY, REQUIRED], 4],
    'nothing may be sent': [[rule(SIMPLE, 'shop/d')], 4],
  };
  for (const [name, [objects, expected]] of Object.entries(rows)) {
    await t.test(name, () => {
      const deriver = deriverOf([...MESH, SERVICE, custom('shop/p', GATEWAY), ...objects], CONFIG);
      assert.equal(deriver.waypoints.get('shop/w')?.minRevision, expected);
    });
  }
});

test('a Secret that only a gateway needs is followed, and the rule says when it is missed', () => {
  const deriver = deriverOf([...MESH, SERVICE, custom('shop/p', GATEWAY)], CONFIG);
  const missed = /^False InvalidReference: nothing is sent to this host: Secret shop\/k is not there/;
  assert.match(conditionIn(deriver.apply(rule(SIMPLE, 'shop/d')), 'ambit.io/Accepted') ?? '', missed);
  assert.deepEqual([...deriver.materials()].map(materialName), ['Secret shop/k']);
  const arrived = deriver.apply(SECRET);
  assert.deepEqual(
    arrived.waypoints.upserted.map(({ name, gateway }) => [name, gateway?.backends[0]?.tls?.roots]),
    [['shop/w', PEM]],
  );
  assert.equal(conditionIn(arrived, 'ambit.io/Accepted'), undefined);
  assert.match(conditionIn(deriver.remove(SECRET), 'ambit.io/Accepted') ?? '', missed);
  const gone = deriver.remove(custom('shop/p', GATEWAY));
  assert.equal(gone.conditions.find(({ type }) => type === 'ambit.io/Accepted')?.status, undefined, 'nobody misses it');
});
