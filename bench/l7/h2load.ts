/** HTTP load, by h2load of nghttp2: what was answered, how fast. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { endWithUs } from '../../test/support/leftovers.ts';

export type HttpLoad = {
  readonly version: 1 | 2;
  readonly connections: number;
  /** Requests at once on each connection. */
  readonly streams: number;
  readonly path: string;
  readonly seconds: number;
  /** Requests a second in all; else each is sent when the one before it is answered. */
  readonly rate?: number;
};
/** Percentiles in microseconds. */
export type HttpResult = { readonly requests: number; readonly p50: number; readonly p99: number };

/** Far above what any mode takes: a proxy that hangs ends the measurement, not the run. */
const GRACE_MS = 20_000;
const MAX_SAID_CHARS = 400;

/** Why there can be no load here, or undefined. */
export const withoutH2load = (): string | undefined =>
  spawnSync('h2load', ['--version']).status === 0 ? undefined : 'no h2load on the PATH (Debian: nghttp2-client)';

/** @throws Error when anything but 200 came, or nothing. */
export async function httpLoad(scratch: string, port: number, o: HttpLoad): Promise<HttpResult> {
  const log = join(scratch, `h2load-${port}.log`);
  const args = [
    ...(o.version === 1 ? ['--h1'] : []),
    ...['-t1', `-c${o.connections}`, `-m${o.streams}`, `-D${Math.round(o.seconds * 1000)}ms`, `--log-file=${log}`],
    ...(o.rate === undefined ? [] : [`--rps=${o.rate / o.connections}`]),
    ...['-H', 'user-agent: bench', '-H', 'accept: */*', `http://127.0.0.1:${port}${o.path}`],
  ];
  const child = spawn('h2load', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  endWithUs(child);
  const patience = setTimeout(() => child.kill('SIGKILL'), o.seconds * 1000 + GRACE_MS);
  let text = '';
  for await (const piece of child.stdout.setEncoding('utf8')) text += piece;
  clearTimeout(patience);
  try {
    return parseLog(readFileSync(log, 'latin1'));
  } catch (error) {
    if (error instanceof Error) error.message += `; h2load: ${text.slice(-MAX_SAID_CHARS)}`;
    throw error;
  } finally {
    rmSync(log, { force: true });
  }
}

/** Nothing was answered in time. */
export class NothingAnswered extends Error {}

/** Lines of start, status and duration, by tabs. What the end of the run cut off has no line. */
export function parseLog(text: string): HttpResult {
  const times: number[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, status, micros] = line.split('\t');
    if (status !== '200') throw new Error(`a request was answered with ${status}`);
    times.push(Number(micros));
  }
  if (times.length === 0) throw new NothingAnswered('nothing was answered');
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
  return { requests: times.length, p50: at(0.5), p99: at(0.99) };
}
