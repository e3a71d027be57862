import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { CliError } from '../errors.ts';
import { HttpStatusError } from '../http-over.ts';
import { parseObjects } from '../model/load-files.ts';
import { buildProgram, runProgram } from '../program.ts';

const SHOP = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: v1
kind: Namespace
metadata: { name: office, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: v1
kind: Namespace
metadata: { name: legacy }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart, namespace: shop }
spec: { template: { metadata: { labels: { app: cart } }, spec: { serviceAccountName: cart } } }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { selector: { app: cart }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: reporter, namespace: office }
spec: { template: { metadata: { labels: { app: reporter } }, spec: { serviceAccountName: reporter } } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: batch, namespace: legacy }
spec: { template: { metadata: { labels: { app: batch } }, spec: { serviceAccountName: batch } } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: web-may, namespace: shop }
spec:
  selector: { matchLabels: { app: cart } }
  action: ALLOW
  rules: [{ from: [{ source: { principals: [cluster.local/ns/shop/sa/web] } }] }]
`;

type Said = { readonly code: number; readonly out: string; readonly err: string };

/** Runs the command line as the shell would; \`files\` are written to a folder of their own, whose path is \`DIR\` in the arguments. */
async function ambit(
  args: readonly string[],
  world: { cluster?: Partial<Cluster>; files?: Record<string, string> } = {},
): Promise<Said> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-why-'));
  const out: string[] = [];
  const err: string[] = [];
  let exitCode = 0;
  try {
    for (const [name, text] of Object.entries(world.files ?? {})) writeFileSync(join(folder, name), text);
    const program = buildProgram(
      {
        out: (text) => out.push(`${text}\n`),
        say: (line) => err.push(`${line}\n`),
        interrupted: () => new AbortController().signal,
        isTerminal: false,
        setExitCode: (code) => {
          exitCode = code;
        },
        cluster: () => {
          if (world.cluster === undefined) throw new CliError('no cluster is configured');
          return world.cluster as Cluster;
        },
      },
      { out: (text) => out.push(text), err: (text) => err.push(text) },
    );
    const argv = args.map((arg) => (arg === 'DIR' ? folder : arg));
    const code = await runProgram(program, argv, (line) => err.push(`${line}\n`));
    return { code: code === 0 ? exitCode : code, out: out.join(''), err: err.join('').replaceAll(folder, 'DIR') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const why = (from: string, to: string, ...more: string[]) =>
  ambit(['why', from, to, '-f', 'DIR', ...more], { files: { 'shop.yaml': SHOP } });

test('a denial reads like an explanation', async () => {
  const { code, out } = await why('pod/reporter.office', 'svc/cart.shop:80');
  assert.equal(code, 1);
  assert.equal(
    out,
    `pod/reporter.office -> svc/cart.shop:80: DENIED
ALLOW policies apply to shop/cart, and no rule of them matches.

  caller      office/reporter, in the mesh: its namespace is labelled istio.io/dataplane-mode=ambient
  name        cart.shop.svc.cluster.local is 10.96.1.1
  service     service shop/cart, port 80, 1 healthy endpoint
  endpoint    shop/cart at 10.244.1.1:8080
  enrolment   shop/cart is in the mesh: its namespace is labelled istio.io/dataplane-mode=ambient
  waypoint    none
  identity    the caller shows spiffe://cluster.local/ns/office/sa/reporter
              the other side must show spiffe://cluster.local/ns/shop/sa/cart
  encryption  mutual TLS, in a tunnel (HBONE) to 10.244.1.1:15008
x policy      ALLOW policies apply to shop/cart, and no rule of them matches
              considered: PeerAuthentication shop/default (STRICT), AuthorizationPolicy shop/web-may
              closest: shop/web-may, rule 0, wants principals cluster.local/ns/shop/sa/web, and this is cluster.local/ns/office/sa/reporter

Note: These are manifests: addresses stand for those that a cluster would give.

Next:
  - if this should be allowed, add cluster.local/ns/office/sa/reporter to principals in AuthorizationPolicy shop/web-may, spec.rules[0]
`,
  );
});

test('a plaintext caller under STRICT is told why and what to do', async () => {
  const { code, out } = await why('pod/batch.legacy', 'cart.shop:80');
  assert.equal(code, 1);
  assert.equal(
    out,
    `pod/batch.legacy -> cart.shop:80: DENIED
PeerAuthentication shop/default (STRICT): this port wants mutual TLS, and the caller has no identity.

  caller      legacy/batch, not in the mesh: neither the pod nor its namespace is labelled istio.io/dataplane-mode=ambient
  name        cart.shop means cart.shop.svc.cluster.local, which is 10.96.1.1
  service     service shop/cart, port 80, 1 healthy endpoint
  endpoint    shop/cart at 10.244.1.1:8080
  enrolment   shop/cart is in the mesh: its namespace is labelled istio.io/dataplane-mode=ambient
  identity    none: the caller is not in the mesh
  encryption  none: plaintext, because the caller is not in the mesh
x policy      PeerAuthentication shop/default (STRICT): this port wants mutual TLS, and the caller has no identity
              considered: PeerAuthentication shop/default (STRICT), AuthorizationPolicy shop/web-may

Note: These are manifests: addresses stand for those that a cluster would give.

Next:
  - bring legacy/batch into the mesh, which gives it an identity: kubectl label namespace legacy istio.io/dataplane-mode=ambient
  - or let this port be PERMISSIVE in a PeerAuthentication (portLevelMtls)
`,
  );
});

test('endpoints that differ are told apart, one case each', async () => {
  const canary = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart-next, namespace: shop }
spec: { template: { metadata: { labels: { app: cart, track: next } }, spec: { serviceAccountName: cart } } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: next-is-closed, namespace: shop }
spec: { selector: { matchLabels: { track: next } }, action: DENY, rules: [{}] }
`;
  const { code, out } = await ambit(['why', 'sa/web.shop', 'svc/cart.shop:80', '-f', 'DIR'], {
    files: { 'a.yaml': SHOP, 'b.yaml': canary },
  });
  assert.equal(code, 2);
  assert.equal(
    out,
    `sa/web.shop -> svc/cart.shop:80: UNKNOWN
It depends: allowed by shop/cart at 10.244.1.1:8080, denied by shop/cart-next at 10.244.1.4:8080.

  caller      sa/web.shop, in the mesh: its namespace is labelled istio.io/dataplane-mode=ambient
  name        cart.shop.svc.cluster.local is 10.96.1.1
  service     service shop/cart, port 80, 2 healthy endpoints

1 of 2: ALLOWED by shop/cart at 10.244.1.1:8080: AuthorizationPolicy shop/web-may, rule 0, allows it
  endpoint    shop/cart at 10.244.1.1:8080
  enrolment   shop/cart is in the mesh: its namespace is labelled istio.io/dataplane-mode=ambient
  waypoint    none
  identity    the caller shows spiffe://cluster.local/ns/shop/sa/web
              the other side must show spiffe://cluster.local/ns/shop/sa/cart
  encryption  mutual TLS, in a tunnel (HBONE) to 10.244.1.1:15008
  policy      AuthorizationPolicy shop/web-may, rule 0, allows it
              considered: PeerAuthentication shop/default (STRICT), AuthorizationPolicy shop/web-may

2 of 2: DENIED by shop/cart-next at 10.244.1.4:8080: AuthorizationPolicy shop/next-is-closed, rule 0, denies it
  endpoint    shop/cart-next at 10.244.1.4:8080
  enrolment   shop/cart-next is in the mesh: its namespace is labelled istio.io/dataplane-mode=ambient
  waypoint    none
  identity    the caller shows spiffe://cluster.local/ns/shop/sa/web
              the other side must show spiffe://cluster.local/ns/shop/sa/cart
  encryption  mutual TLS, in a tunnel (HBONE) to 10.244.1.4:15008
x policy      AuthorizationPolicy shop/next-is-closed, rule 0, denies it
              considered: PeerAuthentication shop/default (STRICT), AuthorizationPolicy shop/next-is-closed, AuthorizationPolicy shop/web-may

Note: No pod runs as service account shop/web: an ordinary pod of that namespace is assumed.
Note: These are manifests: addresses stand for those that a cluster would give.

Next:
  - look at the rule: kubectl get authorizationpolicy -n shop next-is-closed -o jsonpath='{.spec.rules[0]}'
  - no ALLOW policy can outweigh a DENY: the rule itself must exempt this caller
`,
  );
});

test('a namespace that is not among the files is told of', async () => {
  const { out } = await ambit(['why', 'sa/web.shop', 'svc/cart.shop:80', '-f', 'DIR'], {
    files: { 'shop.yaml': SHOP.replace(/^apiVersion: v1\nkind: Namespace\nmetadata: { name: shop.*\n---$/m, '') },
  });
  assert.match(out, /Note: Namespace shop is not among them, so it is taken to have no labels\./);
});

test('a NetworkPolicy that would cut the tunnel is told of, and does not change the verdict', async () => {
  const isolation = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: cart-only, namespace: shop }
spec: { podSelector: { matchLabels: { app: cart } }, ingress: [{ ports: [{ port: 8080 }] }] }
`;
  const { code, out } = await ambit(['why', 'sa/web.shop', 'svc/cart.shop:80', '-f', 'DIR'], {
    files: { 'a.yaml': SHOP, 'b.yaml': isolation },
  });
  assert.equal(code, 0);
  assert.match(
    out,
    /Note: The network is not part of this: NetworkPolicy shop\/cart-only admits .*15008.* \(AMB0401\)/,
  );
});

test('machines get the same as JSON and as YAML', async () => {
  const json = await why(
    'sa/web.shop',
    'svc/cart.shop:80',
    '-o',
    'json',
    '--method',
    'get',
    '--header',
    'X-Team: blue',
  );
  assert.equal(json.code, 0);
  const prediction = JSON.parse(json.out);
  assert.deepEqual(
    [prediction.verdict, prediction.reason, prediction.question.http],
    ['allowed', 'allow-rule', { method: 'GET', headers: { 'x-team': 'blue' } }],
  );
  assert.deepEqual(prediction.cases[0].policy.because, { policy: 'shop/web-may', rule: 0 });
  const yaml = await why('sa/web.shop', 'svc/cart.shop:80', '-o', 'yaml', '--method', 'GET', '--header', 'x-team:blue');
  assert.deepEqual(parse(yaml.out), prediction);
});

const LIVE: readonly KubeObject[] = [
  ...parseObjects(SHOP, 'x').map(({ object }) => object),
  livePod('shop', 'cart-7c9d-x2x', '10.9.0.1', 'cart', 'node-2'),
  livePod('shop', 'web-5f5f-abc', '10.9.0.2', 'web', 'node-1'),
];
const lists = (objects: readonly KubeObject[]): Pick<Cluster, 'list'> => ({
  list: async ({ kind }, { namespace } = {}) =>
    objects.filter((o) => o.kind === kind && (namespace === undefined || o.metadata.namespace === namespace)),
});

test('a live cluster is predicted with its own addresses', async () => {
  const { code, out } = await ambit(['why', 'pod/web-5f5f-abc.shop', 'pod/cart-7c9d-x2x.shop:8080'], {
    cluster: lists(LIVE),
  });
  assert.equal(code, 0, out);
  assert.match(out, /caller {6}shop\/web-5f5f-abc \(10\.9\.0\.2 on node-1\), in the mesh/);
  assert.match(out, /endpoint {4}shop\/cart-7c9d-x2x at 10\.9\.0\.1:8080/);
  assert.doesNotMatch(out, /manifests/);
});

const uid = (name: string) => `Kubernetes//Pod/shop/${name}`;
const workload = (name: string, protocol = 'HBONE') => ({ uid: uid(name), name, namespace: 'shop', protocol });
const policyDump = (namespace: string, name: string, scope = 'WorkloadSelector') => ({
  namespace,
  name,
  scope,
  action: 'Allow',
});
const WORKLOADS = [workload('cart-7c9d-x2x'), workload('web-5f5f-abc')];
const POLICIES = [policyDump('shop', 'web-may'), policyDump('istio-system', 'istio_converted_static_strict')];

const comparisons: readonly (readonly [
  what: string,
  dumps: Readonly<Record<string, object | Error>>,
  says: readonly string[],
])[] = [
  [
    'that hold the same are said to',
    { 'node-1': { workloads: WORKLOADS }, 'node-2': { workloads: WORKLOADS, policies: POLICIES } },
    ['Note: The ztunnels on the path (node-1, node-2) hold what this was predicted with.'],
  ],
  [
    'that lack something, or still have it, are named',
    {
      'node-1': { workloads: [workload('cart-7c9d-x2x', 'TCP')] },
      'node-2': { workloads: WORKLOADS, policies: [POLICIES[1], policyDump('shop', 'deny-all', 'Namespace')] },
    },
    [
      'Note: The ztunnel of node node-1 does not know shop/web-5f5f-abc.',
      'Note: The ztunnel of node node-1 takes shop/cart-7c9d-x2x to be outside the mesh.',
      'Note: The ztunnel of node node-2 does not have policy shop/web-may.',
      'Note: The ztunnel of node node-2 still has policy shop/deny-all, which is gone.',
    ],
  ],
  [
    'that do not answer or are not there are named',
    { 'node-1': new CliError('pod is not running') },
    [
      'Note: The ztunnel of node node-1 did not answer: pod is not running.',
      'Note: The ztunnel of node node-2 did not answer: no ztunnel runs there.',
    ],
  ],
];
for (const [what, dumps, says] of comparisons) {
  test(`ztunnels on the path ${what}`, async () => {
    const proxies = Object.keys(dumps).map((node) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `ztunnel-${node}`, namespace: 'istio-system' },
      spec: { nodeName: node },
    }));
    const cluster: Partial<Cluster> = {
      ...lists([...LIVE, ...proxies]),
      podHttp: async ({ name }, _port, path) => {
        assert.equal(path, '/config_dump');
        const dump = dumps[name.replace('ztunnel-', '')];
        if (dump instanceof Error) throw dump;
        return JSON.stringify(dump);
      },
    };
    const { code, out } = await ambit(['why', 'pod/web-5f5f-abc.shop', 'pod/cart-7c9d-x2x.shop:8080', '--compare'], {
      cluster,
    });
    assert.equal(code, 0, out);
    assert.deepEqual(
      out.split('\n').filter((line) => line.startsWith('Note: ')),
      says,
    );
  });
}

function livePod(namespace: string, name: string, podIP: string, app: string, nodeName: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app }, annotations: { 'ambient.istio.io/redirection': 'enabled' } },
    spec: { serviceAccountName: app, nodeName },
    status: { phase: 'Running', podIP, conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

const failures: readonly (readonly [what: string, args: readonly string[], says: RegExp])[] = [
  ['no TO', ['why', 'pod/web.shop'], /FROM and TO are missing, as in: ambit why/],
  ['too many names', ['why', 'pod/a', 'pod/b:1', 'pod/c'], /too many arguments/],
  ['an option that does not exist', ['why', '--frm', 'x'], /unknown option '--frm'/],
  ['a caller of no known kind', ['why', 'web', 'svc/cart.shop:80'], /FROM "web": expected pod\/NAME\.NAMESPACE/],
  [
    'a destination without a port',
    ['why', 'pod/web', 'svc/cart.shop'],
    /TO "svc\/cart\.shop": a port from 1 to 65535 must follow/,
  ],
  ['a header without a colon', ['why', 'pod/a', 'pod/b:1', '--header', 'x'], /--header "x": expected NAME: VALUE/],
  ['a path that is none', ['why', 'pod/a', 'pod/b:1', '--path', 'x'], /--path x: a path starts with \//],
  [
    'an output format that does not exist',
    ['why', 'pod/a', 'pod/b:1', '-o', 'xml'],
    /-o xml: expected one of short, json, yaml/,
  ],
  ['a folder that is not there', ['why', 'pod/a', 'pod/b:1', '-f', '/nowhere'], /\/nowhere: no such file or folder/],
  ['no cluster', ['why', 'pod/a', 'pod/b:1'], /no cluster is configured/],
  ['a receipt beside a question', ['why', 'pod/a', '--receipt', 'X'], /--receipt takes the place of FROM and TO/],
  ['a receipt out of a file', ['why', '--receipt', 'X', '-f', 'DIR'], /it does not go with --file/],
  [
    'a comparison without a cluster',
    ['why', 'pod/a', 'pod/b:1', '-f', 'DIR', '--compare'],
    /it does not go with --file/,
  ],
  ['an id that is none', ['why', '--receipt', 'X'], /--receipt X: not the id of a receipt/],
];
for (const [what, args, says] of failures) {
  test(`${what} is exit code 3, with nothing on standard output`, async () => {
    const { code, out, err } = await ambit(args);
    assert.deepEqual([code, out], [3, ''], err);
    assert.match(err, says);
  });
}

test('wrong use of other commands stays 2', async () => assert.equal((await ambit(['status', '--frm'])).code, 2));

test('a mesh configuration that can not be read is an error with its field', async () => {
  const config = `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: istio, namespace: istio-system }\ndata: { mesh: "trustDomain: 'A B'" }\n`;
  const { code, err } = await ambit(['why', 'pod/a', 'pod/b:1', '-f', 'DIR'], { files: { 'config.yaml': config } });
  assert.equal(code, 3);
  assert.match(err, /^ambit: ConfigMap istio-system\/istio, key mesh: trustDomain: must be/);
});

test('the configuration is that of the namespace of the mesh', async () => {
  const config = `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: istio, namespace: mesh }\ndata: { mesh: "trustDomain: shop.example" }\n`;
  const world = { files: { 'shop.yaml': SHOP, 'z.yaml': config } };
  const { out } = await ambit(['why', 'sa/web.shop', 'svc/cart.shop:80', '-f', 'DIR', '-n', 'mesh'], world);
  assert.match(out, /spiffe:\/\/shop\.example\/ns\/shop\/sa\/web/);
});

test('--help says what the exit codes mean and shows examples', async () => {
  const { code, out } = await ambit(['why', '--help']);
  assert.equal(code, 0);
  assert.match(out, /0 allowed, 1 denied, 2 unknown/);
  assert.match(out, /ambit why pod\/web\.shop svc\/cart\.shop:8080/);
});

const ID = '01JZ0V8Q6M3W7R9X2K4T5N1B8C';
const RECEIPT = {
  id: ID,
  at: '2026-11-28T10:00:00.000Z',
  direction: 'inbound',
  reporter: 'destination',
  src: {
    identity: 'spiffe://cluster.local/ns/office/sa/reporter',
    ip: '10.244.1.5',
    workload: 'Kubernetes//Pod/office/reporter',
  },
  dst: {
    ip: '10.244.2.3',
    port: 8080,
    service: 'shop/cart.shop.svc.cluster.local',
    workload: 'Kubernetes//Pod/shop/cart-1',
  },
  verdict: 'deny',
  because: 'ALLOW policies apply and none of them matches',
  considered: ['shop/web-may'],
  nearestMiss: {
    policy: 'shop/web-may',
    rule: 0,
    field: 'principals',
    wanted: 'cluster.local/ns/shop/sa/web',
    got: 'cluster.local/ns/office/sa/reporter',
  },
};

/** A mesh of ztunnels, each with what it answers to the question for a receipt: a receipt, none, or that it can not be reached. */
function ztunnels(answers: Readonly<Record<string, object | 'none' | Error>>): Partial<Cluster> {
  return {
    list: async () =>
      Object.keys(answers).map((node) => ({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: `ztunnel-${node}`, namespace: 'istio-system' },
        spec: { nodeName: node },
      })),
    podHttp: async ({ name }, port, path) => {
      assert.deepEqual([port, path], [15_000, `/receipts?id=${ID}`]);
      const answer = answers[name.replace('ztunnel-', '')];
      if (answer instanceof Error) throw answer;
      if (answer === 'none') throw new HttpStatusError(404, 'not here');
      return JSON.stringify(answer);
    },
  };
}

test('a receipt is found where it is, and explained', async () => {
  const cluster = ztunnels({ 'node-1': 'none', 'node-2': RECEIPT });
  const { code, out, err } = await ambit(['why', '--receipt', ID.toLowerCase()], { cluster });
  assert.equal(code, 1);
  assert.equal(err, '');
  assert.equal(
    out,
    `receipt ${ID}: DENIED
On 2026-11-28T10:00:00.000Z, by the ztunnel of node node-2.

  caller      office/reporter at 10.244.1.5
  identity    spiffe://cluster.local/ns/office/sa/reporter
  service     shop/cart.shop.svc.cluster.local
  endpoint    shop/cart-1 at 10.244.2.3 port 8080
x policy      ALLOW policies apply and none of them matches
              considered: shop/web-may
              closest: shop/web-may, rule 0, wants principals cluster.local/ns/shop/sa/web, and this is cluster.local/ns/office/sa/reporter

Next:
  - if this should be allowed, add cluster.local/ns/office/sa/reporter to principals in AuthorizationPolicy shop/web-may, spec.rules[0]
  - policies may have changed since; what holds now: ambit why pod/reporter.office pod/cart-1.shop:8080
`,
  );
});

test('a receipt that nobody has is unknown, and nodes that did not answer are named', async () => {
  const cluster = ztunnels({ 'node-1': 'none', 'node-2': new CliError('pod is not running') });
  const { code, out } = await ambit(['why', '--receipt', ID], { cluster });
  assert.equal(code, 2);
  assert.equal(
    out,
    `receipt ${ID}: UNKNOWN
1 of 2 nodes answered, and it has no receipt with this id: it is mistyped, or so old that newer ones took its place.
Node node-2 did not answer: pod is not running
`,
  );
  const json = await ambit(['why', '--receipt', ID, '-o', 'json'], { cluster });
  assert.deepEqual(JSON.parse(json.out), { asked: 2, silent: [{ node: 'node-2', reason: 'pod is not running' }] });
});

test('what a dry run would have denied was allowed', async () => {
  const cluster = ztunnels({ 'node-1': { ...RECEIPT, verdict: 'dry-run-deny' }, 'node-2': new CliError('gone') });
  const { code, out, err } = await ambit(['why', '--receipt', ID], { cluster });
  assert.equal(code, 0);
  assert.match(out, /allowed, and WOULD BE DENIED by a dry run/);
  assert.equal(err, 'node node-2 did not answer: gone\n');
});

test('a mesh without ztunnels is no answer', async () => {
  const { code, err } = await ambit(['why', '--receipt', ID], { cluster: ztunnels({}) });
  assert.equal(code, 3);
  assert.match(err, /no ztunnel runs in namespace istio-system/);
});
