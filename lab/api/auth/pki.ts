/** The lab's keys on disk: made at the first start, read again at the next ones, so that kubeconfigs stay good. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MASTERS } from './caller.ts';
import { type KeyPair, LabAuthority } from './certificates.ts';

export type Pki = {
  readonly authority: LabAuthority;
  readonly caPem: string;
  readonly server: KeyPair;
  readonly admin: KeyPair;
  readonly tokenKeyPem: string;
};

/** Every name and address that clients in the lab and on its machine use (the lab's own addresses among them). */
const SERVER_NAMES = [
  '127.0.0.1',
  '::1',
  'localhost',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
  '10.96.0.1',
  '172.30.0.1',
  'fd00:30::1',
] as const;

const SECRET_MODE = 0o600;

/** Loads or makes everything under `stateDir/pki`. */
export async function loadPki(stateDir: string, extraNames: readonly string[], now: () => Date): Promise<Pki> {
  const dir = join(stateDir, 'pki');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const ca = readPair(dir, 'ca');
  const authority = ca === undefined ? await LabAuthority.create(now) : await LabAuthority.load(ca, now);
  if (ca === undefined) writePair(dir, 'ca', authority);
  const admin = readPair(dir, 'admin') ?? (await authority.client('kubernetes-admin', [MASTERS]));
  writePair(dir, 'admin', admin);
  return {
    authority,
    caPem: authority.certPem,
    // Made anew each time: names may have come, and nobody remembers it.
    server: await authority.server([...SERVER_NAMES, ...extraNames]),
    admin,
    tokenKeyPem: tokenKey(join(dir, 'token.key')),
  };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** In one step, so that a crash leaves the old file or the new one. */
function write(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: SECRET_MODE });
  renameSync(`${path}.new`, path);
}

function readPair(dir: string, name: string): KeyPair | undefined {
  const [certPem, keyPem] = [read(join(dir, `${name}.crt`)), read(join(dir, `${name}.key`))];
  return certPem === undefined || keyPem === undefined ? undefined : { certPem, keyPem };
}

function writePair(dir: string, name: string, pair: KeyPair): void {
  write(join(dir, `${name}.key`), pair.keyPem);
  write(join(dir, `${name}.crt`), pair.certPem);
}

function tokenKey(path: string): string {
  const known = read(path);
  if (known !== undefined) return known;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  write(path, pem);
  return pem;
}
