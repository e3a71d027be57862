/** The command line without a shell: a cluster in memory, and what a command answered. */
import { KubeError, type ResourceType } from '../core/kube/index.ts';
import type { KubeObject } from '../mesh/index.ts';
import type { Cluster } from './cluster.ts';
import { CliError } from './errors.ts';
import { buildProgram, runProgram } from './program.ts';

/** Answers requests to a pod, given as `namespace/name:port/path`; throws for a pod that does not answer. */
export type PodAnswers = (request: string) => string;

/** Objects in memory; `patch` changes labels and status only, and `changed` sees the cluster after it and after `apply`. */
export function memoryCluster(
  initial: readonly KubeObject[],
  o: {
    readonly podHttp?: PodAnswers;
    readonly podLines?: Cluster['podLines'];
    /** Plurals that this cluster does not serve. */
    readonly unserved?: readonly string[];
    readonly changed?: (objects: Map<string, KubeObject>) => void;
  } = {},
): Cluster & { readonly objects: Map<string, KubeObject> } {
  const keyOf = (kind: string, name: string, namespace = '') => `${kind} ${namespace}/${name}`;
  const objects = new Map(
    initial.map((object) => [keyOf(object.kind, object.metadata.name, object.metadata.namespace), object]),
  );
  const list = (type: ResourceType) => {
    if (o.unserved?.includes(type.plural)) {
      const cause = new KubeError(404, 'NotFound', 'the server could not find the resource');
      throw new CliError(cause.message, { cause });
    }
    return [...objects.values()].filter(({ kind }) => kind === type.kind);
  };
  return {
    objects,
    get: async (type, name, namespace) => objects.get(keyOf(type.kind, name, namespace)),
    list: async (type, { namespace, labelSelector, fieldSelector } = {}) =>
      list(type).filter(({ metadata }) => {
        const [key = '', value] = (labelSelector ?? '').split('=');
        return (
          (namespace === undefined || metadata.namespace === namespace) &&
          (labelSelector === undefined ||
            (value === undefined ? metadata.labels?.[key] !== undefined : metadata.labels?.[key] === value)) &&
          (fieldSelector === undefined || fieldSelector === `metadata.name=${metadata.name}`)
        );
      }),
    apply: async (object, { dryRun = false } = {}) => {
      if (dryRun) return object;
      const key = keyOf(object.kind, object.metadata.name, object.metadata.namespace);
      objects.set(key, { ...objects.get(key), ...object });
      o.changed?.(objects);
      return object;
    },
    patch: async (type, name, namespace, body, subresource) => {
      const key = keyOf(type.kind, name, namespace);
      const object = objects.get(key);
      if (object === undefined) throw new CliError(`${type.kind} ${name} not found`);
      if (subresource === 'status') {
        const { status } = body as { readonly status: object };
        objects.set(key, { ...object, status: { ...(object['status'] as object | undefined), ...status } });
        return;
      }
      const wanted =
        (body as { metadata?: { labels?: Readonly<Record<string, string | null>> } }).metadata?.labels ?? {};
      const merged = Object.entries({ ...object.metadata.labels, ...wanted });
      const labels = Object.fromEntries(merged.filter((entry): entry is [string, string] => entry[1] !== null));
      objects.set(key, { ...object, metadata: { ...object.metadata, labels } });
      o.changed?.(objects);
    },
    delete: async (type, name, namespace) => void objects.delete(keyOf(type.kind, name, namespace)),
    podHttp: async (pod, port, path) => {
      if (o.podHttp === undefined) throw new CliError('connection refused');
      return o.podHttp(`${pod.namespace}/${pod.name}:${port}${path}`);
    },
    podLines: (pod, port, path, signal) => {
      if (o.podLines === undefined) throw new CliError('connection refused');
      return o.podLines(pod, port, path, signal);
    },
    namespace: async () => 'default',
    version: async () => 'v1.35.0',
  };
}

export type Answer = { readonly code: number; readonly out: string; readonly said: string };

/** Runs `ambit ARGS`. Without a cluster, asking for one fails the command. `out` is told of each answer as it comes. */
export async function ambit(
  args: readonly string[],
  cluster?: Cluster,
  terminal: { readonly interrupted?: AbortSignal; readonly isTerminal?: boolean; readonly out?: () => void } = {},
): Promise<Answer> {
  const [out, said]: [string[], string[]] = [[], []];
  let exitCode = 0;
  const program = buildProgram(
    {
      out: (text) => {
        out.push(text);
        terminal.out?.();
      },
      interrupted: () => terminal.interrupted ?? new AbortController().signal,
      isTerminal: terminal.isTerminal ?? false,
      say: (line) => void said.push(line),
      cluster: () => {
        if (cluster === undefined) throw new CliError('no cluster is configured');
        return cluster;
      },
      setExitCode: (code) => {
        exitCode = code;
      },
    },
    { out: (text) => void out.push(text), err: (text) => void said.push(text) },
  );
  const code = await runProgram(program, args, (line) => void said.push(line));
  return { code: code === 0 ? exitCode : code, out: out.join('\n'), said: said.join('\n') };
}
