/** A ztunnel as a process of its own in a network namespace of its own: the ports of admin, metrics and readiness are fixed. */
import type { ChildProcess } from 'node:child_process';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { dialTcp, spawnInNetns } from '../../../core/net/index.ts';
import { endWithUs } from '../../support/leftovers.ts';
import { eventually, type TestHost } from '../../support/netns.ts';
import { hasFields, type LogLine, parseLogLine } from './access-log.ts';
import { type ControlPlane, SERVER_NAME } from './control-plane.ts';
import type { Implementation } from './implementation.ts';
import { CLUSTER } from './resources.ts';

const READY_DEADLINE_MS = 15_000;
const LOG_DEADLINE_MS = 5_000;

export type ZtunnelOptions = {
  readonly implementation: Implementation;
  readonly host: TestHost;
  readonly node: string;
  readonly plane: ControlPlane;
  /** The agent's socket. */
  readonly zdsPath: string;
  readonly env?: Readonly<Record<string, string>>;
};

export class ZtunnelProcess implements AsyncDisposable {
  readonly implementation: Implementation;
  /** All that it logged; unreadable lines are in `output` only. */
  readonly log: LogLine[] = [];
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #host: TestHost;
  readonly #output: string[] = [];

  constructor(o: ZtunnelOptions) {
    this.implementation = o.implementation;
    this.#host = o.host;
    this.#child = spawnInNetns(o.host.netns, o.implementation.command, o.implementation.args, {
      env: environment(o),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    endWithUs(this.#child);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (text) => {
        this.#output.push(text);
        const line = parseLogLine(text);
        if (line !== undefined) this.log.push(line);
      });
    }
    const { promise, resolve, reject } = Promise.withResolvers<number | null>();
    this.exited = promise;
    this.exited.catch(() => {}); // whoever waits for it hears of it
    this.#child.once('error', reject);
    this.#child.once('close', (code) => resolve(code));
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the ztunnel did not start');
    return this.#child.pid;
  }

  get isOurs(): boolean {
    return this.implementation.name === 'ours';
  }

  /** What is waited for; rejects at once if the process ends instead, and in any case with what it said. */
  orItsEnd<T>(wait: Promise<T>): Promise<T> {
    const ended = this.exited.then((code) => {
      throw new Error(`the ztunnel has ended with ${code}`);
    });
    return Promise.race([wait, ended]).catch((error) => {
      throw new Error(`${error.message}; it said:\n${this.output}`);
    });
  }

  get output(): string {
    return this.#output.join('\n');
  }

  /** The first complete line of a connection with these values that was or will be logged from line `since` on. */
  access(wanted: Readonly<Record<string, string | RegExp>>, since = 0): Promise<LogLine> {
    return this.#line(wanted, since, ['connection complete']);
  }

  /** The first access line with an error and these values, whether or not the connection ever got as far as to be tracked. */
  denial(wanted: Readonly<Record<string, string | RegExp>>, since = 0): Promise<LogLine> {
    return this.#line({ ...wanted, error: /./ }, since, ['connection complete', 'connection failed']);
  }

  async get(port: 15000 | 15020 | 15021, path: string): Promise<{ readonly status: number; readonly body: string }> {
    const socket = await dialTcp({ netns: this.#host.netns, to: { ip: '127.0.0.1', port }, timeoutMs: 2_000 });
    return httpGet(socket, path);
  }

  #line(
    wanted: Readonly<Record<string, string | RegExp>>,
    since: number,
    messages: readonly string[],
  ): Promise<LogLine> {
    const isIt = (line: LogLine) =>
      line.scope === 'access' && messages.includes(line.message) && hasFields(line, wanted);
    const what = `an access line with ${JSON.stringify(wanted, showPattern)}`;
    return eventually(what, () => this.log.slice(since).find(isIt), LOG_DEADLINE_MS).catch((error) => {
      throw new Error(`${error.message}; the log ends:\n${this.#output.slice(-20).join('\n')}`);
    });
  }

  /** Resolves with the metrics as text. */
  async metrics(): Promise<string> {
    return (await this.get(15020, '/metrics')).body;
  }

  /** How many connections of its pods are open. */
  async connections(): Promise<{ readonly inbound: number; readonly outbound: number }> {
    const dump = JSON.parse((await this.get(15000, '/config_dump')).body) as ConnectionsDump;
    const open = Object.values(dump.workloadState).map(({ connections }) => connections);
    const count = (way: 'inbound' | 'outbound') => open.reduce((sum, of) => sum + (of?.[way].length ?? 0), 0);
    return { inbound: count('inbound'), outbound: count('outbound') };
  }

  /** Resolves once no connection of any pod is open in it. */
  async quiet(): Promise<void> {
    await eventually('no connection is open', async () => {
      const { inbound, outbound } = await this.connections();
      return inbound + outbound === 0;
    });
  }

  isReady(): Promise<boolean> {
    return this.get(15021, '/healthz/ready').then(
      ({ status }) => status === 200,
      () => false, // not listening yet
    );
  }

  async ready(): Promise<void> {
    await eventually('the ztunnel is ready', () => this.isReady(), READY_DEADLINE_MS).catch((error) => {
      throw new Error(`${error.message}; it said:\n${this.output}`);
    });
  }

  /** SIGTERM; `exited` says when it is done. */
  terminate(): void {
    this.#child.kill('SIGTERM');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.exited.catch(() => {}); // it never started: said where it was waited for
  }
}

/** The part of `/config_dump` that tells of connections. */
type ConnectionsDump = {
  readonly workloadState: Readonly<
    Record<
      string,
      { readonly connections?: { readonly inbound: readonly unknown[]; readonly outbound: readonly unknown[] } }
    >
  >;
};

const showPattern = (_key: string, value: unknown) => (value instanceof RegExp ? String(value) : value);

function httpGet(socket: Socket, path: string): Promise<{ status: number; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const call = request({ createConnection: () => socket, path, headers: { connection: 'close' } }, (response) => {
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      body += text;
    });
    response.on('error', reject);
    response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
  });
  call.on('error', reject);
  call.setTimeout(2_000, () => call.destroy(new Error(`no answer for ${path}`)));
  call.once('socket', () => socket.resume()); // it was dialled paused
  call.end();
  return promise.finally(() => socket.destroy());
}

function environment(o: ZtunnelOptions): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    XDS_ADDRESS: o.plane.address,
    CA_ADDRESS: o.plane.address,
    XDS_ROOT_CA: o.plane.rootFile,
    CA_ROOT_CA: o.plane.rootFile,
    ALT_XDS_HOSTNAME: SERVER_NAME, // the address is an IP, which the certificate does not name
    ALT_CA_HOSTNAME: SERVER_NAME,
    AUTH_TOKEN: o.plane.tokenFile,
    CLUSTER_ID: CLUSTER,
    NODE_NAME: o.node,
    POD_NAME: `ztunnel-${o.node}`,
    POD_NAMESPACE: 'istio-system',
    INSTANCE_IP: o.host.ip4,
    INPOD_UDS: o.zdsPath,
    ISTIO_META_DNS_CAPTURE: 'false',
    RUST_LOG: 'info',
    // The same scenarios over the other implementation of the tunnel; the reference knows nothing of it.
    ...(process.env['AMBIT_HBONE'] !== undefined && { AMBIT_HBONE: process.env['AMBIT_HBONE'] }),
    ...(process.env['ZTUNNEL_WORKER_THREADS'] !== undefined && {
      ZTUNNEL_WORKER_THREADS: process.env['ZTUNNEL_WORKER_THREADS'],
    }),
    ...o.env,
  };
}
