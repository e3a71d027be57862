import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deriver } from '../derive/deriver.ts';
import { DEFAULT_MESH_CONFIG } from '../kube-object.ts';
import { type Authorization, authorizationKey, type Service, type Workload } from '../model.ts';
import { requireWaypointName } from '../policy/require-waypoint.ts';
import { authorization, exact, service, viewOf, waypointByIp, workload } from '../test-support.ts';
import { predict } from './predict.ts';
import type { Reason, Verdict } from './prediction.ts';
import { parseCallee, parseCaller } from './question.ts';

const CART = 'default/cart.default.svc.cluster.local';
const GATE = 'default/gate.default.svc.cluster.local';
const behind = waypointByIp('10.2.0.9');
const web = workload('web', { addresses: ['10.1.0.1'] });
const cart = workload('cart', { addresses: ['10.1.0.2'], services: { [CART]: { 80: 8080 } }, waypoint: behind });
const gate = workload('gate', {
  addresses: ['10.1.0.9'],
  nativeTunnel: true,
  services: { [GATE]: { 15008: 15008 } },
});
const cartService = service('cart', { addresses: ['10.2.0.1'], ports: { 80: 8080 }, waypoint: behind });
const gateService = service('gate', { addresses: ['10.2.0.9'], ports: { 15008: 15008 } });
const onlyFor = (account: string): Authorization =>
  authorization(`only-${account}`, { matches: [{ principals: [exact(`cluster.local/ns/default/sa/${account}`)] }] });

const requirement = authorization(requireWaypointName('default', 'cart', 'Service'), {
  scope: 'WORKLOAD_SELECTOR',
  action: 'DENY',
  matches: [{ notPrincipals: [exact('cluster.local/ns/default/sa/gate')], destinationPorts: [8080] }],
});
const REQUIRED = [{ ...cart, authorizationPolicies: [authorizationKey(requirement)] }, requirement];

const MESH = [web, cart, gate, cartService, gateService];

function ask(from: string, to: string, resources: readonly (Workload | Service | Authorization)[]) {
  const [caller, callee] = [parseCaller(from), parseCallee(to)];
  assert(caller.ok && callee.ok);
  const model = {
    config: DEFAULT_MESH_CONFIG,
    objects: [],
    deriver: new Deriver(DEFAULT_MESH_CONFIG),
    conditions: [],
    routes: [],
    view: viewOf(...resources),
  };
  return predict(model, { from: caller.value, to: callee.value, http: { method: 'GET' } });
}

const rows: readonly (readonly [
  string,
  readonly [string, string],
  readonly (Workload | Service | Authorization)[],
  readonly [Verdict, Reason],
  RegExp,
])[] = [
  [
    'what a waypoint decides is not known, and the answer says that it is the waypoint',
    ['pod/web', 'svc/cart:80'],
    MESH,
    ['unknown', 'waypoint-decides'],
    /waypoint default\/gate decides/,
  ],
  [
    'so it is for the address of a pod whose workload has a waypoint',
    ['pod/web', 'pod/cart:8080'],
    MESH,
    ['unknown', 'waypoint-decides'],
    /waypoint default\/gate decides/,
  ],
  [
    'endpoints that let in the waypoint itself leave the decision to it',
    ['pod/web', 'svc/cart:80'],
    [...MESH, onlyFor('gate')],
    ['unknown', 'waypoint-decides'],
    /waypoint default\/gate decides/,
  ],
  [
    'a policy that names the caller lets it in behind the waypoint, too: the waypoint says for whom it calls',
    ['pod/web', 'svc/cart:80'],
    [...MESH, onlyFor('web')],
    ['unknown', 'waypoint-decides'],
    /waypoint default\/gate decides/,
  ],
  [
    'endpoints that refuse the caller deny, whatever the waypoint decides',
    ['pod/web', 'svc/cart:80'],
    [...MESH, onlyFor('somebody')],
    ['denied', 'no-allow-match'],
    /the endpoints behind it refuse: ALLOW policies apply/,
  ],
  [
    'who goes around a required waypoint is told which one to go through',
    ['10.9.9.9', 'svc/cart:80'],
    [...MESH.filter((r) => r !== cart), ...REQUIRED],
    ['denied', 'deny-rule'],
    /service default\/cart has L7 policy, so nobody gets around its waypoint: go through cluster.local\/ns\/default\/sa\/gate/,
  ],
  [
    'a required waypoint keeps nobody out who comes through it',
    ['pod/web', 'svc/cart:80'],
    [...MESH.filter((r) => r !== cart), ...REQUIRED],
    ['unknown', 'waypoint-decides'],
    /waypoint default\/gate decides/,
  ],
  [
    'a waypoint that is not there is no way around it',
    ['pod/web', 'svc/cart:80'],
    [web, cart, cartService],
    ['denied', 'waypoint-not-resolved'],
    /can not be used/,
  ],
  [
    'callers outside the mesh know no waypoint: the endpoint alone decides',
    ['10.9.9.9', 'svc/cart:80'],
    MESH,
    ['allowed', 'no-allow-policies'],
    /no ALLOW policy applies/,
  ],
  [
    'who ends tunnels itself is asked by nobody of ours',
    ['pod/web', 'pod/gate:8080'],
    MESH,
    ['unknown', 'own-tunnel'],
    /ends tunnels itself/,
  ],
  [
    'weighted waypoints are all looked at',
    ['pod/web', 'svc/cart:80'],
    [
      ...MESH.filter((r) => r !== cartService),
      service('cart', {
        addresses: ['10.2.0.1'],
        ports: { 80: 8080 },
        weightedWaypoints: [
          { destination: behind, weight: 90 },
          { destination: waypointByIp('10.2.0.66'), weight: 10 },
        ],
      }),
    ],
    ['unknown', 'it-depends'],
    /it depends: denied .*, unknown by default\/gate at 10\.1\.0\.9:15008/,
  ],
];

test('a caller that makes its tunnels itself is said to', () => {
  assert.match(ask('pod/gate', 'svc/cart:80', MESH).notes.join(), /default\/gate makes its tunnels itself/);
});

for (const [name, [from, to], resources, expected, because] of rows) {
  test(name, () => {
    const { verdict, reason, because: said } = ask(from, to, resources);
    assert.deepEqual([verdict, reason], expected, said);
    assert.match(said, because);
  });
}
