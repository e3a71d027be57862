/** One look at a container, as its probe or its hook describes it. Network ones come from the node's namespace. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Container, Handler, HttpGet } from './pod.ts';
import { failed, OK, type Outcome } from './probe-outcome.ts';

export type ActionContext = {
  readonly container: Container;
  readonly podIp: string;
  /** Runs a command in the container; its exit code and output. */
  readonly exec: (
    command: readonly string[],
    signal: AbortSignal,
  ) => Promise<{ readonly code: number; readonly output: string }>;
};

/** Never throws: what goes wrong is the outcome. */
export async function act(handler: Handler, context: ActionContext, timeoutMs: number): Promise<Outcome> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    if (handler.exec) {
      const { code, output } = await context.exec(handler.exec.command ?? [], signal);
      return code === 0 ? OK : failed(output.trim() || `exit code ${code}`);
    }
    if (handler.httpGet) return await http(handler.httpGet, context, signal);
    if (handler.tcpSocket) {
      return await tcp(
        handler.tcpSocket.host ?? context.podIp,
        portOf(handler.tcpSocket.port, context.container),
        signal,
      );
    }
    if (handler.grpc) {
      const { checkGrpcHealth } = await import('./grpc-health.ts'); // loaded by the few nodes that need it
      return await checkGrpcHealth(context.podIp, handler.grpc.port, handler.grpc.service ?? '', timeoutMs);
    }
    if (handler.sleep) await sleep(handler.sleep.seconds * 1000, undefined, { signal });
    return OK;
  } catch (error) {
    if (signal.aborted) return failed(`no answer within ${timeoutMs / 1000} s`);
    return failed(error instanceof Error ? error.message : String(error));
  }
}

function portOf(port: number | string, container: Container): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find(({ name }) => name === port);
  if (named === undefined) throw new Error(`container ${container.name} has no port named "${port}"`);
  return named.containerPort;
}

function http(get: HttpGet, { container, podIp }: ActionContext, signal: AbortSignal): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const request = get.scheme === 'HTTPS' ? httpsRequest : httpRequest;
  const headers = Object.fromEntries((get.httpHeaders ?? []).map(({ name, value }) => [name, value]));
  const port = portOf(get.port, container);
  request(
    {
      host: get.host ?? podIp,
      port,
      path: get.path ?? '/',
      headers: { 'user-agent': 'kube-probe/1.35', accept: '*/*', connection: 'close', ...headers },
      rejectUnauthorized: false, // probes ask whether it lives, not who it is (as upstream)
      agent: false,
      signal,
    },
    (response) => {
      const status = response.statusCode ?? 0;
      response.destroy();
      const why = `HTTP probe failed with statuscode: ${status}`;
      resolve(status >= 200 && status < 400 ? OK : failed(why));
    },
  )
    .on('error', reject)
    .end();
  return promise;
}

function tcp(host: string, port: number, signal: AbortSignal): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const socket = connect({ host, port });
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  socket.once('connect', () => resolve(OK)).once('error', reject);
  return promise.finally(() => {
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
  });
}
