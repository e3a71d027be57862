/**
 * Envoy as an HTTP proxy with a route, an RBAC filter and a log; for `hbone` as the waypoints of Istio are built of it: one listener ends
 * the tunnel, an inner one has the HTTP, another inner one opens the tunnel to the pod.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { API, address, cluster, envoyProgram, type TlsFiles, tls, tunnelled } from '../peers/envoy.ts';
import { type Configure, denied, type Job, prefixes } from './job.ts';

const HCM = 'envoy.filters.network.http_connection_manager';
const inner = (server_listener_name: string) => ({ envoy_internal_address: { server_listener_name } });
const ROUTER = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': `${API}.extensions.filters.http.router.v3.Router` },
};
const CONNECT = 'CONNECT';

function manager(stat_prefix: string, routes: readonly object[], more: object = {}) {
  const typed_config = {
    '@type': `${API}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix,
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    http_filters: [ROUTER],
    ...more,
  };
  return { name: HCM, typed_config };
}

function httpFilters(job: Job) {
  const policies = denied(job).map((prefix, i) => {
    const permissions = [{ url_path: { path: { prefix } } }];
    return [`policy-${i}`, { permissions, principals: [{ any: true }] }] as const;
  });
  const rbac = {
    '@type': `${API}.extensions.filters.http.rbac.v3.RBAC`,
    rules: { action: 'DENY', policies: Object.fromEntries(policies) },
  };
  return [{ name: 'envoy.filters.http.rbac', typed_config: rbac }, ROUTER];
}

function http(job: Job) {
  const routes = prefixes(job).map((prefix) => ({ match: { prefix }, route: { cluster: 'cart', timeout: '0s' } }));
  const log = {
    '@type': `${API}.extensions.access_loggers.file.v3.FileAccessLog`,
    path: join(job.dir, 'access.log'),
  };
  const access_log = [{ name: 'envoy.access_loggers.file', typed_config: log }];
  return manager('http', routes, { access_log, http_filters: httpFilters(job) });
}

function tunnelEnds(job: Job) {
  const own: TlsFiles = {
    certFile: join(job.dir, 'chain.pem'),
    keyFile: join(job.dir, 'key.pem'),
    rootFile: join(job.dir, 'root.pem'),
  };
  const route = {
    match: { connect_matcher: {} },
    route: { cluster: 'main', timeout: '0s', upgrade_configs: [{ upgrade_type: CONNECT, connect_config: {} }] },
  };
  const terminate = manager('terminate', [route], {
    codec_type: 'HTTP2',
    http2_protocol_options: { allow_connect: true },
    upgrade_configs: [{ upgrade_type: CONNECT }],
  });
  const originate = {
    '@type': `${API}.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: 'originate',
    cluster: 'tunnel',
    tunneling_config: { hostname: `${job.podIp}:${job.upstream}` },
  };
  const chain = { transport_socket: tls(own, 'DownstreamTlsContext'), filters: [terminate] };
  return {
    listeners: [
      { name: 'terminate', address: address('127.0.0.1', job.port), filter_chains: [chain] },
      { name: 'main', internal_listener: {}, filter_chains: [{ filters: [http(job)] }] },
      {
        name: 'originate',
        internal_listener: {},
        filter_chains: [{ filters: [{ name: 'envoy.filters.network.tcp_proxy', typed_config: originate }] }],
      },
    ],
    clusters: [
      cluster('main', inner('main')),
      cluster('cart', inner('originate')),
      cluster('tunnel', address(job.podIp, 15_008), tunnelled(own)),
    ],
  };
}

const plain = (job: Job) => ({
  listeners: [{ name: 'http', address: address('127.0.0.1', job.port), filter_chains: [{ filters: [http(job)] }] }],
  clusters: [cluster('cart', address('127.0.0.1', job.upstream))],
});

export const envoyL7: Configure = (job) => {
  const file = join(job.dir, 'envoy.json');
  const internal = { '@type': `${API}.extensions.bootstrap.internal_listener.v3.InternalListener` };
  const bootstrap = {
    static_resources: job.mode === 'hbone' ? tunnelEnds(job) : plain(job),
    bootstrap_extensions: [{ name: 'envoy.bootstrap.internal_listener', typed_config: internal }],
  };
  writeFileSync(file, JSON.stringify(bootstrap));
  const args = ['--disable-hot-restart', '--concurrency', '1', '--log-level', 'warning', '--config-path', file];
  return { command: envoyProgram(), args };
};
