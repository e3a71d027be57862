/** Something is wrong with what was found or done: exit code 1, one line. */
export class CliError extends Error {
  override readonly name: string = 'CliError';
  readonly exitCode: number = 1;
}

/** Something is wrong with how the command was used: exit code 2, one line and a hint at --help. */
export class UsageError extends CliError {
  override readonly name = 'UsageError';
  override readonly exitCode = 2;
}
