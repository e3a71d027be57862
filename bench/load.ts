/** The load programs: compiled once for a run, started in the hosts' namespaces. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { spawnInNetns } from '../core/net/index.ts';
import { endWithUs } from '../test/support/leftovers.ts';
import type { TestHost } from '../test/support/netns.ts';

export const SINK_PORT = 9001;
export const ECHO_PORT = 9002;
/** Far above what any mode takes: a proxy that hangs ends the measurement, not the run. */
const GRACE_MS = 30_000;

export type Mode = 'stream' | 'rr' | 'crr';
/** `count`: bytes of a stream, else exchanges; percentiles in microseconds. */
export type Load = {
  readonly count: number;
  readonly failed: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
};

export type Programs = { readonly client: string; readonly server: string };

/** Why there can be no load here, or undefined. */
export function withoutCompiler(): string | undefined {
  return spawnSync('cc', ['--version']).status === 0 ? undefined : 'no C compiler (cc) for the load programs';
}

/** Compiles into `dir`. Throws with the compiler's words. */
export function compile(dir: string): Programs {
  const program = (name: string) => {
    const out = join(dir, name);
    const source = join(import.meta.dirname, 'load', `${name}.c`);
    const { status, stderr } = spawnSync('cc', ['-O2', '-pthread', '-o', out, source], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`cc ${name}.c: ${stderr}`);
    return out;
  };
  return { client: program('client'), server: program('server') };
}

/** A sink and an echo on a host, until disposed. */
export async function startServer(programs: Programs, host: TestHost): Promise<Disposable> {
  const child = spawnInNetns(host.netns, programs.server, [String(SINK_PORT), String(ECHO_PORT)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  endWithUs(child);
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the load server has ended with ${code}`)));
  });
  return { [Symbol.dispose]: () => void child.kill('SIGKILL') };
}

export type LoadOptions = {
  readonly mode: Mode;
  readonly ip: string;
  readonly seconds: number;
  readonly connections: number;
  /** Its threads share the processor with others as one, as those of a pod do: else many of them are most of what runs. */
  readonly isPod?: boolean;
};

/** Runs the load from a host. Rejects when anything failed: a proxy that refuses must not look fast. */
export async function load(programs: Programs, host: TestHost, o: LoadOptions): Promise<Load> {
  const port = o.mode === 'stream' ? SINK_PORT : ECHO_PORT;
  const deadline = Math.ceil(o.seconds + GRACE_MS / 1000);
  // A session is a group to the scheduler (sched(7), autogroup).
  const command = `${o.isPod ? 'setsid --wait ' : ''}timeout ${deadline} ${programs.client} ${o.ip} ${port} ${o.mode} ${o.seconds} ${o.connections}`;
  const result = JSON.parse(await host.exec(command)) as Load;
  if (result.failed > 0 || result.count === 0) {
    throw new Error(`${o.mode} with ${o.connections}: ${result.failed} failed, ${result.count} went through`);
  }
  return result;
}

/** Opens connections, each tried once, and keeps them until disposed. */
export async function hold(programs: Programs, host: TestHost, ip: string, connections: number): Promise<Disposable> {
  const args = [ip, String(ECHO_PORT), 'hold', '0', String(connections)];
  const child = spawnInNetns(host.netns, programs.client, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  endWithUs(child);
  const said = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (line: Buffer) => resolve(line.toString()));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the load client has ended with ${code}`)));
  });
  const { failed } = JSON.parse(said) as { readonly failed: number };
  if (failed > 0) {
    child.kill('SIGKILL');
    throw new Error(`${failed} of ${connections} connections failed`);
  }
  return { [Symbol.dispose]: () => void child.kill('SIGKILL') };
}
