/**
 * The waypoint's data plane as a process of its own, for measurements: `ambit-proxy.ts plain|hbone DIR`. DIR has `objects.yaml` (what is
 * derived and told to it) and, for `hbone`, `key.pem`, `chain.pem`, `root.pem`. `plain` takes HTTP without a tunnel on PORT for AUTHORITY.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { type ConnectRequest, type TlsMaterial, tcpLeg } from '../../core/hbone/index.ts';
import { listenTcp, type TcpConnection, TcpListener } from '../../core/net/index.ts';
import { createLogger, Registry } from '../../core/telemetry/index.ts';
import { ADDRESS_TYPE, encodeAddress, encodeWaypoint, WAYPOINT_TYPE } from '../../core/xds/index.ts';
import {
  type Address,
  addressKey,
  DEFAULT_MESH_CONFIG,
  Deriver,
  type KubeObject,
  mustParseIp,
  parseSpiffeId,
} from '../../mesh/index.ts';
import { parseConfig } from '../../waypoint/config.ts';
import { type Plane, startPlane } from '../../waypoint/plane.ts';
import { CIPHER_SUITE } from '../peers/peer.ts';

const [mode = '', dir = ''] = process.argv.slice(2);
const { env } = process;
const objects = parseAllDocuments(readFileSync(join(dir, 'objects.yaml'), 'utf8')).map(
  (document) => document.toJS() as KubeObject,
);
const config = parseConfig({
  env: { POD_NAME: 'w', POD_NAMESPACE: 'shop', SERVICE_ACCOUNT: 'waypoint', INSTANCE_IP: '127.0.0.1', ...env },
  readFile: () => undefined,
});

function material(): TlsMaterial {
  const pem = (name: string) => readFileSync(join(dir, name), 'utf8');
  const [notBefore, notAfter] = [new Date(Date.now() - 60_000), new Date(Date.now() + 3_600_000)];
  const identity = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/waypoint');
  return {
    identity,
    key: pem('key.pem'),
    chain: pem('chain.pem'),
    roots: pem('root.pem'),
    notBefore,
    notAfter,
    serial: '1',
    suites: [CIPHER_SUITE],
  };
}
const own = mode === 'hbone' ? material() : undefined;

const deriver = new Deriver(DEFAULT_MESH_CONFIG);
const addressesOf = (name: string): readonly Address[] =>
  [...deriver.addresses.values()].filter(
    (a) => addressKey(a) === name || (a.kind === 'workload' && a.workload.services.has(name)),
  );
const registry = new Registry();
const plane: Plane = startPlane({
  config,
  log: createLogger({
    format: 'plain',
    level: env['LOG'] ?? 'info',
    root: 'waypoint',
    write: (line) => void process.stderr.write(line),
  }),
  registry,
  material: async () => own ?? Promise.reject(new Error('no tunnels here')),
  demand: async (name) => {
    const upserted = addressesOf(name).map((a) => ({ name: addressKey(a), version: '', bytes: encodeAddress(a) }));
    plane.told.onUpdate(ADDRESS_TYPE, { upserted, removed: [] });
  },
  release: () => {},
});
const { waypoints } = deriver.applyAll(objects);
const upserted = waypoints.upserted.map((r) => ({ name: r.name, version: '', bytes: encodeWaypoint(r) }));
const rejected = plane.told.onUpdate(WAYPOINT_TYPE, { upserted, removed: [] });
if (rejected.length > 0) throw new Error(JSON.stringify(rejected));

plane.open();
if (mode === 'plain') {
  const peer = parseSpiffeId('spiffe://cluster.local/ns/web/sa/client');
  const authority = env['AUTHORITY'] ?? '';
  const to = { ip: mustParseIp('127.0.0.1'), port: 15_008 };
  const never = new AbortController().signal;
  const accept = (connection: TcpConnection) => {
    const from = { ip: mustParseIp('127.0.0.1'), port: connection.remote.port };
    const request: ConnectRequest = {
      peer,
      from,
      to,
      authority,
      headers: new Map(),
      respond: () => tcpLeg(connection),
      refuse: () => connection.reset(),
      closed: never,
      isClosed: false,
      revoked: undefined,
    };
    void plane.serve(request);
  };
  new TcpListener(listenTcp({ ip: '127.0.0.1', port: Number(env['PORT']) }), accept, {
    perTurn: 64,
    onError: console.error,
  });
}
console.log(`serving ${plane.port}`);
