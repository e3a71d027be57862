import type { Duplex } from 'node:stream';
import { type KubeClient, KubeError, kubeClient } from '../core/kube/index.ts';
import { causedBy, MeshError } from '../mesh/index.ts';
import type { Cluster } from './cluster.ts';
import { CliError } from './errors.ts';
import { linesOver, requestOver } from './http-over.ts';

const FIELD_MANAGER = 'ambit';
const POD_HTTP_DEADLINE_MS = 15_000;

export type ClusterOptions = {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
};

/** The cluster of the kubeconfig. Nothing is sent yet; what the API refuses is thrown as CliError with its own words. */
export function kubeCluster(options: ClusterOptions): Cluster & AsyncDisposable {
  const client = clean(() => kubeClient({ ...options, userAgent: 'ambit' }));
  return {
    get: (type, name, namespace) => asked(client.find(type, name, namespace)),
    list: async (type, selection) => (await asked(client.list(type, selection))).items,
    apply: (object, { dryRun = false } = {}) =>
      asked(client.apply(object, { fieldManager: FIELD_MANAGER, force: true, dryRun })),
    patch: async (type, name, namespace, body, subresource) => {
      const options = { fieldManager: FIELD_MANAGER, ...(subresource && { subresource }) };
      await asked(client.patch(type, { name, namespace }, 'merge', body, options));
    },
    delete: async (type, name, namespace) => {
      await asked(client.delete(type, name, namespace, { propagationPolicy: 'Background' }));
    },
    podHttp: (pod, port, path, method = 'GET') => asked(podHttp(client, pod, port, path, method)),
    podLines: (pod, port, path, signal) => podLines(client, pod, port, path, signal),
    namespace: () => asked(client.namespace()),
    version: async () =>
      ((await asked(client.raw({ method: 'GET', path: '/version' }))) as { gitVersion: string }).gitVersion,
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

async function podHttp(
  client: KubeClient,
  pod: { readonly namespace: string; readonly name: string },
  port: number,
  path: string,
  method: 'GET' | 'POST',
): Promise<string> {
  const signal = AbortSignal.timeout(POD_HTTP_DEADLINE_MS);
  const stream: Duplex = await client.portForward(pod.namespace, pod.name, port, signal);
  try {
    return await requestOver(stream, { method, path, signal });
  } finally {
    stream.destroy();
  }
}

async function* podLines(
  client: KubeClient,
  pod: { readonly namespace: string; readonly name: string },
  port: number,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  try {
    // No deadline of ours: a signal ends the stream whenever it fires, and opening one has a deadline of its own.
    yield* linesOver(await client.portForward(pod.namespace, pod.name, port, signal), { path, signal });
  } catch (error) {
    if (!signal.aborted) throw translate(error);
  }
}

function clean<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw translate(error);
  }
}

async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw translate(error);
  }
}

function translate(error: unknown): unknown {
  if (error instanceof CliError) return error;
  if (causedBy(error, MeshError)?.code === 'KUBE_CONFIG_MISSING') {
    return new CliError(
      'no cluster is configured: set KUBECONFIG or use --kubeconfig; for a lab: export KUBECONFIG=$(ambit lab kubeconfig)',
      { cause: error },
    );
  }
  if (error instanceof KubeError || (error instanceof Error && 'code' in error)) {
    return new CliError(error.message.replace(/^\[[A-Z_]+\] /, ''), { cause: error });
  }
  return error;
}
