import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CIPHER_SUITE, type Found } from './peer.ts';
import { type Command, PORTS, startSidecars, versionOf } from './sidecars.ts';

const HEAD = `global
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
`;

const configure: Command = ({ role, dir, serverIp, bothFile, rootFile }) => {
  const verify = `verify required ca-file ${rootFile} crt ${bothFile} ciphersuites ${CIPHER_SUITE} ssl-min-ver TLSv1.3`;
  const proxies = PORTS.map(({ app, tls }) =>
    role === 'client'
      ? `listen to${app}\n  bind 127.0.0.1:${app}\n  server far ${serverIp}:${tls} ssl ${verify}`
      : `listen from${app}\n  bind :${tls} ssl ${verify}\n  server app 127.0.0.1:${app}`,
  );
  const file = join(dir, 'haproxy.cfg');
  writeFileSync(file, `${HEAD}${proxies.join('\n')}\n`);
  return { command: 'haproxy', args: ['-db', '-f', file] };
};

export function findHaproxy(): Found {
  const name = 'haproxy';
  const version = versionOf('haproxy', ['-v']);
  if (version === undefined) return { name, skipped: 'no haproxy on the PATH (Debian: haproxy)' };
  return { name, version, cipherSuite: CIPHER_SUITE, start: (context) => startSidecars(name, context, configure) };
}
