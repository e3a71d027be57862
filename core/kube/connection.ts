/** Where the API server is and how to prove who we are; read again when the files behind it change. */
import { existsSync, readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { join } from 'node:path';
import { MeshError } from '../../mesh/index.ts';
import { KubeError } from './kube-error.ts';
import { type KubeconfigEntry, readKubeconfig, type TlsSettings } from './kubeconfig.ts';

export type Env = Readonly<Record<string, string | undefined>>;

export type Connection = {
  /** Base URL without a final slash. */
  readonly server: string;
  readonly tls: TlsSettings;
  /** The value of the authorization header. */
  readonly authorization?: string;
  /** Namespace that commands without one mean. */
  readonly namespace: string;
};

export interface ConnectionSource {
  /** The same `tls` object comes back as long as nothing in it changed, so that connections can be kept. */
  current(): Promise<Connection>;
  /** The server refused our credentials: read them anew next time. */
  expire(): void;
}

/** Projected tokens and CA bundles are replaced on disk while we run (kubelet renews at 80 % of the token's life). */
const REREAD_AFTER_MS = 30_000;

const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

export type ConnectionOptions = {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly env: Env;
  readonly now?: () => number;
  /** Default: where kubelets mount it. */
  readonly serviceAccountDir?: string;
};

/**
 * In this order: the kubeconfig given, `KUBECONFIG`, the pod's service account, `~/.kube/config`.
 * Throws KUBE_CONFIG_MISSING or KUBE_CONFIG_INVALID.
 */
export function connectionSource(options: ConnectionOptions): ConnectionSource {
  const { env } = options;
  const now = options.now ?? Date.now;
  const given = options.kubeconfig ?? (env['KUBECONFIG'] || undefined);
  if (given !== undefined) return fromKubeconfig(given.split(':').filter(Boolean), options.context, now);
  const host = env['KUBERNETES_SERVICE_HOST'];
  if (host !== undefined && host !== '') {
    return inCluster(
      host,
      env['KUBERNETES_SERVICE_PORT'] ?? '443',
      options.serviceAccountDir ?? SERVICE_ACCOUNT_DIR,
      now,
    );
  }
  const file = join(env['HOME'] ?? '/', '.kube', 'config');
  if (existsSync(file)) return fromKubeconfig([file], options.context, now);
  throw new MeshError(
    'KUBE_CONFIG_MISSING',
    `no Kubernetes API: neither KUBECONFIG nor KUBERNETES_SERVICE_HOST is set, and there is no ${file}`,
  );
}

function inCluster(host: string, port: string, dir: string, now: () => number): ConnectionSource {
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return rereading(now, () => ({
    server,
    tls: { ca: readText(join(dir, 'ca.crt')), rejectUnauthorized: true },
    authorization: `Bearer ${readText(join(dir, 'token')).trim()}`,
    namespace: readText(join(dir, 'namespace')).trim(),
  }));
}

function fromKubeconfig(files: readonly string[], context: string | undefined, now: () => number): ConnectionSource {
  const source = rereading(now, () => connectionOf(readKubeconfig(files, context)));
  const entry = readKubeconfig(files, context);
  return entry.plugin ? withPlugin(source, files, context, now) : source;
}

function connectionOf(entry: KubeconfigEntry): Connection {
  const token = entry.tokenFile === undefined ? entry.token : readText(entry.tokenFile).trim();
  const basic =
    entry.username === undefined
      ? undefined
      : `Basic ${Buffer.from(`${entry.username}:${entry.password ?? ''}`).toString('base64')}`;
  const authorization = token === undefined || token === '' ? basic : `Bearer ${token}`;
  return {
    server: entry.server,
    tls: entry.tls,
    namespace: entry.namespace,
    ...(authorization === undefined ? {} : { authorization }),
  };
}

/** Users who log in by a credential plugin (cloud providers): client-node runs it and keeps its answer until it expires. */
function withPlugin(
  source: ConnectionSource,
  files: readonly string[],
  context: string | undefined,
  now: () => number,
): ConnectionSource {
  let last: { readonly at: number; readonly value: Connection } | undefined;
  return {
    async current() {
      if (last !== undefined && now() - last.at < REREAD_AFTER_MS) return last.value;
      const base = await source.current();
      // Loaded only here: it takes half a second, and nobody without a plugin needs it.
      const { KubeConfig } = await import('@kubernetes/client-node');
      const config = new KubeConfig();
      config.loadFromFile(files[0] ?? '');
      if (context !== undefined) config.setCurrentContext(context);
      const options: RequestOptions = {};
      try {
        await config.applyToHTTPSOptions(options);
      } catch (cause) {
        throw new KubeError(
          401,
          'Unauthorized',
          `the login plugin of ${files[0]} failed: ${String(cause)}`,
          {},
          { cause },
        );
      }
      const value = mergePluginAnswer(base, options);
      last = {
        at: now(),
        value: last !== undefined && sameTls(last.value, value) ? { ...value, tls: last.value.tls } : value,
      };
      return last.value;
    },
    expire() {
      last = undefined;
      source.expire();
    },
  };
}

function mergePluginAnswer(
  base: Connection,
  answer: { readonly headers?: unknown; readonly cert?: unknown; readonly key?: unknown },
): Connection {
  const headers = new Map(Object.entries((answer.headers ?? {}) as Record<string, unknown>));
  const authorization = headers.get('Authorization') ?? headers.get('authorization');
  const text = (value: unknown): string | undefined =>
    typeof value === 'string' || Buffer.isBuffer(value) ? value.toString() : undefined;
  const cert = text(answer.cert);
  const key = text(answer.key);
  return {
    ...base,
    tls: { ...base.tls, ...(cert === undefined || key === undefined ? {} : { cert, key }) },
    ...(typeof authorization === 'string' ? { authorization } : {}),
  };
}

/** Reads now, so that a mistake shows at start; then again when the last reading is old. A failed re-reading keeps the last one. */
function rereading(now: () => number, read: () => Connection): ConnectionSource {
  let last = { at: now(), value: read() };
  return {
    current() {
      if (now() - last.at >= REREAD_AFTER_MS) last = { at: now(), value: readAgain(last.value, read) };
      return Promise.resolve(last.value);
    },
    expire() {
      last = { at: Number.NEGATIVE_INFINITY, value: last.value };
    },
  };
}

function readAgain(previous: Connection, read: () => Connection): Connection {
  try {
    const value = read();
    return sameTls(previous, value) ? { ...value, tls: previous.tls } : value;
  } catch {
    return previous; // files are being swapped; if it lasts, the server's 401 tells
  }
}

function sameTls(a: Connection, b: Connection): boolean {
  return JSON.stringify(a.tls) === JSON.stringify(b.tls);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new MeshError('KUBE_CONFIG_INVALID', `can't read ${path}`, { cause });
  }
}
