/** What the sample services share. */

/** NAME, or what the machine is called. */
export function serviceName(env: NodeJS.ProcessEnv, fallback: string): string {
  return env['NAME'] ?? fallback;
}

/** PORT, or the given one; 0 takes a free one. Throws on anything that is not a port. */
export function portFromEnv(env: NodeJS.ProcessEnv, fallback: number): number {
  const text = env['PORT'];
  if (text === undefined) return fallback;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`PORT is not a port number: ${text}`);
  return port;
}

/** FAIL_EVERY: which requests are answered 503; Infinity without it: none. Throws on anything that is not a count. */
export function failEveryFromEnv(env: NodeJS.ProcessEnv): number {
  const text = env['FAIL_EVERY'];
  if (text === undefined) return Number.POSITIVE_INFINITY;
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`FAIL_EVERY is not a count: ${text}`);
  return Number(text);
}

/** The peer's address; an IPv4 peer of a dual-stack socket in its own form. */
export function peerName(address: string | undefined): string {
  return (address ?? 'unknown').replace(/^::ffff:/, '');
}

/** Ends the process in order: stop listening, let open work finish, then go. */
export function drainOnSigterm(close: () => void): void {
  process.once('SIGTERM', () => {
    close();
    setTimeout(() => process.exit(0), 1_000).unref();
  });
}
