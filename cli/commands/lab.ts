import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { CliError } from '../errors.ts';

const LAB = join(import.meta.dirname, '../../lab/lab.ts');

/** The lab is a program of its own: this process becomes it, so that signals, terminal and exit code are its own. */
export function addLab(program: Command): void {
  program
    .command('lab [arguments...]')
    .summary('a Kubernetes-like cluster on this machine: up, down, status, kubeconfig, image, capture')
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .action((args: readonly string[]) => {
      if (!existsSync(LAB)) throw new CliError('this package comes without the lab; use a checkout of the sources');
      if (process.execve === undefined) throw new CliError('this platform cannot run the lab');
      const env = Object.fromEntries(
        Object.entries(process.env).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])),
      );
      process.execve(process.execPath, [process.execPath, ...process.execArgv, LAB, ...args], env);
    });
}
