import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../mesh/index.ts';
import { ambit, memoryCluster } from '../test-support.ts';
import { AMBIENT, CLASS, deployment, namespace, object, PROGRAMMED, waypoint } from './test-waypoints.ts';

type Status = { readonly waypoints: readonly object[]; readonly problems: readonly string[] };

/** Only what is about waypoints: there are no components in these clusters. */
async function status(...objects: readonly KubeObject[]): Promise<Status> {
  const { out } = await ambit(['status', '-o', 'json'], memoryCluster([CLASS, ...objects]));
  const { waypoints, problems } = JSON.parse(out) as Status;
  return {
    waypoints,
    problems: problems.filter((problem) => !/(Deployment|DaemonSet) istio-system|webhook/i.test(problem)),
  };
}

const USES = { 'istio.io/use-waypoint': 'gate' };
const OTHER_CLASS = { ...CLASS, metadata: { name: 'other' }, spec: { controllerName: 'example.com/gateways' } };
const GATE = waypoint('shop/gate', { conditions: [PROGRAMMED] });

test('status tells what a waypoint serves, how many of its pods do, and who uses it', async () => {
  const { waypoints, problems } = await status(
    namespace('shop', { ...AMBIENT, ...USES }),
    object('Service', 'edge/front', { labels: { ...USES, 'istio.io/use-waypoint-namespace': 'shop' } }),
    GATE,
    deployment('shop/gate', 1),
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(waypoints, [
    {
      namespace: 'shop',
      name: 'gate',
      trafficType: 'service',
      programmed: true,
      ready: 1,
      wanted: 1,
      usedBy: ['Namespace shop', 'Service edge/front'],
    },
  ]);
});

const NOT_READY = { type: 'Programmed', status: 'False', reason: 'AddressNotAssigned', message: 'no pod is ready' };
const DENIED = {
  type: 'istio.io/WaypointBound',
  status: 'False',
  reason: 'AttachmentDenied',
  message: 'waypoint shop/gate does not admit namespace edge (allowedRoutes)',
};
const problems: readonly [string, readonly KubeObject[], readonly RegExp[]][] = [
  [
    'a waypoint whose pods are not ready',
    [GATE, deployment('shop/gate', 0)],
    [/^waypoint shop\/gate: 0 of 1 pods ready/],
  ],
  ['a waypoint without pods', [GATE], [/has no Deployment: ambit waypoint status gate -n shop/]],
  [
    'a waypoint that is not programmed',
    [waypoint('shop/gate', { conditions: [NOT_READY] })],
    [/^waypoint shop\/gate: no pod is ready: ambit waypoint status/],
  ],
  ['a waypoint that nobody has taken up', [waypoint('shop/gate')], [/the controller has not taken it up/]],
  [
    'a waypoint that is asked for and does not exist',
    [namespace('shop', USES), object('Service', 'shop/cart', { labels: USES })],
    [
      /^waypoint shop\/gate does not exist, and Namespace shop, Service shop\/cart ask for it: `ambit waypoint apply -n shop/,
    ],
  ],
  [
    'a waypoint of a class that does not exist',
    [
      object('Service', 'shop/cart', { labels: USES }),
      object('Gateway', 'shop/gate', {
        apiVersion: 'gateway.networking.k8s.io/v1',
        spec: { gatewayClassName: 'istio-waypont' },
      }),
    ],
    [/^Gateway shop\/gate: there is no GatewayClass istio-waypont, and Service shop\/cart asks for it/],
  ],
  [
    'a service that its waypoint does not admit',
    [GATE, deployment('shop/gate', 1), object('Service', 'edge/front', { status: { conditions: [DENIED] } })],
    [/^Service edge\/front: waypoint shop\/gate does not admit namespace edge/],
  ],
  [
    'a route whose backend does not exist, once for all of its parents',
    [
      object('HTTPRoute', 'shop/r', {
        apiVersion: 'gateway.networking.k8s.io/v1',
        status: {
          parents: [1, 2].map(() => ({
            conditions: [
              { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'attached' },
              {
                type: 'ResolvedRefs',
                status: 'False',
                reason: 'BackendNotFound',
                message: 'Service shop/x does not exist',
              },
            ],
          })),
        },
      }),
    ],
    [/^HTTPRoute shop\/r: Service shop\/x does not exist$/],
  ],
  [
    'a rule for a host whose keys are missing',
    [
      object('DestinationRule', 'shop/d', {
        apiVersion: 'networking.istio.io/v1',
        status: { conditions: [{ type: 'ambit.io/Accepted', status: 'False', message: 'Secret shop/s is not there' }] },
      }),
    ],
    [/^DestinationRule shop\/d: Secret shop\/s is not there$/],
  ],
  [
    'TLS for a service that can not be had',
    [
      object('BackendTLSPolicy', 'shop/t', {
        apiVersion: 'gateway.networking.k8s.io/v1',
        status: {
          ancestors: [
            { conditions: [{ type: 'ResolvedRefs', status: 'False', message: 'ConfigMap shop/m is not there' }] },
          ],
        },
      }),
    ],
    [/^BackendTLSPolicy shop\/t: ConfigMap shop\/m is not there$/],
  ],
  [
    'a mesh configuration that can not be read',
    [{ ...object('ConfigMap', 'istio-system/istio', { apiVersion: 'v1' }), data: { mesh: 'trustDomain: [a]' } }],
    [/^ConfigMap istio-system\/istio, key mesh: .*: the controller goes on by what it read before/],
  ],
  [
    'a policy of which a part is not enforced',
    [
      object('RequestAuthentication', 'shop/jwt', {
        apiVersion: 'security.istio.io/v1',
        status: {
          conditions: [
            { type: 'WaypointAccepted', status: 'True', reason: 'PartiallyInvalid', message: 'rules[0] is left out' },
          ],
        },
      }),
    ],
    [/^RequestAuthentication shop\/jwt: rules\[0\] is left out$/],
  ],
  [
    'a gateway of another class that is asked for is no mistake',
    [namespace('shop', USES), waypoint('shop/gate', { className: 'other' }), OTHER_CLASS],
    [],
  ],
];
for (const [name, objects, expected] of problems) {
  test(`status names the problem: ${name}`, async () => {
    const { problems: found } = await status(...objects);
    assert.equal(found.length, expected.length, found.join('\n'));
    for (const [index, pattern] of expected.entries()) assert.match(found[index] ?? '', pattern);
  });
}

test('for people, problems come first and waypoints are a table', async () => {
  const { code, out } = await ambit(['status'], memoryCluster([CLASS, namespace('shop', USES), GATE]));
  assert.equal(code, 1);
  assert.match(out, /^\d+ problems:\n/);
  assert.match(
    out,
    /WAYPOINT {3}FOR {6}PROGRAMMED {2}READY {2}USED BY\nshop\/gate {2}service {2}yes {9}0\/0 {4}Namespace shop/,
  );
});

test('a cluster without Gateway API has no waypoints, and that is no problem', async () => {
  const cluster = memoryCluster([], { unserved: ['gateways', 'gatewayclasses', 'serviceentries', 'workloadentries'] });
  const { out } = await ambit(['status', '-o', 'json'], cluster);
  assert.deepEqual((JSON.parse(out) as Status).waypoints, []);
});

test('a controller that is scaled to nothing is a problem, however complete that is', async () => {
  const controller = object('Deployment', 'istio-system/istiod', {
    spec: { replicas: 0, template: { spec: { containers: [{}] } } },
    status: { observedGeneration: 1, replicas: 0, updatedReplicas: 0, availableReplicas: 0 },
  });
  const { out } = await ambit(['status', '-o', 'json'], memoryCluster([CLASS, controller]));
  const { problems: found } = JSON.parse(out) as Status;
  assert.match(
    found.join('\n'),
    /^Deployment istio-system\/istiod is scaled to 0: .* scale deployment istiod --replicas=1$/m,
  );
});
