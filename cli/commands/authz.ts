import type { Command } from 'commander';
import { addAuthzTest } from '../authz/test-command.ts';
import type { CliContext } from '../context.ts';

export function addAuthz(program: Command, context: CliContext): void {
  const group = program
    .command('authz')
    .summary('try authorization policies before they hurt')
    .description('Works on AuthorizationPolicies before they are applied: tests for CI.');
  addAuthzTest(group, context);
}
