/** The processes of the comparison: one application, one pair of tunnel ends for all proxies, and the proxies, all on loopback. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { connectTcp } from '../../core/net/index.ts';
import { TestCa } from '../../test/support/certificates.ts';
import { endWithUs } from '../../test/support/leftovers.ts';
import { eventually } from '../../test/support/netns.ts';
import { familyOf } from '../cpu.ts';
import { AUTHORITY } from './ambit.ts';
import type { Configure, Job } from './job.ts';

const MAX_SAID_CHARS = 600;
const START_MS = 15_000;

export type StartedProxy = AsyncDisposable & {
  /** Where the load goes. */
  readonly portOf: (version: 1 | 2) => number;
  /** Of the proxy alone. */
  readonly pids: readonly number[];
};
type Asked = Pick<Job, 'mode' | 'routes' | 'policies'>;

export class Stand implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #dir: string;
  readonly #ca: TestCa;
  readonly #upstream: number;
  readonly #podIp: string;
  readonly #tunnels: ChildProcess;

  private constructor(of: {
    readonly stack: AsyncDisposableStack;
    readonly dir: string;
    readonly ca: TestCa;
    readonly upstream: number;
    readonly podIp: string;
    readonly tunnels: ChildProcess;
  }) {
    this.#stack = of.stack;
    this.#dir = of.dir;
    this.#ca = of.ca;
    this.#upstream = of.upstream;
    this.#podIp = of.podIp;
    this.#tunnels = of.tunnels;
  }

  static async create(scratch: string): Promise<Stand> {
    await using stack = new AsyncDisposableStack();
    const dir = mkdtempSync(join(scratch, 'l7-'));
    const ca = await TestCa.create();
    for (const account of ['cart', 'caller']) await identify(ca, join(dir, account), account);
    const { said: upstream } = await forked('upstream.ts', [], stack);
    const podIp = `127.${byte()}.${byte()}.${byte()}`; // all of 127/8 is loopback: nobody else's port 15008
    const { child: tunnels } = await forked('tunnels.ts', [dir, podIp, String(upstream)], stack);
    return new Stand({ stack: stack.move(), dir, ca, upstream, podIp, tunnels });
  }

  /** @throws Error with what the proxy said when it does not listen in time. */
  async start(name: string, configure: Configure, asked: Asked): Promise<StartedProxy> {
    await using stack = new AsyncDisposableStack();
    const dir = mkdtempSync(join(this.#dir, `${name}-`));
    await identify(this.#ca, dir, 'waypoint');
    const [port, http2Port] = [await freePort(), await freePort()];
    const program = configure({ ...asked, dir, port, http2Port, upstream: this.#upstream, podIp: this.#podIp });
    const output = join(dir, 'output.log');
    const log = openSync(output, 'a');
    const env = { ...process.env, ...program.env };
    const child = spawn(program.command, program.args, { stdio: ['ignore', log, log], env });
    closeSync(log);
    if (child.pid === undefined) throw new Error(`${program.command} did not start`);
    ended(child, stack);
    const listening = await eventually(
      `${name} listens`,
      async () => {
        if (child.exitCode !== null) throw new Error(`${name} ended`);
        const said = program.serving?.exec(readFileSync(output, 'utf8'))?.[1];
        if (program.serving !== undefined && said === undefined) return undefined;
        const at = asked.mode === 'hbone' && said !== undefined ? Number(said) : port;
        return (await accepts(at)) ? at : undefined;
      },
      START_MS,
    ).catch((error: Error) => {
      throw new Error(`${error.message}; it said: ${readFileSync(output, 'utf8').slice(-MAX_SAID_CHARS)}`);
    });
    const entry = asked.mode === 'hbone' ? await this.#tunnelTo(listening) : listening;
    const pids = familyOf(child.pid);
    const kept = stack.move();
    return {
      portOf: (version) => (version === 2 ? (program.http2Port ?? entry) : entry),
      pids,
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  }

  async #tunnelTo(to: number): Promise<number> {
    const answer = once(this.#tunnels, 'message');
    this.#tunnels.send({ to, authority: AUTHORITY });
    const [port] = (await answer) as [number];
    return port;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

const accepts = (port: number): Promise<boolean> =>
  connectTcp({ to: { ip: '127.0.0.1', port } }).then(
    (connection) => {
      connection.reset();
      return true;
    },
    () => false,
  );

const byte = () => 1 + Math.floor(Math.random() * 254);

async function identify(ca: TestCa, dir: string, account: string): Promise<void> {
  mkdirSync(dir, { recursive: true });
  const { key, chain, roots } = await ca.material(ca.id('shop', account));
  writeFileSync(join(dir, 'key.pem'), key, { mode: 0o600 });
  writeFileSync(join(dir, 'chain.pem'), chain);
  writeFileSync(join(dir, 'root.pem'), roots);
}

async function forked(file: string, args: readonly string[], stack: AsyncDisposableStack) {
  const child = fork(join(import.meta.dirname, file), args, { execArgv: process.execArgv });
  ended(child, stack);
  const [said] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error(`${file} ended`))),
  ])) as [number];
  return { child, said };
}

function ended(child: ChildProcess, stack: AsyncDisposableStack): void {
  endWithUs(child);
  const gone = new Promise((resolve) => child.once('exit', resolve));
  stack.defer(async () => {
    child.kill('SIGTERM'); // a master takes its workers with it
    const patience = setTimeout(() => child.kill('SIGKILL'), 3000);
    await gone;
    clearTimeout(patience);
  });
}

/** Free a moment ago: nothing here lets a port be kept for another process. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
