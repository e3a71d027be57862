/** A peer that knows no pods: two hosts on one link, a proxy in each, TLS with client certificates between them. */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnInNetns } from '../../core/net/index.ts';
import { TestCa } from '../../test/support/certificates.ts';
import { endWithUs } from '../../test/support/leftovers.ts';
import { eventually, type TestHost, TestNet } from '../../test/support/netns.ts';
import { familyOf } from '../cpu.ts';
import { ECHO_PORT, SINK_PORT, startServer } from '../load.ts';
import { calmTimeWait, type PeerContext, type Running } from './peer.ts';

/** The applications' ports, and behind which port of the server's proxy each is reached. */
export const PORTS = [SINK_PORT, ECHO_PORT].map((app) => ({ app, tls: app + 10_000 }));

const MAX_SAID_CHARS = 600;

export type Side = {
  readonly role: 'client' | 'server';
  readonly dir: string;
  /** Address of the server's proxy. */
  readonly serverIp: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Certificate and key in one file. */
  readonly bothFile: string;
  readonly rootFile: string;
};
/** Writes what it needs into `side.dir` and says what to run; it stays in the foreground. */
export type Command = (side: Side) => { readonly command: string; readonly args: readonly string[] };

export async function startSidecars(
  name: string,
  context: PeerContext,
  command: Command | undefined,
): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const dir = mkdtempSync(join(context.scratch, `${name}-`));
  const net = stack.use(await TestNet.create({ hosts: { client: {}, server: {} } }));
  const [client, server] = [net.host('client'), net.host('server')];
  await Promise.all([client, server].map(calmTimeWait));
  stack.use(await startServer(context.programs, server));
  const started: number[] = [];
  if (command !== undefined) {
    const ca = await TestCa.create();
    for (const host of [server, client]) {
      const side = await prepare(dir, host.name as Side['role'], server.ip4, ca);
      started.push(spawnLogged(host, side.dir, command(side), stack));
    }
  }
  const isRedirected = context.captured && command !== undefined;
  if (isRedirected) await Promise.all([client, server].map((host) => redirect(host, server.ip4)));
  const target = command === undefined || isRedirected ? server.ip4 : '127.0.0.1';
  await answers(client, target).catch((error: Error) => {
    throw new Error(`${error.message}; they said: ${saidIn(dir)}`);
  });
  const pids = started.flatMap(familyOf);
  const kept = stack.move();
  return { client, target, pids, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/**
 * What the rules of a pod do to every packet (`cni/redirect/plan.ts`), for a proxy that listens where its application is
 * called: connections to the server end at the proxy beside the client, and both hosts keep track of them.
 */
async function redirect(host: TestHost, serverIp: string): Promise<void> {
  const ports = PORTS.map(({ app }) => app).join(', ');
  const rules = [
    'add table inet sidecar',
    'add chain inet sidecar nat { type nat hook output priority -100; }',
    `add rule inet sidecar nat ip daddr ${serverIp} tcp dport { ${ports} } counter redirect`,
    'add chain inet sidecar in { type filter hook prerouting priority -150; }',
    'add rule inet sidecar in meta mark and 0xfff == 0x539 counter ct mark set 0x111',
    'add chain inet sidecar out { type route hook output priority -150; }',
    'add rule inet sidecar out ct mark and 0xfff == 0x111 counter meta mark set ct mark',
  ];
  await host.exec('nft -f -', `${rules.join('\n')}\n`);
}

async function prepare(dir: string, role: Side['role'], serverIp: string, ca: TestCa): Promise<Side> {
  const own = join(dir, role);
  mkdirSync(own);
  const { key, chain, roots } = await ca.material(ca.id('shop', role));
  const file = (name: string, text: string) => {
    const path = join(own, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  return {
    role,
    dir: own,
    serverIp,
    certFile: file('cert.pem', chain),
    keyFile: file('key.pem', key),
    bothFile: file('both.pem', `${chain}${key}`),
    rootFile: file('root.pem', roots),
  };
}

function spawnLogged(host: TestHost, dir: string, run: ReturnType<Command>, stack: AsyncDisposableStack): number {
  const log = openSync(join(dir, 'output.log'), 'a');
  try {
    const child = spawnInNetns(host.netns, run.command, run.args, { stdio: ['ignore', log, log] });
    endWithUs(child);
    if (child.pid === undefined) throw new Error(`${run.command} did not start`);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    stack.defer(async () => {
      child.kill('SIGTERM'); // a master takes its workers with it
      const patience = setTimeout(() => child.kill('SIGKILL'), 3000);
      await ended;
      clearTimeout(patience);
    });
    return child.pid;
  } finally {
    closeSync(log);
  }
}

/** The end of what both proxies said. */
function saidIn(dir: string): string {
  return (['client', 'server'] as const)
    .map((role) => join(dir, role, 'output.log'))
    .map((file) => (existsSync(file) ? readFileSync(file, 'utf8').slice(-MAX_SAID_CHARS) : ''))
    .join(' ')
    .trim();
}

/** Resolves once a byte comes back from the far side of the proxies. */
async function answers(client: TestHost, ip: string): Promise<void> {
  const once = async () => {
    const socket = await client.dial({ ip, port: ECHO_PORT }, { timeoutMs: 1000 });
    try {
      return await new Promise<boolean>((resolve) => {
        socket.once('data', () => resolve(true));
        socket.once('error', () => resolve(false));
        socket.once('close', () => resolve(false));
        socket.setTimeout(1000, () => resolve(false));
        socket.resume();
        socket.write('?');
      });
    } finally {
      socket.destroy();
    }
  };
  await eventually('the proxies answer', () => once().catch(() => false), 10_000);
}

/** First line of what a program says of its version; undefined when there is no such program. */
export function versionOf(command: string, args: readonly string[]): string | undefined {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) return undefined;
  return `${stdout}${stderr}`
    .split('\n')
    .find((line) => line.trim() !== '')
    ?.trim();
}
