import { spawn } from 'node:child_process';

export type Result = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type RunOptions = {
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
  /** Called with each piece of output as it comes. */
  readonly onOutput?: (text: string) => void;
};

/** Runs a program to its end and returns what it said. Rejects when it cannot be started or passes its deadline. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  const deadlineMs = options.deadlineMs ?? 60_000;
  const child = spawn(command, args, {
    env: options.env ?? process.env,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    options.onOutput?.(text);
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    options.onOutput?.(text);
  });
  child.stdin?.on('error', () => undefined); // the program may end without reading all of it
  child.stdin?.end(options.input);
  const timer = setTimeout(() => {
    child.kill('SIGKILL');
    reject(new Error(`${command} ${args.join(' ')}: no end within ${deadlineMs / 1000} s\n${stdout}${stderr}`));
  }, deadlineMs);
  child.on('error', (error) => {
    clearTimeout(timer);
    reject(error);
  });
  child.on('close', (code) => {
    clearTimeout(timer);
    resolve({ code: code ?? 1, stdout, stderr });
  });
  return promise;
}

/** As `run`, and an exit code other than 0 rejects with what the program said. */
export async function must(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await run(command, args, options);
  if (result.code !== 0) {
    throw new Error(
      `${command} ${args.join(' ')}: exit code ${result.code}\n${result.stderr}${result.stdout}`.trimEnd(),
    );
  }
  return result.stdout;
}

/** Asks again until the answer is there. Rejects with the last reason at the deadline. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>, deadlineMs = 30_000): Promise<T> {
  const end = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      throw new Error(`${what}: not within ${deadlineMs / 1000} s${last instanceof Error ? `: ${last.message}` : ''}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
