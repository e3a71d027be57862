/** A ztunnel as shipped: pods captured by the real rules, fed by a control plane and a node agent, policies in scope, metrics and access log on. */
import { closeSync, mkdtempSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Implementation } from '../../test/ztunnel/support/implementation.ts';
import { MeshWorld } from '../../test/ztunnel/support/mesh-world.ts';
import { authorization, identityOf, match } from '../../test/ztunnel/support/resources.ts';
import { startServer } from '../load.ts';
import {
  CIPHER_SUITE,
  calmTimeWait,
  type Found,
  type Peer,
  type PeerContext,
  type Running,
  ZTUNNEL_SUITE,
} from './peer.ts';
import { versionOf } from './sidecars.ts';

const OURS: Pick<Implementation, 'name' | 'command' | 'args'> = {
  name: 'ours',
  command: process.execPath,
  args: [
    '--disable-warning=ExperimentalWarning',
    '--disable-sigusr1',
    '--expose-gc',
    '--max-semi-space-size=4',
    join(import.meta.dirname, '../../dist/ztunnel/main.js'),
  ],
};

/** How many ALLOW policies the server's pod has in scope; one of them lets the callers in. */
const POLICIES = 5;

export type MeshRunning = Running & { readonly world: MeshWorld };
export const isMesh = (running: Running): running is MeshRunning => 'world' in running;
type Env = Readonly<Record<string, string>>;
/** `env`: on top of how the ztunnels are started otherwise. */
export type MeshPeer = Peer & { startMesh(context: PeerContext, env?: Env): Promise<MeshRunning> };

export function ambit(hbone: 'plane' | 'http2' | undefined): MeshPeer {
  const env = { AMBIT_HBONE_SUITES: CIPHER_SUITE, ...(hbone && { AMBIT_HBONE: hbone }) };
  return meshPeer({
    name: 'ambit',
    version: `node ${process.version}`,
    cipherSuite: CIPHER_SUITE,
    implementation: OURS,
    env,
  });
}

export function findZtunnel(path: string | undefined): Found | MeshPeer {
  const name = 'ztunnel';
  if (path === undefined) return { name, skipped: 'no --ztunnel PATH' };
  const version = versionOf(path, ['version']);
  if (version === undefined) return { name, skipped: `${path} does not tell its version` };
  return meshPeer({
    name,
    version,
    cipherSuite: ZTUNNEL_SUITE,
    implementation: { name: 'reference', command: path, args: [] },
    env: {},
  });
}

type MeshPeerOptions = {
  readonly name: string;
  readonly version: string;
  readonly cipherSuite: string;
  readonly implementation: Implementation;
  readonly env: Env;
};

function meshPeer(o: MeshPeerOptions): MeshPeer {
  const startMesh = (context: PeerContext, env: Env = {}) => start({ ...o, env: { ...o.env, ...env } }, context);
  return {
    name: o.name,
    version: o.version,
    cipherSuite: o.cipherSuite,
    start: (context) => startMesh(context),
    startMesh,
  };
}

async function start(o: MeshPeerOptions, { programs, scratch }: PeerContext): Promise<MeshRunning> {
  await using stack = new AsyncDisposableStack();
  const log = join(mkdtempSync(join(scratch, `${o.name}-`)), 'ztunnel.log');
  closeSync(openSync(log, 'a'));
  const logged = loggedTo(log, o.implementation);
  const world = stack.use(await MeshWorld.create({ a: logged, b: logged, env: o.env }));
  const hosts = (['client', 'near', 'server', 'other'] as const).map((name) => world.host(name));
  await Promise.all([...hosts, world.node('a').host, world.node('b').host].map(calmTimeWait));
  for (let i = 0; i < POLICIES; i++) world.plane.setAuthorization(allowPolicy(i));
  await world.applied();
  for (const name of ['server', 'near'] as const) stack.use(await startServer(programs, world.host(name)));
  const kept = stack.move();
  return {
    world,
    client: world.host('client'),
    target: world.host('server').ip4,
    pids: [world.a.pid, world.b.pid],
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The last one lets the pods in, the others somebody else. */
function allowPolicy(i: number) {
  const accounts = i === POLICIES - 1 ? ['client', 'near'] : [`stranger-${i}`];
  const principals = accounts.map((account) => ({
    kind: 'exact' as const,
    value: identityOf(account).replace('spiffe://', ''),
  }));
  return authorization({ name: `allow-${i}`, matches: [match({ principals })] });
}

/** Its log goes to a file, written as in production but read by nobody: reading it would be work of ours on the same cores. */
function loggedTo(file: string, implementation: Implementation): Implementation {
  const { name, command, args } = implementation;
  return { name, command: '/bin/sh', args: ['-c', 'exec "$@" >>"$0" 2>&1', file, command, ...args] };
}
