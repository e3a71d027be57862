import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { CliError } from '../errors.ts';

const LAB = join(import.meta.dirname, '../../lab/lab.ts');

/** The lab is a program of its own: the command hands over, with its arguments and its terminal. */
export function addLab(program: Command, context: CliContext): void {
  program
    .command('lab [arguments...]')
    .summary('a Kubernetes-like cluster on this machine: up, down, status, kubeconfig, image, capture')
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .action(async (args: readonly string[]) => {
      if (!existsSync(LAB)) throw new CliError('this package comes without the lab; use a checkout of the sources');
      context.setExitCode(await runLab(args));
    });
}

function runLab(args: readonly string[]): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const child = spawn(process.execPath, [...process.execArgv, LAB, ...args], { stdio: 'inherit' });
  child.on('error', reject);
  child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  return promise;
}
