import { Command, CommanderError } from 'commander';
import { ownVersion } from '../core/config/index.ts';
import { addAnalyze } from './commands/analyze.ts';
import { addAuthz } from './commands/authz.ts';
import { addEnroll } from './commands/enroll.ts';
import { addInstall } from './commands/install.ts';
import { addLab } from './commands/lab.ts';
import { addStatus } from './commands/status.ts';
import { addTap } from './commands/tap.ts';
import { addUninstall } from './commands/uninstall.ts';
import { addVersion } from './commands/version.ts';
import { addWaypoint } from './commands/waypoint.ts';
import { addWhy } from './commands/why.ts';
import { addZtunnelConfig } from './commands/ztunnel-config.ts';
import type { CliContext } from './context.ts';
import { CliError, NoAnswer, UsageError } from './errors.ts';

const HELP = `
First steps on one machine:
  ambit lab up
  export KUBECONFIG=$(ambit lab kubeconfig)
  ambit install
  ambit enroll default
  ambit status

Exit codes: 0 done, 1 a problem was found or something failed, 2 wrong use; \`ambit why\` has its own.`;

/** The whole command line, ready to parse. */
export function buildProgram(
  context: CliContext,
  write: { out: (text: string) => void; err: (text: string) => void },
): Command {
  const program = new Command('ambit')
    .description('Ambit: a service mesh without sidecars.')
    .version(ownVersion(), '-V, --version')
    .option('--kubeconfig <path>', 'the cluster to talk to (default: $KUBECONFIG, then ~/.kube/config)')
    .option('--context <name>', 'context of the kubeconfig')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .configureOutput({ writeOut: write.out, writeErr: write.err })
    .exitOverride()
    .addHelpText('after', HELP);
  const commands = [
    addInstall,
    addUninstall,
    addEnroll,
    addStatus,
    addAnalyze,
    addWhy,
    addAuthz,
    addWaypoint,
    addTap,
    addZtunnelConfig,
    addVersion,
  ];
  for (const add of commands) add(program, context);
  inherit(program);
  failWith(NoAnswer.exitCode, program, 'why');
  addLab(program); // last: it keeps its hands off --help, which is the lab's own
  return program;
}

/** Commander copies these settings to commands only when they are made; ours are made by functions of their own. */
function inherit(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    inherit(child);
  }
}

/** Wrong use of that command, as commander finds it, gets this exit code. */
function failWith(exitCode: number, program: Command, name: string): void {
  const command = program.commands.find((child) => child.name() === name);
  command?.exitOverride(({ exitCode: code, code: kind, message }) => {
    throw new CommanderError(code === 0 ? 0 : exitCode, kind, message);
  });
}

/** Parses, runs, and says what went wrong in one place. Returns the exit code. */
export async function runProgram(
  program: Command,
  argv: readonly string[],
  say: (line: string) => void,
): Promise<number> {
  try {
    await program.parseAsync(argv, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : Math.max(2, error.exitCode); // commander has said it already
    if (error instanceof UsageError) {
      say(`ambit: ${error.message}\nSee --help.`);
      return error.exitCode;
    }
    if (error instanceof CliError) {
      say(`ambit: ${error.message}`);
      return error.exitCode;
    }
    throw error;
  }
}
