import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CIPHER_SUITE, type Found } from './peer.ts';
import { type Command, PORTS, startSidecars, versionOf } from './sidecars.ts';

/** Where Debian keeps the stream module, which is not built in there. */
const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

const configure: Command = ({ role, dir, serverIp, certFile, keyFile, rootFile }) => {
  const tls = (prefix: string) =>
    `${prefix}_certificate ${certFile}; ${prefix}_certificate_key ${keyFile}; ${prefix}_protocols TLSv1.3; ${prefix}_conf_command Ciphersuites ${CIPHER_SUITE};`;
  const servers = PORTS.map((port) =>
    role === 'client'
      ? // It verifies names only together with the chain, and a workload has no DNS name: nginx checks less here than all others.
        `server { listen 127.0.0.1:${port.app}; proxy_pass ${serverIp}:${port.tls}; proxy_ssl on; ${tls('proxy_ssl')} }`
      : `server { listen ${port.tls} ssl; proxy_pass 127.0.0.1:${port.app}; ssl_verify_client on; ssl_client_certificate ${rootFile}; ${tls('ssl')} }`,
  );
  const file = join(dir, 'nginx.conf');
  const lines = [
    existsSync(STREAM_MODULE) ? `load_module ${STREAM_MODULE};` : '',
    'user root;',
    'daemon off;',
    'worker_processes auto;',
    `pid ${join(dir, 'nginx.pid')};`,
    `error_log ${join(dir, 'error.log')};`,
    'events { worker_connections 30000; }',
    'stream {',
    'tcp_nodelay on;',
    'proxy_timeout 1h;',
    'proxy_half_close on;',
    ...servers,
    '}',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return { command: 'nginx', args: ['-c', file, '-p', dir] };
};

export function findNginx(): Found {
  const name = 'nginx';
  const version = versionOf('nginx', ['-v']);
  if (version === undefined) return { name, skipped: 'no nginx on the PATH (Debian: nginx, libnginx-mod-stream)' };
  return { name, version, cipherSuite: CIPHER_SUITE, start: (context) => startSidecars(name, context, configure) };
}
