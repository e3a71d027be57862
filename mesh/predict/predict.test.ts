import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  authorizationPolicy,
  kubeService,
  namespace,
  node,
  type PodFields,
  peerAuthentication,
  pod,
} from '../derive/test-objects.ts';
import type { KubeObject } from '../kube-object.ts';
import { MADE_UP_ADDRESS } from './lookup.ts';
import { buildModel } from './model.ts';
import { predict } from './predict.ts';
import type { Prediction, Reason, Verdict } from './prediction.ts';
import { parseCallee, parseCaller, type Question } from './question.ts';

const AMBIENT = { labels: { 'istio.io/dataplane-mode': 'ambient' } };
const OUT = { annotations: {} };
const MANIFEST = { annotations: { 'ambient.istio.io/redirection': 'enabled', [MADE_UP_ADDRESS]: 'true' } };
const app = (path: string, ip: string, fields: PodFields = {}) => {
  const name = path.split('/')[1] ?? '';
  const account = name.replace(/-\d$/, '');
  const { spec, ...rest } = fields;
  return pod(path, { ips: [ip], labels: { app: account }, spec: { serviceAccountName: account, ...spec }, ...rest });
};

const CART_SPEC = { selector: { app: 'cart' }, clusterIP: '10.2.0.1', ports: [{ port: 80, targetPort: 8080 }] };
const serviceEntry = (spec: object): KubeObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
  metadata: { namespace: 'shop', name: 'vm' },
  spec: { hosts: ['vm.example.com'], ports: [{ number: 5432, name: 'tcp', protocol: 'TCP' }], ...spec },
});

/** Two carts behind one service, callers in and outside the mesh. */
const SHOP: readonly KubeObject[] = [
  namespace('shop', AMBIENT),
  namespace('office', AMBIENT),
  namespace('legacy'),
  app('shop/cart-1', '10.1.0.1'),
  app('shop/cart-2', '10.1.0.2', { node: 'node-2' }),
  app('shop/web', '10.1.0.3'),
  app('office/reporter', '10.1.0.4'),
  app('legacy/batch', '10.1.0.5', OUT),
  kubeService('shop/cart', {
    selector: { app: 'cart' },
    clusterIP: '10.2.0.1',
    ports: [{ port: 80, targetPort: 8080 }],
  }),
  kubeService('shop/empty', { selector: { app: 'none' }, clusterIP: '10.2.0.2', ports: [{ port: 80 }] }),
  kubeService('shop/peers', { selector: { app: 'cart' }, clusterIP: 'None', ports: [{ port: 80, targetPort: 8080 }] }),
  kubeService('shop/alias', { type: 'ExternalName', externalName: 'cart.shop.svc.cluster.local' }),
  kubeService('shop/outside', { type: 'ExternalName', externalName: 'api.example.com' }),
  kubeService('shop/loop', { type: 'ExternalName', externalName: 'loop.shop.svc.cluster.local' }),
];
const allow = (name: string, source: object, extra: object = {}) =>
  authorizationPolicy(`shop/${name}`, { action: 'ALLOW', rules: [{ from: [{ source }], ...extra }] });
const WEB_MAY = allow('web-may', { principals: ['cluster.local/ns/shop/sa/web'] });
const strict = (path: string) => peerAuthentication(path, { mtls: { mode: 'STRICT' } });

function ask(from: string, to: string, more: readonly KubeObject[] = [], http?: Question['http']): Prediction {
  const [caller, callee] = [parseCaller(from), parseCallee(to)];
  assert(caller.ok && callee.ok, `${from} -> ${to}`);
  const replaced = new Set(more.map((o) => `${o.kind} ${o.metadata.namespace}/${o.metadata.name}`));
  const kept = SHOP.filter((o) => !replaced.has(`${o.kind} ${o.metadata.namespace}/${o.metadata.name}`));
  return predict(buildModel([...kept, ...more]), { from: caller.value, to: callee.value, ...(http && { http }) });
}

const says = (p: Prediction) =>
  [
    p.because,
    ...[...p.hops, ...p.cases.flatMap(({ hops }) => hops)].map((h) =>
      [`${h.kind} ${h.says}`, ...(h.details ?? [])].join('\n'),
    ),
    ...p.notes,
    ...p.next,
  ].join('\n');

type Row = {
  readonly name: string;
  readonly ask: readonly [from: string, to: string];
  readonly given?: readonly KubeObject[];
  readonly http?: Question['http'];
  readonly is: readonly [Verdict, Reason];
  /** All of these are said somewhere. */
  readonly says?: readonly RegExp[];
  readonly cases?: number;
};

const WEB = 'pod/web.shop';
const REPORTER = 'pod/reporter.office';
const BATCH = 'pod/batch.legacy';
const CART = 'svc/cart.shop:80';

const rows: readonly Row[] = [
  {
    name: 'without any policy everything is allowed, in a tunnel, to the target port',
    ask: [WEB, CART],
    is: ['allowed', 'no-allow-policies'],
    says: [/endpoint shop\/cart-1 at 10\.1\.0\.1:8080/, /tunnel \(HBONE\) to 10\.1\.0\.1:15008/, /ns\/shop\/sa\/cart/],
    cases: 1,
  },
  {
    name: 'an ALLOW rule that names the caller allows it',
    ask: [WEB, CART],
    given: [WEB_MAY],
    is: ['allowed', 'allow-rule'],
    says: [/AuthorizationPolicy shop\/web-may, rule 0, allows it/],
  },
  {
    name: 'a caller that no ALLOW rule names is denied, with the nearest miss and what to change',
    ask: [REPORTER, CART],
    given: [WEB_MAY],
    is: ['denied', 'no-allow-match'],
    says: [
      /closest: shop\/web-may, rule 0, wants principals cluster\.local\/ns\/shop\/sa\/web, and this is cluster\.local\/ns\/office\/sa\/reporter/,
      /add cluster\.local\/ns\/office\/sa\/reporter to principals in AuthorizationPolicy shop\/web-may, spec\.rules\[0\]/,
    ],
  },
  {
    name: 'a caller without identity is told to join the mesh',
    ask: [BATCH, CART],
    given: [WEB_MAY],
    is: ['denied', 'no-allow-match'],
    says: [/this is no identity/, /kubectl label namespace legacy istio\.io\/dataplane-mode=ambient/],
  },
  {
    name: 'an ALLOW policy without rules allows nobody, and the advice is a policy of its own',
    ask: [WEB, CART],
    given: [authorizationPolicy('shop/deny-all', {})],
    is: ['denied', 'no-allow-match'],
    says: [/action ALLOW and from\.source\.principals \[cluster\.local\/ns\/shop\/sa\/web\]/],
  },
  {
    name: 'a DENY rule beats an ALLOW rule and is named',
    ask: [WEB, CART],
    given: [
      WEB_MAY,
      authorizationPolicy('shop/no-web', {
        action: 'DENY',
        rules: [{}, { from: [{ source: { namespaces: ['shop'] } }] }],
      }),
    ],
    is: ['denied', 'deny-rule'],
    says: [/AuthorizationPolicy shop\/no-web, rule 0, denies it/, /no ALLOW policy can outweigh a DENY/],
  },
  {
    name: 'rules are numbered as they are written, also when L4 leaves some out',
    ask: [WEB, CART],
    given: [
      authorizationPolicy('shop/two', {
        action: 'ALLOW',
        rules: [{ to: [{ operation: { methods: ['GET'] } }] }, { from: [{ source: { namespaces: ['shop'] } }] }],
      }),
    ],
    is: ['allowed', 'allow-rule'],
    says: [/AuthorizationPolicy shop\/two, rule 1, allows it/, /AuthorizationPolicy shop\/two: .*methods/],
  },
  {
    name: 'the port that a policy sees is the target port',
    ask: [WEB, CART],
    given: [authorizationPolicy('shop/port', { action: 'ALLOW', rules: [{ to: [{ operation: { ports: ['80'] } }] }] })],
    is: ['denied', 'no-allow-match'],
    says: [/wants ports 80, and this is 8080/, /add 8080 to ports in AuthorizationPolicy shop\/port, spec\.rules\[0\]/],
  },
  {
    name: 'a policy of the root namespace is judged, too',
    ask: [WEB, CART],
    given: [authorizationPolicy('istio-system/none', {})],
    is: ['denied', 'no-allow-match'],
  },
  {
    name: 'a policy that selects other pods plays no part',
    ask: [WEB, CART],
    given: [authorizationPolicy('shop/other', { selector: { matchLabels: { app: 'web' } } })],
    is: ['allowed', 'no-allow-policies'],
  },
  {
    name: 'a policy that selects one of two endpoints makes it depend on which is chosen',
    ask: [WEB, CART],
    given: [
      app('shop/cart-2', '10.1.0.2', { labels: { app: 'cart', track: 'canary' } }),
      authorizationPolicy('shop/no-canary', { selector: { matchLabels: { track: 'canary' } } }),
    ],
    is: ['unknown', 'it-depends'],
    says: [/it depends: allowed by shop\/cart-1 at 10\.1\.0\.1:8080, denied by shop\/cart-2 at 10\.1\.0\.2:8080/],
    cases: 2,
  },
  {
    name: 'endpoints that deny for different reasons are two cases of one verdict',
    ask: [WEB, CART],
    given: [
      authorizationPolicy('shop/none', {}),
      app('shop/cart-2', '10.1.0.2', { labels: { app: 'cart', track: 'canary' } }),
      authorizationPolicy('shop/no-canary', {
        action: 'DENY',
        selector: { matchLabels: { track: 'canary' } },
        rules: [{}],
      }),
    ],
    is: ['denied', 'no-allow-match'],
    cases: 2,
  },
  {
    name: 'plaintext is refused under STRICT of the namespace, which is named',
    ask: [BATCH, CART],
    given: [strict('shop/default')],
    is: ['denied', 'deny-rule'],
    says: [/PeerAuthentication shop\/default \(STRICT\): this port wants mutual TLS/, /PERMISSIVE/],
  },
  {
    name: 'plaintext is refused under STRICT of the whole mesh',
    ask: [BATCH, CART],
    given: [strict('istio-system/default')],
    is: ['denied', 'deny-rule'],
    says: [/PeerAuthentication istio-system\/default \(STRICT\)/],
  },
  {
    name: 'a namespace may be laxer than the mesh',
    ask: [BATCH, CART],
    given: [strict('istio-system/default'), peerAuthentication('shop/lax', { mtls: { mode: 'PERMISSIVE' } })],
    is: ['allowed', 'no-allow-policies'],
  },
  {
    name: 'a port that is STRICT is refused to plaintext by the name of the object',
    ask: [BATCH, CART],
    given: [
      peerAuthentication('shop/ports', {
        selector: { matchLabels: { app: 'cart' } },
        portLevelMtls: { 8080: { mode: 'STRICT' } },
      }),
    ],
    is: ['denied', 'deny-rule'],
    says: [/PeerAuthentication shop\/ports: this port wants mutual TLS/],
  },
  {
    name: 'a caller of the mesh passes STRICT',
    ask: [WEB, CART],
    given: [strict('shop/default')],
    is: ['allowed', 'no-allow-policies'],
  },
  {
    name: 'plaintext is let in where nothing asks for mutual TLS, and is called plaintext',
    ask: [BATCH, CART],
    is: ['allowed', 'no-allow-policies'],
    says: [/encryption none: plaintext, because the caller is not in the mesh/],
  },
  {
    name: 'a destination outside the mesh evaluates nothing, and policies that select it are named',
    ask: [WEB, 'pod/batch.legacy:9000'],
    given: [authorizationPolicy('legacy/idle', {})],
    is: ['allowed', 'not-enforced'],
    says: [/AuthorizationPolicy legacy\/idle would apply if it were in the mesh/, /encryption none: plaintext/],
  },
  {
    name: 'one endpoint in the mesh and one outside are two cases of one verdict',
    ask: [WEB, CART],
    given: [app('shop/cart-2', '10.1.0.2', OUT)],
    is: ['allowed', 'no-allow-policies'],
    says: [/but the agent of its node has not brought it in/],
    cases: 2,
  },
  {
    name: 'a destination that is captured and not yet served can not be reached',
    ask: [WEB, 'pod/cart-1.shop:8080'],
    given: [app('shop/cart-1', '10.1.0.1', { annotations: { 'ambient.istio.io/redirection': 'pending' } })],
    is: ['denied', 'not-served'],
  },
  {
    name: 'a caller that is captured and not yet served reaches nobody',
    ask: [WEB, CART],
    given: [app('shop/web', '10.1.0.3', { annotations: { 'ambient.istio.io/redirection': 'pending' } })],
    is: ['denied', 'not-served'],
    says: [/the ztunnel of its node does not serve it yet/],
  },
  {
    name: 'a port that the service does not have is refused, and the ports are told',
    ask: [WEB, 'svc/cart.shop:81'],
    is: ['denied', 'port-not-served'],
    says: [/it serves 80/],
  },
  { name: 'the same from outside the mesh', ask: [BATCH, 'svc/cart.shop:81'], is: ['denied', 'port-not-served'] },
  {
    name: 'a service without endpoints can not be reached',
    ask: [WEB, 'svc/empty.shop:80'],
    is: ['denied', 'no-endpoint'],
    says: [/kubectl get endpointslices -n shop/],
  },
  { name: 'nor from outside the mesh', ask: [BATCH, 'svc/empty.shop:80'], is: ['denied', 'no-endpoint'] },
  {
    name: 'an endpoint that is not ready is not chosen',
    ask: [WEB, CART],
    given: [
      app('shop/cart-2', '10.1.0.2', { ready: false, labels: { app: 'cart', track: 'canary' } }),
      authorizationPolicy('shop/no-canary', { selector: { matchLabels: { track: 'canary' } } }),
    ],
    is: ['allowed', 'no-allow-policies'],
    cases: 1,
  },
  {
    name: 'a service whose traffic stays on the node reaches only endpoints there',
    ask: [WEB, CART],
    given: [
      kubeService('shop/cart', {
        selector: { app: 'cart' },
        clusterIP: '10.2.0.1',
        internalTrafficPolicy: 'Local',
        ports: [{ port: 80, targetPort: 8080 }],
      }),
      app('shop/cart-2', '10.1.0.2', { node: 'node-2', labels: { app: 'cart', track: 'canary' } }),
      authorizationPolicy('shop/no-canary', { selector: { matchLabels: { track: 'canary' } } }),
    ],
    is: ['allowed', 'no-allow-policies'],
    says: [/only those on the node of the caller/],
    cases: 1,
  },
  {
    name: 'a caller whose node is not known may meet any of them',
    ask: ['sa/future.shop', CART],
    given: [
      kubeService('shop/cart', {
        selector: { app: 'cart' },
        clusterIP: '10.2.0.1',
        internalTrafficPolicy: 'Local',
        ports: [{ port: 80, targetPort: 8080 }],
      }),
      app('shop/cart-2', '10.1.0.2', { node: 'node-2', labels: { app: 'cart', track: 'canary' } }),
      authorizationPolicy('shop/no-canary', { selector: { matchLabels: { track: 'canary' } } }),
    ],
    is: ['unknown', 'it-depends'],
    says: [/no pod runs as service account shop\/future/],
    cases: 2,
  },
  {
    name: 'endpoints of the own zone are preferred where the service says so',
    ask: [WEB, CART],
    given: [
      node('node-1', { 'topology.kubernetes.io/zone': 'a' }),
      node('node-2', { 'topology.kubernetes.io/zone': 'b' }),
      kubeService('shop/cart', {
        selector: { app: 'cart' },
        clusterIP: '10.2.0.1',
        trafficDistribution: 'PreferClose',
        ports: [{ port: 80, targetPort: 8080 }],
      }),
      app('shop/cart-2', '10.1.0.2', { node: 'node-2', labels: { app: 'cart', track: 'canary' } }),
      authorizationPolicy('shop/no-canary', { selector: { matchLabels: { track: 'canary' } } }),
    ],
    is: ['allowed', 'no-allow-policies'],
    says: [/those near the caller first/],
    cases: 1,
  },
  {
    name: 'a headless service is dialled on the port itself, which is told where a mapping was meant',
    ask: [WEB, 'svc/peers.shop:80'],
    is: ['allowed', 'no-allow-policies'],
    says: [/shop\/cart-1 at 10\.1\.0\.1:80$/m, /headless, so nobody maps its port 80 to 8080/],
    cases: 1,
  },
  {
    name: 'a headless service without endpoints has no address',
    ask: [WEB, 'svc/peers.shop:80'],
    given: [kubeService('shop/peers', { selector: { app: 'none' }, clusterIP: 'None', ports: [{ port: 80 }] })],
    is: ['denied', 'no-healthy-endpoint'],
  },
  {
    name: 'an ExternalName service is what it stands for',
    ask: [WEB, 'svc/alias.shop:80'],
    given: [WEB_MAY],
    is: ['allowed', 'allow-rule'],
    says: [/alias\.shop\.svc\.cluster\.local is another name \(ExternalName\) for cart\.shop\.svc\.cluster\.local/],
  },
  {
    name: 'an ExternalName service for something outside leaves the mesh',
    ask: [WEB, 'svc/outside.shop:443'],
    is: ['allowed', 'passthrough'],
    says: [/for api\.example\.com/, /the mesh has no say/],
  },
  {
    name: 'names that lead in a circle lead nowhere',
    ask: [WEB, 'svc/loop.shop:80'],
    is: ['unknown', 'destination-not-found'],
    says: [/in a circle/],
  },
  {
    name: 'a short name is looked up in the namespace of the caller',
    ask: [WEB, 'cart:80'],
    given: [WEB_MAY],
    is: ['allowed', 'allow-rule'],
  },
  {
    name: 'the same name from elsewhere is nobody, and what may be meant is offered',
    ask: [REPORTER, 'cart:80'],
    is: ['unknown', 'destination-not-found'],
    says: [/there is cart\.shop\.svc\.cluster\.local/],
  },
  {
    name: 'name and namespace are enough',
    ask: [REPORTER, 'cart.shop:80'],
    given: [WEB_MAY],
    is: ['denied', 'no-allow-match'],
  },
  {
    name: 'so is name, namespace and svc',
    ask: [REPORTER, 'cart.shop.svc:80'],
    given: [WEB_MAY],
    is: ['denied', 'no-allow-match'],
  },
  {
    name: 'a name outside the mesh is passed through',
    ask: [WEB, 'example.com:443'],
    is: ['allowed', 'passthrough'],
    says: [/the mesh has no say/],
  },
  {
    name: 'an address that nobody has is passed through',
    ask: [WEB, '192.0.2.1:443'],
    is: ['allowed', 'passthrough'],
    says: [/does not know/],
  },
  {
    name: 'the address of a service is that service',
    ask: [REPORTER, '10.2.0.1:80'],
    given: [WEB_MAY],
    is: ['denied', 'no-allow-match'],
  },
  {
    name: 'the address of a pod is that pod',
    ask: [REPORTER, '10.1.0.1:8080'],
    given: [WEB_MAY],
    is: ['denied', 'no-allow-match'],
  },
  {
    name: "a tunnel to a port that is the proxy's own is refused by the other side",
    ask: [WEB, 'pod/cart-1.shop:15008'],
    is: ['denied', 'tunnel-refused'],
    says: [/port 15008 is the proxy's own/],
  },
  {
    name: 'an address of the mesh calls with the identity of its pod',
    ask: ['10.1.0.3', CART],
    given: [WEB_MAY],
    is: ['allowed', 'allow-rule'],
  },
  {
    name: 'an address that nobody has calls in plaintext',
    ask: ['198.51.100.7', CART],
    given: [strict('shop/default')],
    is: ['denied', 'deny-rule'],
    says: [/call from a pod in the mesh/],
  },
  {
    name: 'an ALLOW by address lets a caller from outside in',
    ask: ['198.51.100.7', CART],
    given: [allow('office-net', { ipBlocks: ['198.51.100.0/24'] })],
    is: ['allowed', 'allow-rule'],
  },
  {
    name: 'nobody calls from the address of a service',
    ask: ['10.2.0.1', CART],
    is: ['unknown', 'caller-not-found'],
    says: [/address of service shop\/cart/],
  },
  {
    name: 'a pod on the network of its node calls from there, without identity',
    ask: ['pod/agent.shop', CART],
    given: [app('shop/agent', '192.0.2.9', { ...OUT, spec: { hostNetwork: true } }), strict('shop/default')],
    is: ['denied', 'deny-rule'],
    says: [/it uses the host's network/],
  },
  {
    name: 'a pod on the network of its node is not known by its address',
    ask: [WEB, 'pod/agent.shop:80'],
    given: [app('shop/agent', '192.0.2.9', { ...OUT, spec: { hostNetwork: true } })],
    is: ['allowed', 'passthrough'],
    says: [/uses the network of its node/],
  },
  {
    name: 'a service account stands for all pods that run as it',
    ask: ['sa/cart.shop', CART],
    given: [WEB_MAY],
    is: ['denied', 'no-allow-match'],
    says: [/caller 2 pods: shop\/cart-1, shop\/cart-2, all in the mesh/],
    cases: 1,
  },
  {
    name: 'pods of one account may fare differently by their address',
    ask: ['sa/cart.shop', 'pod/web.shop:80'],
    given: [allow('one', { ipBlocks: ['10.1.0.1'] })],
    is: ['unknown', 'it-depends'],
    says: [/allowed for shop\/cart-1, denied for shop\/cart-2/],
  },
  {
    name: 'an account without pods is assumed as an ordinary pod of its namespace',
    ask: ['sa/web.office', CART],
    given: [WEB_MAY],
    is: ['denied', 'no-allow-match'],
    says: [/an ordinary pod of that namespace is assumed/, /cluster\.local\/ns\/office\/sa\/web/],
  },
  {
    name: 'in a namespace outside the mesh that is a pod without identity',
    ask: ['sa/any.legacy', CART],
    given: [strict('shop/default')],
    is: ['denied', 'deny-rule'],
  },
  {
    name: 'whose address is not known, where policies look at it',
    ask: ['sa/future.shop', CART],
    given: [allow('one', { ipBlocks: ['10.1.0.9'] })],
    is: ['unknown', 'address-matters'],
  },
  {
    name: 'unless a DENY that looks at no address settles it',
    ask: ['sa/future.shop', CART],
    given: [
      allow('one', { ipBlocks: ['10.1.0.9'] }),
      authorizationPolicy('shop/no', { action: 'DENY', rules: [{ from: [{ source: { namespaces: ['shop'] } }] }] }),
    ],
    is: ['denied', 'deny-rule'],
  },
  {
    name: 'neither is that of a pod out of a manifest, which no policy may be judged by',
    ask: [WEB, CART],
    given: [app('shop/web', '10.1.0.3', MANIFEST), allow('one', { ipBlocks: ['10.1.0.3'] })],
    is: ['unknown', 'address-matters'],
    says: [/these are manifests/],
  },
  {
    name: 'an ALLOW that looks at no address settles it, whatever another ALLOW looks at',
    ask: ['sa/web.shop', CART],
    given: [app('shop/web', '10.1.0.3', MANIFEST), WEB_MAY, allow('one', { ipBlocks: ['10.9.0.0/16'] })],
    is: ['allowed', 'allow-rule'],
  },
  {
    name: 'beside a DENY by address it does not',
    ask: ['sa/web.shop', CART],
    given: [
      app('shop/web', '10.1.0.3', MANIFEST),
      WEB_MAY,
      authorizationPolicy('shop/not', {
        action: 'DENY',
        rules: [{ from: [{ source: { ipBlocks: ['10.9.0.0/16'] } }] }],
      }),
    ],
    is: ['unknown', 'address-matters'],
  },
  {
    name: 'where no ALLOW matches, a DENY by address makes no difference',
    ask: ['sa/future.shop', CART],
    given: [
      WEB_MAY,
      authorizationPolicy('shop/not', {
        action: 'DENY',
        rules: [{ from: [{ source: { ipBlocks: ['10.9.0.0/16'] } }] }],
      }),
    ],
    is: ['denied', 'no-allow-match'],
  },
  {
    name: 'unless no policy looks at it',
    ask: [WEB, CART],
    given: [app('shop/web', '10.1.0.3', MANIFEST), WEB_MAY],
    is: ['allowed', 'allow-rule'],
  },
  {
    name: 'the same holds for the address of the destination',
    ask: [WEB, 'pod/cart-1.shop:80'],
    given: [
      app('shop/cart-1', '10.1.0.1', MANIFEST),
      authorizationPolicy('shop/one', { rules: [{ when: [{ key: 'destination.ip', values: ['10.1.0.1'] }] }] }),
    ],
    is: ['unknown', 'address-matters'],
  },
  {
    name: 'a pod may be named by its Deployment',
    ask: ['pod/front.shop', CART],
    given: [
      app('shop/front-7c9d-x2x', '10.1.0.8', {
        labels: { app: 'front', 'pod-template-hash': '7c9d' },
        generateName: 'front-7c9d-',
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'front-7c9d', controller: true }],
      }),
    ],
    is: ['allowed', 'no-allow-policies'],
    says: [/caller shop\/front-7c9d-x2x/],
  },
  {
    name: 'a caller that does not exist is unknown, and what is there is offered',
    ask: ['pod/wbe.shop', CART],
    is: ['unknown', 'caller-not-found'],
    says: [/there are pod\/cart-1\.shop/],
  },
  {
    name: 'a caller in another namespace is offered',
    ask: ['pod/web', CART],
    is: ['unknown', 'caller-not-found'],
    says: [/there is pod\/web\.shop/],
  },
  {
    name: 'a pod that does not run has no address',
    ask: ['pod/done.shop', CART],
    given: [app('shop/done', '10.1.0.9', { phase: 'Succeeded' })],
    is: ['unknown', 'caller-not-found'],
    says: [/it does not run/],
  },
  {
    name: 'a service that does not exist is unknown, and one of its name is offered',
    ask: [WEB, 'svc/cart:80'],
    is: ['unknown', 'destination-not-found'],
    says: [/there is svc\/cart\.shop/],
  },
  {
    name: 'a pod that does not exist is unknown',
    ask: [WEB, 'pod/cart-3.shop:80'],
    is: ['unknown', 'destination-not-found'],
  },
  {
    name: 'method and path change nothing without a waypoint, which is said',
    ask: [WEB, CART],
    http: { method: 'GET', path: '/' },
    given: [allow('get', { namespaces: ['shop'] }, { to: [{ operation: { methods: ['GET'] } }] })],
    is: ['denied', 'no-allow-match'],
    says: [/there is no waypoint on this path/, /AuthorizationPolicy shop\/get: /],
  },
  {
    name: 'a waypoint that is asked for and not there is told of: traffic goes without it',
    ask: [WEB, CART],
    given: [kubeService('shop/cart', CART_SPEC, { labels: { 'istio.io/use-waypoint': 'gate' } })],
    is: ['allowed', 'no-allow-policies'],
    says: [/service shop\/cart asks for a waypoint and has none: waypoint shop\/gate does not exist/],
  },
  {
    name: 'a service that can not be read is told apart from one that is not there',
    ask: [WEB, CART],
    given: [kubeService('shop/cart', { ...CART_SPEC, clusterIPs: ['10.2'] })],
    is: ['unknown', 'destination-not-found'],
    says: [/service shop\/cart can not be read: spec\.clusterIPs/],
  },
  {
    name: 'a ServiceEntry is found by its host, and its endpoint outside evaluates nothing',
    ask: [WEB, 'vm.example.com:5432'],
    given: [serviceEntry({ addresses: ['10.77.0.1'], resolution: 'STATIC', endpoints: [{ address: '192.0.2.10' }] })],
    is: ['allowed', 'not-enforced'],
    says: [/vm\.example\.com is 10\.77\.0\.1/, /endpoint shop\/vm at 192\.0\.2\.10:5432/],
  },
  {
    name: 'a ServiceEntry without an address is not known again by its connections',
    ask: [WEB, 'vm.example.com:5432'],
    given: [serviceEntry({ resolution: 'DNS' })],
    is: ['allowed', 'passthrough'],
    says: [/vm\.example\.com belongs to shop\/vm, which has no address of its own/],
  },
  {
    name: 'a ServiceEntry whose endpoint is known by name only goes to whatever DNS says then',
    ask: [WEB, 'vm.example.com:5432'],
    given: [serviceEntry({ addresses: ['10.77.0.1'], resolution: 'DNS', endpoints: [{ address: 'db.example.net' }] })],
    is: ['allowed', 'passthrough'],
    says: [/vm\.example\.com is 10\.77\.0\.1/, /db\.example\.net:5432 is outside the mesh/],
  },
  {
    name: 'callers outside the mesh do not know the host of a ServiceEntry',
    ask: [BATCH, 'vm.example.com:5432'],
    given: [serviceEntry({ addresses: ['10.77.0.1'], resolution: 'STATIC', endpoints: [{ address: '192.0.2.10' }] })],
    is: ['allowed', 'passthrough'],
  },
  {
    name: 'a range of addresses never stands for a pod within it',
    ask: [WEB, '10.1.0.1:8080'],
    given: [serviceEntry({ addresses: ['10.0.0.0/8'], resolution: 'NONE' }), WEB_MAY],
    is: ['allowed', 'allow-rule'],
    says: [/10\.1\.0\.1 is shop\/cart-1, dialled directly/],
  },
  {
    name: 'a dry run changes nothing and is told',
    ask: [WEB, CART],
    given: [
      authorizationPolicy(
        'shop/try',
        { action: 'DENY', rules: [{ from: [{ source: { namespaces: ['shop'] } }] }] },
        { annotations: { 'istio.io/dry-run': 'true' } },
      ),
    ],
    is: ['allowed', 'no-allow-policies'],
    says: [/AuthorizationPolicy shop\/try \(DENY\) is a dry run: rule 0 would deny it/],
  },
  {
    name: 'an identity under an alias of the trust domain counts',
    ask: [WEB, CART],
    given: [
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'istio', namespace: 'istio-system' },
        data: { mesh: 'trustDomain: new.example\ntrustDomainAliases: [old.example]\n' },
      },
      allow('old', { principals: ['old.example/ns/shop/sa/web'] }),
    ],
    is: ['allowed', 'allow-rule'],
    says: [/spiffe:\/\/new\.example\/ns\/shop\/sa\/web/],
  },
];

for (const row of rows) {
  test(row.name, () => {
    const prediction = ask(row.ask[0], row.ask[1], row.given, row.http);
    const text = says(prediction);
    assert.deepEqual([prediction.verdict, prediction.reason], row.is, text);
    for (const expected of row.says ?? []) assert.match(text, expected);
    if (row.cases !== undefined) assert.equal(prediction.cases.length, row.cases, text);
    const stops = [...prediction.hops, ...prediction.cases.flatMap(({ hops }) => hops)].some(
      (h) => h.outcome === 'stops',
    );
    if (prediction.verdict === 'denied') assert(stops, 'a denial says at which hop it stops');
    if (prediction.verdict === 'allowed') assert(!stops, 'nothing stops what is allowed');
  });
}
