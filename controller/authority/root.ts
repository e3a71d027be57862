/** Where the authority's key comes from: plugged in as files, else Secret `istio-ca-secret`, made once if nobody has. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CertificateAuthority } from '../../core/identity/index.ts';
import { isConflict, type KubeClient, RESOURCES } from '../../core/kube/index.ts';
import { type KubeObject, MeshError } from '../../mesh/index.ts';

const CA_SECRET = 'istio-ca-secret';

export type RootOptions = {
  readonly client: Pick<KubeClient, 'find' | 'create' | 'get'>;
  readonly namespace: string;
  readonly trustDomain: string;
  /** Where Secret `cacerts` is mounted. */
  readonly rootCaDir: string;
  readonly now: Date;
};

export type LoadedRoot = {
  readonly authority: CertificateAuthority;
  readonly from: 'plugged-in' | 'secret' | 'created';
};

/** Throws CA_MATERIAL_INVALID when what is there can't be used: another root in its place would cut the mesh in two. */
export async function loadRoot(o: RootOptions): Promise<LoadedRoot> {
  const plugged = pluggedIn(o.rootCaDir);
  if (plugged !== undefined) {
    return {
      authority: named(o.rootCaDir, () => CertificateAuthority.fromSecretData(plugged, o.now)),
      from: 'plugged-in',
    };
  }
  const held = await o.client.find<KubeObject>(RESOURCES.Secret, CA_SECRET, o.namespace);
  if (held !== undefined) return { authority: fromSecret(held, o.now), from: 'secret' };
  const authority = await CertificateAuthority.selfSigned({ trustDomain: o.trustDomain, now: o.now });
  try {
    await o.client.create({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: CA_SECRET, namespace: o.namespace, labels: { 'app.kubernetes.io/part-of': 'ambit' } },
      type: 'istio.io/ca-root',
      data: authority.toSecretData(),
    });
    return { authority, from: 'created' };
  } catch (error) {
    if (!isConflict(error)) throw error;
    // Another replica was faster: its root is the mesh's.
    const theirs = await o.client.get<KubeObject>(RESOURCES.Secret, CA_SECRET, o.namespace);
    return { authority: fromSecret(theirs, o.now), from: 'secret' };
  }
}

/**
 * A plugged-in authority whose files have changed, or undefined when nothing has. Only what is below the root may change
 * while we run: certificates under another root would not be trusted by those who hold older ones.
 * Throws CA_MATERIAL_INVALID; the present authority goes on.
 */
export function changedAuthority(
  rootCaDir: string,
  present: CertificateAuthority,
  now: Date,
): CertificateAuthority | undefined {
  const plugged = pluggedIn(rootCaDir);
  if (plugged === undefined) throw new MeshError('CA_MATERIAL_INVALID', `${rootCaDir}: the files are gone`);
  const next = named(rootCaDir, () => CertificateAuthority.fromSecretData(plugged, now));
  if (next.rootPem.trim() !== present.rootPem.trim()) {
    throw new MeshError('CA_MATERIAL_INVALID', `${rootCaDir}: root-cert.pem differs from the root in use`);
  }
  return JSON.stringify(next.toSecretData()) === JSON.stringify(present.toSecretData()) ? undefined : next;
}

function fromSecret(secret: KubeObject, now: Date): CertificateAuthority {
  const data = (secret['data'] ?? {}) as Readonly<Record<string, string>>;
  return named(`Secret ${secret.metadata.namespace}/${secret.metadata.name}`, () =>
    CertificateAuthority.fromSecretData(data, now),
  );
}

const FILES = ['ca-cert.pem', 'ca-key.pem', 'root-cert.pem', 'cert-chain.pem', 'tls.crt', 'tls.key', 'ca.crt'] as const;
/** One of these makes the directory a plugged-in authority; an incomplete one is then an error. */
const TELLTALE = ['ca-cert.pem', 'ca-key.pem', 'tls.crt', 'tls.key'] as const;

/** The files in the form of a Secret's data, or undefined when none is there. */
function pluggedIn(dir: string): Readonly<Record<string, string>> | undefined {
  const data: Record<string, string> = {};
  for (const file of FILES) {
    const content = readIfPresent(join(dir, file));
    if (content !== undefined) data[file] = content.toString('base64');
  }
  if (!TELLTALE.some((file) => file in data)) return undefined;
  if (!('root-cert.pem' in data) && !('ca.crt' in data)) {
    throw new MeshError('CA_MATERIAL_INVALID', `${dir}: root-cert.pem is missing`);
  }
  return data;
}

function readIfPresent(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw new MeshError('CA_MATERIAL_INVALID', `can't read ${path}`, { cause: error });
  }
}

function named<T>(where: string, load: () => T): T {
  try {
    return load();
  } catch (cause) {
    throw new MeshError('CA_MATERIAL_INVALID', `${where}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}
