type SignalSource = Pick<NodeJS.EventEmitter, 'on' | 'off'>;

/** A request to stop, however it came. Disposing takes the signal handlers away again. */
export interface Shutdown extends Disposable {
  /** Aborts once somebody asked to stop; its reason is an Error that says who. */
  readonly signal: AbortSignal;
  /** Resolves with the reason, for example `SIGTERM`. */
  readonly requested: Promise<string>;
  /** Asks to stop from inside the process. Later requests change nothing. */
  request(why: string): void;
}

/**
 * Listens for SIGTERM and SIGINT. The first one asks for a drain; a second SIGINT is an impatient person at a terminal
 * and ends the process at once with status 0.
 */
export function onShutdown(
  handler: (why: string) => void = () => {},
  source: SignalSource = process,
  exit: (code: number) => void = process.exit,
): Shutdown {
  const abort = new AbortController();
  const { promise, resolve } = Promise.withResolvers<string>();
  const request = (why: string): void => {
    if (abort.signal.aborted) return;
    abort.abort(new Error(`shutdown requested: ${why}`));
    resolve(why);
    handler(why);
  };
  let interrupts = 0;
  const onTerm = () => request('SIGTERM');
  const onInt = () => {
    interrupts += 1;
    if (interrupts > 1) exit(0);
    else request('SIGINT');
  };
  source.on('SIGTERM', onTerm);
  source.on('SIGINT', onInt);
  return {
    signal: abort.signal,
    requested: promise,
    request,
    [Symbol.dispose]() {
      source.off('SIGTERM', onTerm);
      source.off('SIGINT', onInt);
    },
  };
}
