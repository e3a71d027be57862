/** The `ambit` command. */
import type { Cluster } from './cluster.ts';
import type { CliContext } from './context.ts';
import { kubeCluster } from './kube-cluster.ts';
import { buildProgram, runProgram } from './program.ts';

const out = (text: string) => process.stdout.write(`${text}\n`);
const say = (line: string) => process.stderr.write(`${line}\n`);
// A reader that has seen enough (`ambit status | head -1`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

let connected: (Cluster & AsyncDisposable) | undefined;
let exitCode = 0;
const context: CliContext = {
  out,
  say,
  cluster: () => {
    const { kubeconfig, context: name } = program.opts<{ kubeconfig?: string; context?: string }>();
    connected ??= kubeCluster({ kubeconfig, context: name, env: process.env });
    return connected;
  },
  interrupted: () => {
    const controller = new AbortController();
    process.once('SIGINT', () => controller.abort());
    return controller.signal;
  },
  isTerminal: process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined,
  setExitCode: (code) => {
    exitCode = code;
  },
};
const program = buildProgram(context, {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
});
const code = await runProgram(program, process.argv.slice(2), say);
await connected?.[Symbol.asyncDispose]();
process.exitCode = code === 0 ? exitCode : code;
