/** Talks to the node agent over its UNIX sockets. */
import { request } from 'node:http';
import { join } from 'node:path';
import { AGENT_REFUSED, CniError, TRY_AGAIN } from './cni-error.ts';
import type { AddEvent } from './event.ts';

const EVENT_TIMEOUT_MS = 5_000;
const LOG_TIMEOUT_MS = 1_000;
const MAX_REPLY_BYTES = 1 << 20;

/**
 * Asks the agent to enrol the pod, and returns when it is done.
 * @throws CniError 11 when the agent can't be reached in time, 100 with its words when it refuses.
 */
export async function sendAddEvent(runDir: string, event: AddEvent, timeoutMs = EVENT_TIMEOUT_MS): Promise<void> {
  const path = join(runDir, 'pluginevent.sock');
  let reply: { readonly status: number; readonly body: string };
  try {
    reply = await post(path, '/cmdadd', JSON.stringify(event), timeoutMs);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CniError(TRY_AGAIN, `the mesh's node agent does not answer on ${path}: ${why}`, '', { cause });
  }
  if (reply.status === 200) return;
  throw new CniError(AGENT_REFUSED, `the mesh's node agent refused the pod (${reply.status}): ${reply.body.trim()}`);
}

/** Hands log lines to the agent. Best effort: a lost line must not keep a pod from starting. */
export async function sendLogs(runDir: string, lines: readonly string[]): Promise<void> {
  try {
    await post(join(runDir, 'log.sock'), '/log', JSON.stringify(lines), LOG_TIMEOUT_MS);
  } catch {
    // The lines are in the log file and on standard error as well.
  }
}

function post(socketPath: string, path: string, body: string, timeoutMs: number) {
  const { promise, resolve, reject } = Promise.withResolvers<{ readonly status: number; readonly body: string }>();
  const call = request(
    {
      socketPath,
      path,
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), host: 'unix' },
      signal: AbortSignal.timeout(timeoutMs),
      agent: false,
    },
    (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        if (size < MAX_REPLY_BYTES) chunks.push(chunk);
        size += chunk.length;
      });
      response.once('end', () => {
        const text = Buffer.concat(chunks).subarray(0, MAX_REPLY_BYTES).toString();
        resolve({ status: response.statusCode ?? 0, body: text });
      });
      response.once('error', reject);
    },
  );
  call.once('error', (error) =>
    reject(error.name === 'AbortError' ? new Error(`no answer in ${timeoutMs} ms`) : error),
  );
  call.end(body);
  return promise;
}
