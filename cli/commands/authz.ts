import type { Command } from 'commander';
import { addAuthzDiff } from '../authz/diff-command.ts';
import { addAuthzSuggest } from '../authz/suggest-command.ts';
import { addAuthzTest } from '../authz/test-command.ts';
import type { CliContext } from '../context.ts';

export function addAuthz(program: Command, context: CliContext): void {
  const group = program
    .command('authz')
    .summary('try authorization policies before they hurt')
    .description(
      'Works on AuthorizationPolicies before they are applied: tests for CI, what a change would cut, what to begin with.',
    );
  addAuthzTest(group, context);
  addAuthzDiff(group, context);
  addAuthzSuggest(group, context);
}
