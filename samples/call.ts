/**
 * Calls a sample service and prints the answer; what a person uses by `kubectl exec`.
 *
 *   call http://cart.shop:8080/items          one request
 *   call tcp://ledger.shop:9000 hello         greeting and echo
 *   call grpc://price.shop:9090 apples        one call
 *   call http://cart.shop:8080/ --for 20s     a connection every 20 ms for 20 s, then how many failed
 *
 * Exit code: 0 all answered, 1 something failed, 2 wrong use.
 */
import { request } from 'node:http';
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import { say } from './echo-service.ts';

const USAGE =
  'use: call http://HOST:PORT/PATH | tcp://HOST:PORT TEXT | grpc://HOST:PORT TEXT [--timeout 3s] [--for DURATION]';
const PAUSE_MS = 20;

/** As `parseArgs`, with a wrong flag said in one line. */
const parse: typeof parseArgs = (config) => {
  try {
    return parseArgs(config);
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
};

function seconds(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s)?$/.exec(text);
  if (!match) fail(`${flag} wants a duration such as 3s, not ${text}`);
  return Number(match?.[1]) * (match?.[2] === 'ms' ? 1 : 1000);
}

function fail(message: string): never {
  console.error(`call: ${message}\n${USAGE}`);
  process.exit(2);
}

function http(url: URL, timeoutMs: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // One connection a call: a kept-alive one would hide what a new connection meets.
  const call = request(url, { agent: false, timeout: timeoutMs, headers: { connection: 'close' } }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8').trimEnd()));
  });
  call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)));
  call.on('error', reject);
  call.end();
  return promise;
}

function tcp(url: URL, text: string, timeoutMs: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port), timeout: timeoutMs });
  let answer = '';
  socket.on('connect', () => socket.end(`${text}\n`));
  socket.on('data', (chunk) => {
    answer += chunk.toString('utf8');
  });
  socket.on('timeout', () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)));
  socket.on('error', reject);
  socket.on('close', () =>
    answer.includes(text) ? resolve(answer.trimEnd()) : reject(new Error('the connection was closed before an answer')),
  );
  return promise;
}

function callOnce(url: URL, text: string, timeoutMs: number): Promise<string> {
  switch (url.protocol) {
    case 'http:':
      return http(url, timeoutMs);
    case 'tcp:':
      return tcp(url, text, timeoutMs);
    case 'grpc:':
      return say(url.host, text, timeoutMs);
    default:
      return fail(`cannot speak ${url.protocol}//`);
  }
}

/** A name with several addresses fails with one error for each, and none of its own. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

async function callFor(url: URL, text: string, timeoutMs: number, durationMs: number): Promise<number> {
  const end = performance.now() + durationMs;
  let answered = 0;
  const failures = new Map<string, number>();
  while (performance.now() < end) {
    try {
      await callOnce(url, text, timeoutMs);
      answered += 1;
    } catch (error) {
      const reason = reasonOf(error);
      failures.set(reason, (failures.get(reason) ?? 0) + 1);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  const failed = [...failures.values()].reduce((sum, n) => sum + n, 0);
  console.log(`${answered} answered, ${failed} failed`);
  for (const [reason, times] of failures) console.log(`  ${times} times: ${reason}`);
  return failed === 0 && answered > 0 ? 0 : 1;
}

const { values, positionals } = parse({
  allowPositionals: true,
  options: {
    timeout: { type: 'string', default: '3s' },
    for: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
  strict: true,
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const [target, text = 'hello'] = positionals;
if (target === undefined || !URL.canParse(target)) fail(`not an address: ${target ?? '(none)'}`);
const url = new URL(target);
const timeoutMs = seconds(values.timeout, '--timeout');
if (values.for !== undefined) {
  process.exitCode = await callFor(url, text, timeoutMs, seconds(values.for, '--for'));
} else {
  try {
    console.log(await callOnce(url, text, timeoutMs));
  } catch (error) {
    console.error(`call: ${target} failed: ${reasonOf(error)}`);
    process.exitCode = 1;
  }
}
