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

/** For commands whose exit codes are answers: what fails has one of its own, so that nobody takes it for one. */
export class NoAnswer extends CliError {
  /** Where 1 and 2 are answers. */
  static readonly exitCode = 3;
  override readonly name = 'NoAnswer';
  override readonly exitCode: number;

  constructor(message: string, options: ErrorOptions, exitCode: number) {
    super(message, options);
    this.exitCode = exitCode;
  }

  /** Runs a command; a CliError of any kind becomes one of this kind. */
  static async insteadOf(command: () => Promise<void>, exitCode: number = NoAnswer.exitCode): Promise<void> {
    try {
      await command();
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      const hint = error instanceof UsageError ? '\nSee --help.' : '';
      throw new NoAnswer(error.message + hint, { cause: error }, exitCode);
    }
  }
}
