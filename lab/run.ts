import { type ChildProcess, spawn } from 'node:child_process';
import { MeshError } from '../mesh/index.ts';

export type RunOptions = {
  readonly input?: string;
  /** Default 10 s. */
  readonly deadlineMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Starts the process: in a namespace, say. Default `spawn`. */
  readonly start?: typeof spawn;
};

export type Ended = {
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
};

/** Runs a program to its end, whatever its exit code. Past the deadline it is killed. */
export async function runToEnd(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child: ChildProcess = (options.start ?? spawn)(command, args, {
    stdio: 'pipe',
    timeout: options.deadlineMs ?? 10_000,
    killSignal: 'SIGKILL',
    ...(options.env && { env: options.env }),
  });
  child.stdin?.on('error', () => {}); // a program that ends without reading its input is no error of ours
  child.stdin?.end(options.input ?? '');
  const [stdout, stderr, [code, signal]] = await Promise.all([
    collect(child.stdout),
    collect(child.stderr),
    ended(child),
  ]);
  return { code: code ?? undefined, signal: signal ?? undefined, stdout, stderr };
}

/**
 * Runs a program that must succeed; gives its standard output.
 * @throws MeshError COMMAND_FAILED with what it said.
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, signal, stdout, stderr } = await runToEnd(command, args, options);
  if (code === 0) return stdout;
  const how = signal === undefined ? `exit code ${code}` : `ended by ${signal}`;
  throw new MeshError('COMMAND_FAILED', `${command} ${args.join(' ')}: ${how}: ${stderr.trim() || stdout.trim()}`);
}

/** Runs lines of ip-batch(8); the first that fails ends it. */
export async function ipBatch(args: readonly string[], lines: readonly string[]): Promise<void> {
  await run('ip', [...args, '-batch', '-'], { input: lines.join('\n') });
}

/** Resolves when the process is gone, rejects when it never started. */
export function ended(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  const { promise, resolve, reject } = Promise.withResolvers<[number | null, NodeJS.Signals | null]>();
  child.once('error', reject);
  child.once('exit', (code, signal) => resolve([code, signal]));
  return promise;
}

async function collect(stream: NodeJS.ReadableStream | null): Promise<string> {
  const chunks: Buffer[] = [];
  if (stream) for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
