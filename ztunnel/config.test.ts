import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Env } from '../core/config/index.ts';
import { parseConfig } from './config.ts';
import { nodeInfo } from './node-info.ts';

const parse = (env: Env, files: Readonly<Record<string, string>> = {}) =>
  parseConfig({ env, readFile: (path) => files[path] });

test('with nothing said, everything has the value of the reference', () => {
  const config = parse({});
  assert.equal(config.mode, 'shared');
  assert.equal(config.xds?.address, 'https://localhost:15012');
  assert.equal(config.ca.address, 'https://localhost:15012');
  assert.deepEqual(config.ca.roots, { kind: 'file', path: './var/run/secrets/istio/root-cert.pem' });
  assert.deepEqual(config.token, { kind: 'none' });
  assert.equal(config.data.mark, 1337);
  assert.deepEqual(config.data.keepAlive, { idleS: 180, intervalS: 180, probes: 9 });
  assert.equal(config.data.originalSource, 'auto');
  assert.equal(config.drainDeadlineMs, 5_000);
  assert.deepEqual([config.adminPort, config.statsPort, config.readinessPort], [15_000, 15_020, 15_021]);
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.data));
});

test('file, PROXY_CONFIG and variables override one another in this order', () => {
  const file =
    'defaultConfig:\n  discoveryAddress: a:1\n  statsPort: 1\n  proxyMetadata: { ISTIO_META_A: "1", B: "1" }\n';
  const files = { './etc/istio/config/mesh': file };
  const inline = JSON.stringify({ discoveryAddress: 'b:2', proxyMetadata: { B: '2', C: '2' } });
  const config = parse({ PROXY_CONFIG: inline, ISTIO_META_C: '3', XDS_ADDRESS: 'c:3' }, files);
  assert.equal(config.xds?.address, 'https://c:3');
  assert.equal(parse({ PROXY_CONFIG: inline }, files).xds?.address, 'https://b:2');
  assert.equal(parse({}, files).xds?.address, 'https://a:1');
  assert.equal(config.statsPort, 1);
  assert.deepEqual(config.proxyMetadata, { A: '1', B: '2', C: '3' });
});

test('in a cluster the control plane is istiod; an empty XDS address is no control plane', () => {
  assert.equal(parse({ KUBERNETES_SERVICE_HOST: '10.96.0.1' }).ca.address, 'https://istiod.istio-system.svc:15012');
  assert.equal(parse({ XDS_ADDRESS: '' }).xds, undefined);
});

test('a token is a file when there is one of that name, and text otherwise', () => {
  const files = { '/t': 'x', './var/run/secrets/tokens/istio-token': 'y' };
  assert.deepEqual(parse({ AUTH_TOKEN: '/t' }, files).token, { kind: 'file', path: '/t' });
  assert.deepEqual(parse({ AUTH_TOKEN: 'abc' }, files).token, { kind: 'text', token: 'abc' });
  assert.deepEqual(parse({}, files).token, { kind: 'file', path: './var/run/secrets/tokens/istio-token' });
});

const DRAINS: readonly (readonly [Env, number])[] = [
  [{ CONNECTION_TERMINATION_DEADLINE: '7s' }, 7_000],
  [{ TERMINATION_GRACE_PERIOD_SECONDS: '30' }, 25_000],
  [{ TERMINATION_GRACE_PERIOD_SECONDS: '10' }, 9_000],
  [{ TERMINATION_GRACE_PERIOD_SECONDS: '1' }, 1_000],
];
for (const [env, wanted] of DRAINS) {
  test(`with ${JSON.stringify(env)} connections have ${wanted} ms to finish`, () => {
    assert.equal(parse(env).drainDeadlineMs, wanted);
  });
}

test('dedicated mode names its workload and marks no packets unless told to', () => {
  const config = parse({ PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/web-0/web' });
  assert.deepEqual(config.workload, { namespace: 'shop', name: 'web-0', serviceAccount: 'web' });
  assert.equal(config.data.mark, undefined);
});

test('every problem is told in one error: bad values, what we do not have, and names that do not exist', () => {
  const env = {
    PROXY_MODE: 'dedicated',
    COMPLIANCE_POLICY: 'fips-140-2',
    XDS_ON_DEMAND: 'true',
    SECRET_TTL: '10s',
    AMBIT_ZTUNNEL_TYPO: '1',
    'XDS_HEADER_A B': 'x',
    PROXY_CONFIG: 'statsPort: many',
  };
  assert.throws(
    () => parse(env),
    (error: Error) => {
      for (const part of [
        /COMPLIANCE_POLICY="fips-140-2": this ztunnel does not have that/,
        /XDS_ON_DEMAND="true"/,
        /SECRET_TTL="10s": the authority signs for 60s or more/,
        /AMBIT_ZTUNNEL_TYPO: no such variable/,
        /XDS_HEADER_A B: "a b" is not a header name/,
        /PROXY_CONFIG: /,
        /PROXY_WORKLOAD_INFO="": dedicated mode needs/,
      ]) {
        assert.match(error.message, part);
      }
      return true;
    },
  );
  assert.throws(() => parse({ PACKET_MARK: 'x', LOCAL_XDS: 'y' }), /LOCAL_XDS.*PACKET_MARK="x"/);
  assert.throws(
    () => parse({ AMBIT_HBONE_SUITES: 'TLS_CHACHA20_POLY1305_SHA256' }),
    /AMBIT_HBONE_SUITES=.*: must be one or more of TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256/,
  );
  assert.equal(parse({ CRL_PATH: '' }).crlPath, undefined);
  assert.equal(parse({ CRL_PATH: '/crl.pem' }).crlPath, '/crl.pem');
  assert.ok(parse({ COMPLIANCE_POLICY: '', TLS12_ENABLED: 'false', ISTIO_META_DNS_CAPTURE: 'false' }));
});

const dnsRows: readonly (readonly [what: string, env: Readonly<Record<string, string>>, expected: string])[] = [
  ['on, on loopback', {}, '127.0.0.1,::1 15053'],
  ['on by name', { ISTIO_META_DNS_CAPTURE: 'TRUE' }, '127.0.0.1,::1 15053'],
  ['off', { ISTIO_META_DNS_CAPTURE: 'false' }, 'off'],
  ['off by what is not true', { ISTIO_META_DNS_CAPTURE: '1' }, 'off'],
  ['off by the mesh', { PROXY_CONFIG: 'proxyMetadata: { ISTIO_META_DNS_CAPTURE: "false" }' }, 'off'],
  [
    'the environment wins',
    { PROXY_CONFIG: 'proxyMetadata: { DNS_CAPTURE: "false" }', ISTIO_META_DNS_CAPTURE: 'true' },
    '127.0.0.1,::1 15053',
  ],
  ['another port', { ISTIO_META_DNS_PROXY_ADDR: 'localhost:53' }, '127.0.0.1,::1 53'],
  ['an address', { ISTIO_META_DNS_PROXY_ADDR: '127.0.0.2:5353' }, '127.0.0.2 5353'],
  ['an address of IPv6', { ISTIO_META_DNS_PROXY_ADDR: '[::1]:5353' }, '::1 5353'],
  ['without IPv6', { IPV6_ENABLED: 'false' }, '127.0.0.1 15053'],
];

for (const [what, env, expected] of dnsRows) {
  test(`the DNS proxy: ${what}`, () => {
    const { dns } = parse(env);
    assert.equal(dns === undefined ? 'off' : `${dns.listen.join()} ${dns.port}`, expected);
  });
}

test('the DNS proxy knows the cluster and which namespace is preferred; a dedicated one searches its own domains', () => {
  const { dns } = parse({
    CLUSTER_DOMAIN: 'K.Example',
    PREFERED_SERVICE_NAMESPACE: 'a',
    PROXY_MODE: 'dedicated',
    PROXY_WORKLOAD_INFO: 'a/b/c',
  });
  assert.equal(dns?.clusterDomain, 'k.example');
  assert.equal(dns?.preferredNamespace, 'a');
  assert.equal(dns?.searchesFile, true);
  assert.equal(parse({}).dns?.searchesFile, false);
});

for (const address of [
  'localhost',
  '15053',
  'dns.example:53',
  '127.0.0.1:0',
  '127.0.0.1:70000',
  '10.0.0.1:53',
  '0.0.0.0:53',
  ':53',
]) {
  test(`the DNS proxy: "${address}" is no address`, () => {
    const env = { ISTIO_META_DNS_PROXY_ADDR: address };
    assert.throws(() => parse(env), {
      message: new RegExp(`DNS_PROXY_ADDR="${address}": must be localhost:PORT or IP:PORT`),
    });
  });
}

test('the node tells its pod, node and metadata; JSON metadata is typed and wins', () => {
  const config = parse({
    POD_NAME: 'z-1',
    POD_NAMESPACE: 'istio-system',
    INSTANCE_IP: '10.0.0.9',
    NODE_NAME: 'n1',
    ISTIO_META_CLUSTER_ID: 'c1',
    ISTIO_METAJSON_LABELS: '{"app":"ztunnel"}',
    ISTIO_METAJSON_BAD: '{',
  });
  assert.equal(config.clusterId, 'c1');
  assert.deepEqual(nodeInfo(config), {
    id: 'ztunnel~10.0.0.9~z-1.istio-system~istio-system.svc.cluster.local',
    metadata: {
      NAME: 'z-1',
      NAMESPACE: 'istio-system',
      INSTANCE_IPS: '10.0.0.9',
      NODE_NAME: 'n1',
      CLUSTER_ID: 'c1',
      LABELS: { app: 'ztunnel' },
    },
  });
  assert.deepEqual(config.warnings, ['ISTIO_METAJSON_BAD: not JSON, left out']);
});
