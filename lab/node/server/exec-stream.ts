/** `kubectl exec` and `attach`: a program in a container, joined to the channels of a WebSocket. */
import type { ChildProcess } from 'node:child_process';
import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable, Writable } from 'node:stream';
import { ended } from '../../run.ts';
import { execPlan, startExec } from '../exec.ts';
import type { PodWorker } from '../pod-worker.ts';
import { Terminal } from '../terminal.ts';
import { CHANNEL, Channels } from './channels.ts';
import { HttpProblem } from './http-problem.ts';

export type ExecRequest = {
  readonly what: 'exec' | 'attach';
  readonly worker: PodWorker;
  readonly container: string;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
};

const isTrue = (text: string | null) => text === 'true' || text === '1';

/** What the channels are joined to. */
type Program = {
  readonly stdin: Writable | undefined;
  readonly outputs: readonly (readonly [channel: number, stream: Readable])[];
  readonly resize: (columns: number, rows: number) => void;
  /** Exit code; undefined when it is not this program's end that ends the stream. */
  readonly done: Promise<number | undefined>;
  readonly abandon: () => void;
};

export async function serveExec(r: ExecRequest): Promise<void> {
  const target = r.worker.execTarget(r.container);
  if (target === undefined) {
    if (r.worker.runner(r.container) === undefined) throw new HttpProblem(404, `there is no container ${r.container}`);
    throw new HttpProblem(400, `container ${r.container} is not running`);
  }
  let program: Program | undefined;
  // Input may come before the program has started: it is kept in the WebSocket, which is paused until then.
  const channels = await Channels.accept(r.request, r.socket, r.head, {
    data: (channel, bytes) => {
      if (channel === CHANNEL.stdin && program?.stdin && !program.stdin.write(bytes)) {
        channels.pause();
        program.stdin.once('drain', () => channels.resume());
      }
      if (channel === CHANNEL.resize) resize(program, bytes);
    },
    end: (channel) => channel === CHANNEL.stdin && program?.stdin?.end(),
    close: () => program?.abandon(),
  });
  channels.pause();
  try {
    program = r.what === 'exec' ? await execute(r, target) : attach(r);
    channels.resume();
    const flows = program.outputs.map(([channel, stream]) => flow(stream, channels.writable(channel)));
    const code = await program.done;
    await Promise.all(flows);
    channels.send(CHANNEL.status, Buffer.from(status(channels, code ?? 0)));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    channels.send(CHANNEL.status, Buffer.from(failure(channels, { reason: 'InternalError', message, code: 500 })));
  } finally {
    channels.resume();
    channels.close();
  }
}

async function execute({ query, worker: _ }: ExecRequest, target: Parameters<typeof execPlan>[0]): Promise<Program> {
  const [first, ...rest] = query.getAll('command');
  if (first === undefined) throw new HttpProblem(400, 'exec: no command was given');
  const tty = isTrue(query.get('tty'));
  const plan = execPlan(target, [first, ...rest], tty ? { TERM: target.plan.env['TERM'] ?? 'xterm' } : {});
  if (tty) return onTerminal(plan, target.netns);
  const stdin = isTrue(query.get('stdin'));
  const child = await startExec(plan, target.netns, [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe']);
  child.stdin?.on('error', () => {}); // it ended without reading all
  return {
    stdin: child.stdin ?? undefined,
    outputs: [
      ...(child.stdout ? [[CHANNEL.stdout, child.stdout] as const] : []),
      ...(child.stderr ? [[CHANNEL.stderr, child.stderr] as const] : []),
    ],
    resize: () => {},
    done: exitCode(child),
    abandon: () => child.kill('SIGKILL'),
  };
}

async function onTerminal(plan: ReturnType<typeof execPlan>, netns: Parameters<typeof startExec>[1]): Promise<Program> {
  const terminal = new Terminal();
  try {
    const child = await startExec({ ...plan, terminal: true }, netns, [terminal.slave, terminal.slave, terminal.slave]);
    return {
      stdin: terminal.stream,
      outputs: [[CHANNEL.stdout, terminal.stream]],
      resize: (columns, rows) => terminal.resize(columns, rows),
      done: exitCode(child),
      abandon: () => child.kill('SIGHUP'), // what programs expect when their terminal goes away
    };
  } catch (error) {
    terminal.stream.destroy();
    throw error;
  } finally {
    terminal.handOver();
  }
}

/** Joins the container's own process: its output from now on, and its input if it has one. */
function attach({ worker, container, query }: ExecRequest): Program {
  const process = worker.runner(container)?.current?.process;
  if (process === undefined) throw new HttpProblem(400, `container ${container} is not running`);
  const gone = Promise.withResolvers<undefined>();
  const outputs = process.tapOutput();
  return {
    stdin: isTrue(query.get('stdin')) ? process.stdin : undefined,
    outputs: [
      [CHANNEL.stdout, outputs.stdout],
      [CHANNEL.stderr, outputs.stderr],
    ],
    resize: (columns, rows) => process.terminal?.resize(columns, rows),
    // The end of the container is no failure of the attachment: kubectl reads the exit code from the pod's status.
    done: Promise.race([process.exited.then(() => undefined), gone.promise]).finally(() => outputs.end()),
    abandon: () => gone.resolve(undefined),
  };
}

async function exitCode(child: ChildProcess): Promise<number> {
  const over = child.exitCode !== null || child.signalCode !== null;
  const [code] = over ? [child.exitCode] : await ended(child);
  return code ?? 137;
}

/** Until the stream ends; a terminal ends with an error, and a container's grandchildren may keep a pipe open. */
function flow(from: Readable, to: Writable): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  from.once('close', () => to.end(resolve));
  from.pipe(to, { end: false });
  return promise;
}

function resize(program: Program | undefined, bytes: Buffer): void {
  try {
    const { Width, Height } = JSON.parse(bytes.toString()) as { readonly Width?: number; readonly Height?: number };
    if (Width !== undefined && Height !== undefined) program?.resize(Width, Height);
  } catch {
    // not a size: a client's mistake that harms nobody
  }
}

function status(channels: Channels, code: number): string {
  if (code === 0) return channels.hasStatusObject ? '{"metadata":{},"status":"Success"}' : '';
  const message = `command terminated with non-zero exit code: ${code}`;
  const causes = [{ reason: 'ExitCode', message: String(code) }];
  return failure(channels, { reason: 'NonZeroExitCode', message, details: { causes } });
}

const failure = (channels: Channels, what: { readonly message: string } & Readonly<Record<string, unknown>>): string =>
  channels.hasStatusObject ? JSON.stringify({ metadata: {}, status: 'Failure', ...what }) : what.message;
