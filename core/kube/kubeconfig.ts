/** Kubeconfig files (the format of kubectl): one context of one or several merged files. */
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';
import { MeshError } from '../../mesh/index.ts';

/** How to reach a server by TLS; PEM throughout. */
export type TlsSettings = {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized: boolean;
};

export type KubeconfigEntry = {
  readonly server: string;
  readonly tls: TlsSettings;
  readonly namespace: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly username?: string;
  readonly password?: string;
  /** The user logs in by an exec plugin or an auth provider. */
  readonly plugin: boolean;
};

const optional = z.string().optional();
const FILE = z.object({
  'current-context': optional.nullable(),
  clusters: z
    .array(
      z.object({
        name: z.string(),
        cluster: z.object({
          server: z.string(),
          'certificate-authority': optional,
          'certificate-authority-data': optional,
          'insecure-skip-tls-verify': z.boolean().optional(),
          'tls-server-name': optional,
        }),
      }),
    )
    .nullish(),
  contexts: z
    .array(
      z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: z.string(), namespace: optional }) }),
    )
    .nullish(),
  users: z
    .array(
      z.object({
        name: z.string(),
        user: z
          .object({
            token: optional,
            tokenFile: optional,
            'client-certificate': optional,
            'client-certificate-data': optional,
            'client-key': optional,
            'client-key-data': optional,
            username: optional,
            password: optional,
            exec: z.unknown().optional(),
            'auth-provider': z.unknown().optional(),
          })
          .nullish(),
      }),
    )
    .nullish(),
});

type KubeconfigFile = z.infer<typeof FILE> & { readonly dir: string };

/** Throws KUBE_CONFIG_INVALID naming file, field and reason. Of entries with one name, the first file's counts, as in kubectl. */
export function readKubeconfig(paths: readonly string[], contextName?: string): KubeconfigEntry {
  const files = paths.map(readFile);
  const where = paths.join(':');
  const wanted = contextName ?? files.map((f) => f['current-context'] ?? '').find((name) => name !== '');
  if (wanted === undefined) throw invalid(where, 'current-context is not set');
  const { context } = find(files, (f) => f.contexts, wanted, `${where}: context`).entry;
  const { entry: named, dir } = find(files, (f) => f.clusters, context.cluster, `${where}: cluster`);
  const user = find(files, (f) => f.users, context.user, `${where}: user`);
  const { cluster } = named;
  const login = user.entry.user ?? {};
  const ca = material(dir, cluster['certificate-authority-data'], cluster['certificate-authority']);
  const cert = material(user.dir, login['client-certificate-data'], login['client-certificate']);
  const key = material(user.dir, login['client-key-data'], login['client-key']);
  const servername = cluster['tls-server-name'];
  return {
    server: cluster.server.replace(/\/+$/, ''),
    tls: {
      rejectUnauthorized: cluster['insecure-skip-tls-verify'] !== true,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(servername === undefined ? {} : { servername }),
    },
    namespace: context.namespace ?? 'default',
    plugin: login.exec !== undefined || login['auth-provider'] !== undefined,
    ...(login.token === undefined ? {} : { token: login.token }),
    ...(login.tokenFile === undefined ? {} : { tokenFile: beside(user.dir, login.tokenFile) }),
    ...(login.username === undefined ? {} : { username: login.username }),
    ...(login.password === undefined ? {} : { password: login.password }),
  };
}

function readFile(path: string): KubeconfigFile {
  let value: unknown;
  try {
    value = parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw invalid(path, cause instanceof Error ? cause.message : String(cause));
  }
  const result = FILE.safeParse(value);
  if (!result.success) throw invalid(path, z.prettifyError(result.error));
  return { ...result.data, dir: dirname(path) };
}

function find<T extends { readonly name: string }>(
  files: readonly KubeconfigFile[],
  list: (file: KubeconfigFile) => readonly T[] | null | undefined,
  name: string,
  what: string,
): { readonly entry: T; readonly dir: string } {
  for (const file of files) {
    const entry = list(file)?.find((candidate) => candidate.name === name);
    if (entry !== undefined) return { entry, dir: file.dir };
  }
  throw new MeshError('KUBE_CONFIG_INVALID', `${what} "${name}" does not exist`);
}

function material(dir: string, data: string | undefined, file: string | undefined): string | undefined {
  if (data !== undefined && data !== '') return Buffer.from(data, 'base64').toString('utf8');
  if (file === undefined || file === '') return undefined;
  const path = beside(dir, file);
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new MeshError('KUBE_CONFIG_INVALID', `can't read ${path}`, { cause });
  }
}

function beside(dir: string, file: string): string {
  return isAbsolute(file) ? file : join(dir, file);
}

function invalid(where: string, reason: string): MeshError {
  return new MeshError('KUBE_CONFIG_INVALID', `${where}: ${reason}`);
}
