import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { DEFAULT_MESH_CONFIG, meshConfigMapName, readMeshConfig } from '../mesh/index.ts';
import { parseConfig } from './config.ts';
import { Debounce } from './discovery/debounce.ts';

test('the reference names are understood, and all mistakes are told at once', () => {
  const config = parseConfig({
    CA_TRUSTED_NODE_ACCOUNTS: 'istio-system/ztunnel, other/zt',
    DEFAULT_WORKLOAD_CERT_TTL: '12h',
    CLUSTER_ID: 'c1',
  });
  assert.deepEqual([...config.trustedNodeAccounts], ['istio-system/ztunnel', 'other/zt']);
  assert.equal(config.defaultTtlMs, 12 * 3_600_000);
  assert.deepEqual([config.ports.grpc, config.ports.ready, config.ports.monitoring], [15012, 8080, 15014]);
  assert.throws(
    () =>
      parseConfig({
        CA_TRUSTED_NODE_ACCOUNTS: 'ztunnel',
        DEFAULT_WORKLOAD_CERT_TTL: '2h',
        MAX_WORKLOAD_CERT_TTL: '1h',
      }),
    /CA_TRUSTED_NODE_ACCOUNTS="ztunnel": must be namespace\/account; DEFAULT_WORKLOAD_CERT_TTL: is longer/,
  );
});

const run = (env: Record<string, string>) =>
  spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'main.ts')], {
    env: { HOME: '/nonexistent', AMBIT_LOG_LEVEL: 'off', ...env },
    encoding: 'utf8',
    timeout: 20_000,
  });

test('a controller that misses something exits with one clear line', async (t) => {
  const rows: Record<string, [Record<string, string>, RegExp]> = {
    'a malformed setting': [{ AMBIT_GRPC_PORT: 'x' }, /^controller: .*AMBIT_GRPC_PORT="x": .*\n$/],
    'no way to the API server': [{}, /^controller: .*no Kubernetes API.*\n$/],
    'a kubeconfig that does not exist': [
      { KUBECONFIG: '/nonexistent/config' },
      /^controller: .*\/nonexistent\/config: .*\n$/,
    ],
  };
  for (const [name, [env, line]] of Object.entries(rows)) {
    await t.test(name, () => {
      const { status, stderr } = run(env);
      assert.match(stderr, line);
      assert.equal(stderr.split('\n').length, 2);
      assert.equal(status, 1);
    });
  }
});

const surroundings = { clusterId: 'c1', clusterDomain: 'cluster.local', revision: 'default' };
const configMap = (mesh: unknown) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'istio' },
  data: { mesh },
});
const read = (mesh?: unknown) =>
  readMeshConfig(mesh === undefined ? undefined : configMap(mesh), surroundings, 'istio-system');

test('ranges to allocate addresses from are checked at the start', () => {
  const range = (PILOT_IP_AUTOALLOCATE_IPV4_PREFIX: string) =>
    parseConfig({ PILOT_IP_AUTOALLOCATE_IPV4_PREFIX }).allocationRanges.map(
      ({ address, prefix }) => `${address}/${prefix}`,
    );
  assert.deepEqual(range(''), ['240.240.0.0/16', '2001:2::/48']);
  assert.deepEqual(range('10.9.0.0/24'), ['10.9.0.0/24', '2001:2::/48']);
  for (const bad of ['junk', '10.0.0.0/31', 'fd00::/64']) {
    assert.throws(() => range(bad), new RegExp(`PILOT_IP_AUTOALLOCATE_IPV4_PREFIX="${bad}": must be a range of IPv4`));
  }
  assert.deepEqual(parseConfig({ PILOT_ENABLE_IP_AUTOALLOCATE: 'false' }).allocationRanges, []);
});

test('the mesh configuration has defaults, and unknown keys of the reference are tolerated', () => {
  const defaults = {
    trustDomain: 'cluster.local',
    trustDomainAliases: [],
    rootNamespace: 'istio-system',
    network: '',
    discoverySelectors: [],
    serviceEntryVisibility: undefined,
    pathNormalization: 'BASE',
    receiptHeader: false,
    authorizers: [],
    telemetry: DEFAULT_MESH_CONFIG.telemetry,
    ...surroundings,
  };
  assert.deepEqual(read(), defaults);
  assert.deepEqual(read(''), defaults);
  assert.deepEqual(read('enablePrometheusMerge: true\ndefaultConfig: { discoveryAddress: x }'), defaults);
  const own = read('trustDomain: me@corp.example\ntrustDomainAliases: [b, a, b]\nrootNamespace: config');
  assert.deepEqual(
    [own.trustDomain, own.trustDomainAliases, own.rootNamespace],
    ['me.corp.example', ['a', 'b'], 'config'],
  );
});

test('which namespaces count, and who may see ServiceEntries, is read in the words of the reference', () => {
  const rules = read(`
    serviceEntryVisibility:
      defaultVisibility: NAMESPACE
      policies:
        - visibility: PUBLIC
          matchingRules: [{ namespaceSelector: { matchLabels: { trusted: "yes" } } }]`).serviceEntryVisibility;
  const selector = { matchLabels: { trusted: 'yes' }, matchExpressions: [] };
  assert.deepEqual(rules, { default: 'NAMESPACE', policies: [{ visibility: 'PUBLIC', namespaces: [selector] }] });
  assert.deepEqual(read('serviceEntryVisibility: {}').serviceEntryVisibility, { default: 'PUBLIC', policies: [] });
  const bad =
    'serviceEntryVisibility: { policies: [{ visibility: PUBLIC, matchingRules: [{ namespaceSelector: x }] }] }';
  assert.throws(() => read(bad), /policies\.0\.matchingRules\.0\.namespaceSelector: must be a label selector/);
});

test('external authorizers and the normalisation of paths are read in the words of the reference', () => {
  const { authorizers, pathNormalization, receiptHeader } = read(`
    pathNormalization: { normalization: MERGE_SLASHES }
    ambit: { receiptHeader: true }
    extensionProviders:
      - { name: prometheus, prometheus: {} }
      - name: web
        envoyExtAuthzHttp:
          service: authz.shop.svc.cluster.local
          port: 8000
          timeout: 1.5s
          pathPrefix: /check
          failOpen: true
          statusOnError: "503"
          includeRequestHeadersInCheck: [X-Auth, "x-b3-*"]
          includeAdditionalHeadersInCheck: { X-From: waypoint }
          includeRequestBodyInCheck: { maxRequestBytes: 64, allowPartialMessage: true }
          headersToUpstreamOnAllow: ["*-user"]
      - { name: rpc, envoyExtAuthzGrpc: { service: other/authz.example, port: 9000 } }`);
  assert.equal(pathNormalization, 'MERGE_SLASHES');
  assert.equal(receiptHeader, true);
  assert.deepEqual(authorizers, [
    {
      name: 'web',
      service: 'shop/authz.shop.svc.cluster.local',
      port: 8000,
      timeoutMs: 1500,
      failOpen: true,
      statusOnError: 503,
      body: { maxBytes: 64, allowPartial: true, asBytes: false },
      http: {
        pathPrefix: '/check',
        requestHeaders: [
          { kind: 'EXACT', value: 'x-auth' },
          { kind: 'PREFIX', value: 'x-b3-' },
        ],
        additionalHeaders: [{ name: 'x-from', value: 'waypoint' }],
        toUpstreamOnAllow: [{ kind: 'SUFFIX', value: '-user' }],
        toDownstreamOnDeny: [],
        toDownstreamOnAllow: [],
      },
    },
    {
      name: 'rpc',
      service: 'other/authz.example',
      port: 9000,
      timeoutMs: 600_000,
      failOpen: false,
      statusOnError: 403,
      grpc: {},
    },
  ]);
  const broken = 'extensionProviders: [{ name: a, envoyExtAuthzGrpc: { service: x, port: 0, timeout: soon } }]';
  assert.throws(
    () => read(broken),
    /extensionProviders\.0\.envoyExtAuthzGrpc\.port: .*; .*timeout: must be a duration/,
  );
});

test('a broken mesh configuration is one clear error', () => {
  assert.throws(() => read('trustDomain: ['), /ConfigMap istio-system\/istio, key mesh: not YAML/);
  assert.throws(() => read('trustDomain: Upper/Slash'), /key mesh: trustDomain: must be/);
  assert.throws(() => read('rootNamespace: 5'), /key mesh: rootNamespace: /);
  assert.throws(() => read('- a'), /key mesh: /);
});

test('a revision has a configuration of its own', () => {
  assert.deepEqual(['', 'default', 'canary'].map(meshConfigMapName), ['istio', 'istio', 'istio-canary']);
});

test('changes are gathered until it is quiet, but never longer than the maximum', () => {
  let time = 0;
  let timer: { at: number; callback: () => void } | undefined;
  const acted: [number, number][] = [];
  const timers = {
    now: () => time,
    after: (ms: number, callback: () => void) => {
      const own = { at: time + ms, callback };
      timer = own;
      return () => {
        if (timer === own) timer = undefined;
      };
    },
  };
  const debounce = new Debounce({ quietMs: 100, maxMs: 250, timers, act: (waited) => acted.push([time, waited]) });
  const advance = (to: number): void => {
    while (timer !== undefined && timer.at <= to) {
      const { at, callback } = timer;
      timer = undefined;
      time = at;
      callback();
    }
    time = to;
  };
  debounce.touch();
  advance(99);
  assert.deepEqual(acted, []);
  advance(100);
  assert.deepEqual(acted, [[100, 100]]);
  for (const at of [1000, 1080, 1160, 1240]) {
    advance(at);
    debounce.touch();
  }
  advance(2000);
  assert.deepEqual(acted.slice(1), [[1250, 250]]);
  debounce.touch();
  debounce[Symbol.dispose]();
  advance(3000);
  assert.equal(acted.length, 2);
});
