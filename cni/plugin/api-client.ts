/** Reads pods and namespaces from the Kubernetes API, with `node:https` alone. */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import type { KubeObject } from '../../mesh/index.ts';
import { CniError, TRY_AGAIN } from './cni-error.ts';

const REQUEST_TIMEOUT_MS = 5_000;
const MAX_OBJECT_BYTES = 8 << 20;

export interface ApiClient extends Disposable {
  pod(namespace: string, name: string): Promise<KubeObject>;
  namespace(name: string): Promise<KubeObject>;
}

export const KUBECONFIG_FILE = 'istio-cni-kubeconfig';

/** The agent writes its kubeconfig as JSON, which is YAML too: kubectl reads it, and we need no YAML parser. */
type Kubeconfig = {
  readonly clusters?: readonly {
    readonly cluster?: {
      readonly server?: string;
      readonly 'certificate-authority-data'?: string;
      readonly 'insecure-skip-tls-verify'?: boolean;
    };
  }[];
  readonly users?: readonly { readonly user?: { readonly token?: string } }[];
};

/**
 * A client by the kubeconfig that the agent keeps in its run directory.
 * @throws CniError 11: the agent writes it when it is ready.
 */
export function apiClient(runDir: string): ApiClient {
  const path = join(runDir, KUBECONFIG_FILE);
  const { server, ca, verify, token } = readKubeconfig(path);
  // One connection for both reads: the handshake is the dearest part of them.
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: verify, ...(ca ? { ca } : {}) });
  const get = (resource: string) => getJson(new URL(resource, server), agent, token);
  return {
    pod: (namespace, name) =>
      get(`/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`),
    namespace: (name) => get(`/api/v1/namespaces/${encodeURIComponent(name)}`),
    [Symbol.dispose]: () => agent.destroy(),
  };
}

function readKubeconfig(path: string) {
  let config: Kubeconfig;
  try {
    config = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CniError(TRY_AGAIN, `can't read ${path}, which the mesh's node agent writes: ${why}`, '', { cause });
  }
  const cluster = config.clusters?.[0]?.cluster;
  const token = config.users?.[0]?.user?.token;
  if (!cluster?.server || !token) throw new CniError(TRY_AGAIN, `${path} names no server or no token`);
  const ca = cluster['certificate-authority-data'];
  return {
    server: cluster.server,
    ca: ca === undefined ? undefined : Buffer.from(ca, 'base64'),
    verify: cluster['insecure-skip-tls-verify'] !== true,
    token,
  };
}

function getJson(url: URL, agent: Agent, token: string): Promise<KubeObject> {
  const { promise, resolve, reject } = Promise.withResolvers<KubeObject>();
  const fail = (why: string) => reject(new Error(`GET ${url.pathname}: ${why}`));
  const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const headers = { authorization: `Bearer ${token}`, accept: 'application/json' };
  const call = request(url, { agent, headers, signal }, (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OBJECT_BYTES) response.destroy(new Error('too large'));
      else chunks.push(chunk);
    });
    response.once('error', (error) => fail(error.message));
    response.once('end', () => {
      const body = Buffer.concat(chunks).toString();
      if (response.statusCode !== 200) return fail(`status ${response.statusCode}: ${messageOf(body)}`);
      try {
        resolve(parseObject(body));
      } catch (error) {
        fail(String(error));
      }
    });
  });
  call.once('error', (error) =>
    fail(error.name === 'AbortError' ? `no answer in ${REQUEST_TIMEOUT_MS} ms` : error.message),
  );
  call.end();
  return promise;
}

function parseObject(body: string): KubeObject {
  const object = JSON.parse(body);
  if (typeof object?.metadata?.name !== 'string') throw new Error('not a Kubernetes object');
  return object;
}

function messageOf(body: string): string {
  try {
    return String(JSON.parse(body).message ?? '');
  } catch {
    return body.slice(0, 200); // not a Status: whatever stands in between (a proxy) said it
  }
}
