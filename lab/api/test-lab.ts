/** For tests: a server on loopback with its own state, the real kubectl, and a client that sends exactly what it is told. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { ApiServer, type ApiServerOptions, ensureKubectl } from './index.ts';
import { at } from './object.ts';
import type { Json } from './pure/index.ts';

export type KubectlResult = { readonly code: number; readonly stdout: string; readonly stderr: string };
export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The JSON value at a path of the body. */
  readonly at: (...path: string[]) => Json | undefined;
  readonly json: Json;
};
export type Call = {
  readonly body?: unknown;
  readonly headers?: OutgoingHttpHeaders;
  /** Default: a person in system:masters, by certificate. */
  readonly token?: string;
  readonly anonymous?: true;
};
export type WatchEvent = { readonly type: string; readonly object: Json };

const KUBECTL_TIMEOUT_MS = 30_000;
const EVENT_TIMEOUT_MS = 5_000;

/** An open watch: events one by one. */
export type OpenWatch = {
  readonly status: number;
  /** The next event; undefined at the end of the stream. Rejects after five seconds. */
  next(): Promise<WatchEvent | undefined>;
  close(): void;
};

export class TestLab implements AsyncDisposable {
  readonly api: ApiServer;
  readonly dir: string;
  readonly url: string;
  readonly kubeConfig: KubeConfig;
  readonly #tls: { readonly ca: string; readonly cert: string; readonly key: string };
  #kubectl: string | undefined;

  private constructor(api: ApiServer, dir: string) {
    this.api = api;
    this.dir = dir;
    this.url = `https://127.0.0.1:${api.ports[0]}`;
    const config = api.adminKubeconfig(this.url);
    writeFileSync(join(dir, 'kubeconfig'), config, { mode: 0o600 });
    this.kubeConfig = new KubeConfig();
    this.kubeConfig.loadFromString(config);
    const user = this.kubeConfig.getCurrentUser();
    const decode = (text: string | undefined) => Buffer.from(text ?? '', 'base64').toString();
    this.#tls = { ca: api.caPem, cert: decode(user?.certData), key: decode(user?.keyData) };
  }

  static async start(options: Partial<ApiServerOptions> & { readonly dir?: string } = {}): Promise<TestLab> {
    const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'ambit-api-'));
    try {
      const api = await ApiServer.start({
        stateDir: dir,
        listeners: [{ host: '127.0.0.1', port: 0 }],
        onError: console.error,
        ...options,
      });
      return new TestLab(api, dir);
    } catch (error) {
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
  }

  /** Runs kubectl; `input` goes to its standard input. Its exit code is an answer, not a failure. */
  async kubectl(args: readonly string[], input?: string): Promise<KubectlResult> {
    const program = await this.#program();
    const { promise, resolve } = Promise.withResolvers<KubectlResult>();
    const child = execFile(program, [...args], this.#options(), (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
    child.stdin?.end(input ?? '');
    return await promise;
  }

  /** A kubectl that keeps running, such as `get -w`; the caller ends it. */
  async start(args: readonly string[]): Promise<ChildProcess> {
    return spawn(await this.#program(), [...args], { ...this.#options(), stdio: ['ignore', 'pipe', 'pipe'] });
  }

  async #program(): Promise<string> {
    this.#kubectl ??= await ensureKubectl({ env: process.env, minimumMinor: 35 });
    return this.#kubectl;
  }

  #options() {
    const env = { PATH: process.env['PATH'], KUBECONFIG: join(this.dir, 'kubeconfig'), HOME: this.dir };
    return { env: { ...env, KUBECACHEDIR: join(this.dir, 'cache') }, timeout: KUBECTL_TIMEOUT_MS };
  }

  /** One request. A body that is neither text nor bytes is sent as JSON. */
  async call(method: string, path: string, call: Call = {}): Promise<Answer> {
    const { response, request } = this.#open(method, path, call);
    const answer = await response;
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    request.destroy();
    const text = Buffer.concat(chunks).toString();
    const json = readJson(text);
    return {
      status: answer.statusCode ?? 0,
      headers: answer.headers,
      text,
      json,
      at: (...steps) => at(json, ...steps),
    };
  }

  async watch(path: string, call: Call = {}): Promise<OpenWatch> {
    const { response, request } = this.#open('GET', path, call);
    const answer = await response;
    const events = lines(answer);
    return {
      status: answer.statusCode ?? 0,
      next: async () => {
        const timer = setTimeout(
          () => request.destroy(new Error(`no event within ${EVENT_TIMEOUT_MS} ms`)),
          EVENT_TIMEOUT_MS,
        );
        try {
          const { value } = await events.next();
          return value === undefined ? undefined : (JSON.parse(value) as WatchEvent);
        } finally {
          clearTimeout(timer);
        }
      },
      close: () => request.destroy(),
    };
  }

  #open(method: string, path: string, call: Call) {
    const body = call.body === undefined ? undefined : encode(call.body);
    const request = httpsRequest(`${this.url}${path}`, {
      method,
      agent: false,
      ca: this.#tls.ca,
      ...(call.token === undefined && call.anonymous !== true ? { cert: this.#tls.cert, key: this.#tls.key } : {}),
      headers: {
        ...(body === undefined ? {} : { 'Content-Length': body.length }),
        ...(call.token === undefined ? {} : { Authorization: `Bearer ${call.token}` }),
        ...(method === 'GET' || method === 'DELETE' ? {} : { 'Content-Type': 'application/json' }),
        ...call.headers,
      },
    });
    const { promise, resolve, reject } = Promise.withResolvers<import('node:http').IncomingMessage>();
    request.on('response', resolve);
    request.on('error', reject);
    request.end(body);
    return { response: promise, request };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.api.close();
    } finally {
      rmSync(this.dir, { recursive: true, force: true });
    }
  }
}

const encode = (body: unknown): Buffer =>
  body instanceof Uint8Array ? Buffer.from(body) : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));

function readJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return null; // not every answer is JSON; tests look at `text` then
  }
}

async function* lines(source: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of source) {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
}

export const configMap = (name: string, data: Record<string, string> = {}, metadata: Record<string, unknown> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  data,
});
