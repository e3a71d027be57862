import { existsSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type LogQuery, readLog } from '../container-log.ts';
import type { PodWorker } from '../pod-worker.ts';
import { HttpProblem } from './http-problem.ts';

const isTrue = (text: string | null) => text === 'true' || text === '1';

/** `GET …/log` of the Kubernetes API; what it asks for is in the query under the same names. */
export async function serveLog(
  worker: PodWorker,
  container: string,
  query: URLSearchParams,
  response: ServerResponse,
): Promise<void> {
  const runner = worker.runner(container);
  if (runner === undefined)
    throw new HttpProblem(404, `container ${container} is not in pod ${worker.pod.metadata.name}`);
  const previous = isTrue(query.get('previous'));
  const path = previous ? runner.logs.previous : runner.logs.current;
  if (path === undefined || !existsSync(path)) {
    if (previous)
      throw new HttpProblem(
        400,
        `previous terminated container "${container}" in pod "${worker.pod.metadata.name}" not found`,
      );
    const { state } = runner.status;
    const why = 'waiting' in state ? state.waiting.reason : 'not started';
    throw new HttpProblem(
      400,
      `container "${container}" in pod "${worker.pod.metadata.name}" is waiting to start: ${why}`,
    );
  }
  const live = runner.current?.log;
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const wanted: LogQuery = {
    ...number(query, 'tailLines', 'tailLines'),
    ...number(query, 'limitBytes', 'limitBytes'),
    ...since(query),
    timestamps: isTrue(query.get('timestamps')),
    ...(isTrue(query.get('follow')) && !previous && live?.path === path ? { follow: live } : {}),
  };
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.flushHeaders(); // a follower of a quiet container waits for nothing else
  try {
    await pipeline(Readable.from(readLog(path, wanted, gone.signal), { objectMode: false }), response);
  } catch (error) {
    if (!gone.signal.aborted) throw error; // the reader hung up: its right
  }
}

function number(query: URLSearchParams, name: string, as: 'tailLines' | 'limitBytes'): Pick<LogQuery, typeof as> {
  const text = query.get(name);
  if (text === null) return {};
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new HttpProblem(400, `${name}="${text}" is not a whole number`);
  return { [as]: value };
}

function since(query: URLSearchParams): Pick<LogQuery, 'sinceMs'> {
  const seconds = query.get('sinceSeconds');
  const time = query.get('sinceTime');
  if (seconds !== null) return { sinceMs: Date.now() - Number(seconds) * 1000 };
  return time === null ? {} : { sinceMs: Date.parse(time) };
}
