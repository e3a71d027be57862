/** The ports of a pod's proxy. */
import type { Server, Socket } from 'node:net';
import { KernelError, listenTcp, serveFd } from '../../core/net/index.ts';
import type { PodProxyDeps } from './pod-proxy-types.ts';
import { TurnQueue } from './turn-queue.ts';

export type Listeners = {
  /** Whether all of them may speak with addresses that are not the pod's. */
  readonly canSpoof: boolean;
  close(): Promise<void>;
};

/** Binds every port or none. Rejects with the kernel's reason, which names the port. */
export async function listen(
  deps: PodProxyDeps,
  handlers: readonly (readonly [port: number, serve: (socket: Socket) => void])[],
): Promise<Listeners> {
  const servers: Server[] = [];
  const close = async () => {
    await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  };
  let canSpoof = deps.config.originalSource !== 'never';
  try {
    for (const [port, serve] of handlers) {
      const { fd, transparent } = bind(deps, port, canSpoof);
      canSpoof &&= transparent;
      const queue = new TurnQueue(deps.config.maxAcceptsPerTurn, serve);
      const onError = (error: Error) => deps.observe.warn('a listener complains', { port, error: error.message });
      servers.push(await serveFd(fd, (socket) => queue.push(socket), { onError }));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { canSpoof, close };
}

function bind(deps: PodProxyDeps, port: number, transparent: boolean): { fd: number; transparent: boolean } {
  const { config, netns, observe } = deps;
  const options = {
    port,
    ip: config.ipv6 ? '::' : '0.0.0.0',
    reusePort: config.reusePort,
    ...(netns && { netns }),
    // In a dedicated proxy's own namespace only outgoing sockets are marked (ztunnel.md section 1.3).
    ...(netns && config.mark !== undefined && { mark: config.mark }),
  };
  try {
    return { fd: listenTcp({ ...options, transparent }), transparent };
  } catch (error) {
    const mayDoWithout = transparent && config.originalSource === 'auto';
    if (!mayDoWithout || !(error instanceof KernelError) || error.syscall !== 'setsockopt') throw error;
    observe.warn('source addresses can not be kept', { port, error: error.message });
    return { fd: listenTcp({ ...options, transparent: false }), transparent: false };
  }
}
