/**
 * Calls a sample service and prints the answer; what a person uses by `kubectl exec`.
 *
 *   call http://cart.shop:8080/items                       one request
 *   call http://cart.shop:8080/ -i --header 'x-beta: yes'  with a header; status and headers of the answer are shown, too
 *   call http://cart.shop:8080/ --times 50                 50 requests, then who answered how many, and what failed
 *   call http://cart.shop:8080/ --for 20s                  the same for 20 s, with a pause of 20 ms
 *   call ws://cart.shop:8080/live hello                    a message over WebSocket, and what comes back
 *   call grpc://price.shop:9090 apples                     one call of gRPC
 *   call tcp://ledger.shop:9000 hello                      greeting and echo
 *
 * Each call has a connection of its own. Exit code: 0 all answered, 1 something failed (a status of 400 and above, too), 2 wrong use.
 */
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import WebSocket from 'ws';
import { callHttp, HttpFailure, type HttpOptions } from './call-http.ts';
import { say } from './echo-service.ts';
import { type Call, callMany, reasonOf } from './tally.ts';

const USAGE = `use: call http://HOST:PORT/PATH [-i] [--method GET] [--header 'NAME: VALUE' …]
     call ws://HOST:PORT/PATH TEXT [--header …]
     call grpc://HOST:PORT TEXT [--header …]
     call tcp://HOST:PORT TEXT
  each with [--timeout 3s] and [--times COUNT | --for DURATION]`;

/** As `parseArgs`, with a wrong flag said in one line. */
const parse: typeof parseArgs = (config) => {
  try {
    return parseArgs(config);
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
};

function milliseconds(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s)?$/.exec(text);
  if (!match) fail(`${flag} wants a duration such as 3s, not ${text}`);
  return Number(match?.[1]) * (match?.[2] === 'ms' ? 1 : 1000);
}

function count(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) fail(`--times wants a number such as 50, not ${text}`);
  return Number(text);
}

/** `x-beta: yes`, and `x-beta=yes` as `ambit why` takes it, too. */
function headersOf(texts: readonly string[]): Readonly<Record<string, string>> {
  const pairs = texts.map((text) => {
    const match = /^([\w!#$%&'*+.^`|~-]+)\s*[:=]\s*(.*)$/.exec(text);
    return match ? ([match[1] ?? '', match[2] ?? ''] as const) : fail(`--header wants 'NAME: VALUE', not ${text}`);
  });
  return Object.fromEntries(pairs);
}

function fail(message: string): never {
  console.error(`call: ${message}\n${USAGE}`);
  process.exit(2);
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

/** The first message that comes back. */
function webSocket(url: URL, text: string, { headers, timeoutMs }: HttpOptions): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = new WebSocket(url, { headers, handshakeTimeout: timeoutMs });
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  socket.on('open', () => socket.send(text));
  socket.on('message', (data) => resolve(String(data)));
  socket.on('error', reject);
  socket.on('close', () => reject(new Error('the connection was closed before an answer')));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.terminate();
  });
}

function callOf(url: URL, text: string, options: HttpOptions): Call {
  switch (url.protocol) {
    case 'http:':
      return () => callHttp(url, options);
    case 'ws:':
      return () => webSocket(url, text, options);
    case 'grpc:':
      return () => say(url.host, text, options);
    case 'tcp:':
      return () => tcp(url, text, options.timeoutMs);
    default:
      return fail(`cannot speak ${url.protocol}//`);
  }
}

const { values, positionals } = parse({
  allowPositionals: true,
  options: {
    include: { type: 'boolean', short: 'i', default: false },
    method: { type: 'string', default: 'GET' },
    header: { type: 'string', multiple: true, default: [] },
    timeout: { type: 'string', default: '3s' },
    times: { type: 'string' },
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
const call = callOf(new URL(target), text, {
  method: values.method,
  headers: headersOf(values.header),
  timeoutMs: milliseconds(values.timeout, '--timeout'),
  isHeadShown: values.include,
});
if (values.times !== undefined) {
  const times = count(values.times);
  process.exitCode = await callMany(call, (done) => done < times);
} else if (values.for !== undefined) {
  const end = performance.now() + milliseconds(values.for, '--for');
  process.exitCode = await callMany(call, () => performance.now() < end, 20);
} else {
  try {
    console.log(await call());
  } catch (error) {
    if (error instanceof HttpFailure && error.answer !== '') console.log(error.answer);
    console.error(`call: ${target} failed: ${reasonOf(error)}`);
    process.exitCode = 1;
  }
}
