/**
 * Hosts for tests: network namespaces on one switch, with IPv4 and IPv6, which are gone when the test ends, however it
 * ends. Nothing is added to the machine's own namespace.
 */
import { execFile, execFileSync } from 'node:child_process';
import type { Server, Socket } from 'node:net';
import {
  type DialOptions,
  dialTcp,
  listenTcp,
  NetnsRef,
  type ServeOptions,
  serveFd,
  spawnInNetns,
} from '../../core/net/index.ts';
import { atExit } from './leftovers.ts';

export type HostOptions = {
  /** Default `10.77.0.N`, with N from 1 in the order of the hosts; the prefix is 24. */
  readonly ip4?: string;
  /** Default `fd00:77::N`; the prefix is 64. */
  readonly ip6?: string;
};
export type TestNetOptions = { readonly hosts: Readonly<Record<string, HostOptions>> };

let made = 0;

/** Namespaces that are gone when this is disposed, or with the process. */
function removedAtTheEnd(names: readonly string[]): Disposable {
  const kept = atExit(() => removeAll(names));
  return {
    [Symbol.dispose]: () => {
      kept[Symbol.dispose]();
      removeAll(names);
    },
  };
}

function removeAll(names: readonly string[]): void {
  for (const name of names) {
    try {
      execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
    } catch {
      // Gone already: a second removal is harmless.
    }
  }
}

function ip(args: readonly string[], batch?: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = execFile('ip', args, (error, _out, stderr) =>
    error ? reject(new Error(`ip ${args.join(' ')}: ${stderr}${batch ?? ''}`)) : resolve(),
  );
  child.stdin?.end(batch ?? '');
  return promise;
}

/** One host: a network namespace with `eth0` on the switch. */
export class TestHost {
  readonly name: string;
  /** The name under `/var/run/netns`. */
  readonly netnsName: string;
  readonly netns: NetnsRef;
  readonly ip4: string;
  readonly ip6: string;
  readonly #servers = new Set<Server>();
  readonly #sockets = new Set<Socket>();

  constructor(name: string, netnsName: string, ip4: string, ip6: string) {
    this.name = name;
    this.netnsName = netnsName;
    this.netns = NetnsRef.open(`/var/run/netns/${netnsName}`);
    this.ip4 = ip4;
    this.ip6 = ip6;
  }

  get path(): string {
    return `/var/run/netns/${this.netnsName}`;
  }

  /** Runs a shell command on the host and gives its standard output. Rejects when it fails, with what it complained of. */
  exec(command: string, stdin?: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const child = spawnInNetns(this.netns, '/bin/sh', ['-c', command], { stdio: 'pipe' });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(Buffer.concat(out).toString());
      else reject(new Error(`${this.name}: ${command}: exit ${code}: ${Buffer.concat(err)}`));
    });
    child.stdin?.on('error', () => {}); // it ended without reading: its exit status says why
    child.stdin?.end(stdin ?? '');
    return promise;
  }

  /** Serves a port for the life of the net; sockets are paused (see `serveFd`). */
  async listen(port: number, onConnection: (socket: Socket) => void, options: ServeOptions = {}): Promise<Server> {
    const fd = listenTcp({ netns: this.netns, port });
    const server = await serveFd(
      fd,
      (socket) => {
        this.#track(socket);
        onConnection(socket);
      },
      options,
    );
    this.#servers.add(server);
    server.once('close', () => this.#servers.delete(server));
    return server;
  }

  /** Sends back whatever comes, until the client is done. */
  listenEcho(port: number): Promise<Server> {
    return this.listen(port, (socket) => {
      socket.on('error', () => socket.destroy());
      socket.pipe(socket);
    });
  }

  /** Connects from this host; the socket is paused and is destroyed with the net. */
  async dial(to: { readonly ip: string; readonly port: number }, options: Omit<DialOptions, 'to' | 'netns'> = {}) {
    const socket = await dialTcp({ ...options, netns: this.netns, to });
    this.#track(socket);
    return socket;
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.on('error', () => {}).destroy();
    await Promise.all([...this.#servers].map((server) => new Promise((done) => server.close(done))));
    this.netns[Symbol.dispose]();
  }
}

/** Some hosts on one switch. `await using net = await TestNet.create({ hosts: { a: {}, b: {} } })`. */
export class TestNet implements AsyncDisposable {
  readonly #hosts: ReadonlyMap<string, TestHost>;
  readonly #namespaces: Disposable;

  private constructor(hosts: ReadonlyMap<string, TestHost>, namespaces: Disposable) {
    this.#hosts = hosts;
    this.#namespaces = namespaces;
  }

  static async create(options: TestNetOptions): Promise<TestNet> {
    const prefix = `amb-${process.pid}-${++made}`;
    const wire = `${prefix}-wire`;
    const names = [wire, ...Object.keys(options.hosts).map((host) => `${prefix}-${host}`)];
    const namespaces = removedAtTheEnd(names);
    try {
      await ip(['-batch', '-'], names.map((name) => `netns add ${name}`).join('\n'));
      await ip(['-n', wire, '-batch', '-'], switchBatch(Object.keys(options.hosts), prefix));
      const hosts = new Map<string, TestHost>();
      for (const [i, [name, at]] of Object.entries(options.hosts).entries()) {
        const ip4 = at.ip4 ?? `10.77.0.${i + 1}`;
        const ip6 = at.ip6 ?? `fd00:77::${(i + 1).toString(16)}`;
        await ip(['-n', `${prefix}-${name}`, '-batch', '-'], hostBatch(ip4, ip6));
        hosts.set(name, new TestHost(name, `${prefix}-${name}`, ip4, ip6));
      }
      return new TestNet(hosts, namespaces);
    } catch (error) {
      namespaces[Symbol.dispose]();
      throw error;
    }
  }

  host(name: string): TestHost {
    const host = this.#hosts.get(name);
    if (!host) throw new Error(`the test has no host ${name}`);
    return host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#hosts.values()].map((host) => host.close()));
    this.#namespaces[Symbol.dispose]();
  }
}

function switchBatch(hosts: readonly string[], prefix: string): string {
  const lines = ['link add br0 type bridge mcast_snooping 0', 'link set br0 up'];
  for (const [i, host] of hosts.entries()) {
    lines.push(`link add port${i} type veth peer name eth0 netns ${prefix}-${host}`);
    lines.push(`link set port${i} master br0 up`);
  }
  return lines.join('\n');
}

function hostBatch(ip4: string, ip6: string): string {
  return [
    'link set lo up',
    `addr add ${ip4}/24 dev eth0`,
    `addr add ${ip6}/64 dev eth0 nodad`,
    'link set eth0 up',
  ].join('\n');
}

/** Everything a peer sends until its end, as text; then our side ends too. Rejects when the connection breaks. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  socket.end();
  return Buffer.concat(chunks).toString();
}

/** Waits for a condition, looking again and again until a deadline. */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 5000,
): Promise<T> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > until) throw new Error(`not in ${deadlineMs} ms: ${what}`);
    await new Promise((again) => setTimeout(again, 10));
  }
}

/** Why tests with namespaces can't run here, for `{ skip: needsRoot }`; false when they can. */
export const needsRoot: string | false = process.getuid?.() === 0 ? false : 'needs root for network namespaces';
