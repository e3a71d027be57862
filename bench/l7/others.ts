/** HAProxy and nginx as HTTP proxies with a route, a denial, a log and statistics; neither speaks HBONE. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Configure } from './job.ts';

export const haproxyL7: Configure = ({ dir, port, upstream }) => {
  const file = join(dir, 'haproxy.cfg');
  const lines = [
    ...['global', 'nbthread 1', 'maxconn 4000', 'log stdout format raw daemon'],
    ...['defaults', 'mode http', 'log global', 'option httplog', 'http-reuse always'],
    ...['timeout connect 5s', 'timeout client 1h', 'timeout server 1h'],
    ...['frontend f', `bind 127.0.0.1:${port}`],
    ...['http-request deny if { path_beg /admin }', 'use_backend b if { path_beg / }'],
    ...['backend b', `server s 127.0.0.1:${upstream}`],
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return { command: 'haproxy', args: ['-db', '-f', file] };
};

export const nginxL7: Configure = ({ dir, port, http2Port, upstream }) => {
  const file = join(dir, 'nginx.conf');
  const http = [
    `access_log ${join(dir, 'access.log')};`,
    'keepalive_requests 100000000; keepalive_timeout 600s;',
    `upstream b { server 127.0.0.1:${upstream}; keepalive 256; keepalive_requests 100000000; }`,
    `server { listen 127.0.0.1:${port}; listen 127.0.0.1:${http2Port} http2;`,
    'location /admin { return 403; }',
    "location / { proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ''; } }",
  ];
  const lines = [
    'daemon off; user root; worker_processes 1;',
    `pid ${join(dir, 'nginx.pid')}; error_log ${join(dir, 'error.log')};`,
    'events { worker_connections 4096; }',
    'http {',
    ...http,
    '}',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return { command: 'nginx', args: ['-c', file, '-p', dir], http2Port };
};
