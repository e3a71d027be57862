/** The ports of a pod's proxy. */
import { type KeepAlive, KernelError, listenTcp, type TcpConnection, TcpListener } from '../../core/net/index.ts';
import type { PodProxyDeps } from './pod-proxy-types.ts';

export type Port = {
  readonly port: number;
  readonly serve: (connection: TcpConnection) => void;
  /** What accepted connections inherit. */
  readonly keepAlive: KeepAlive | undefined;
  /** Only the pod itself calls here. */
  readonly isLocal: boolean;
};

export type Listeners = {
  /** Whether all of them may speak with addresses that are not the pod's. */
  readonly canSpoof: boolean;
  /** What is new from now on is a successor's, if there is one; what was half open may still come. */
  leave(): void;
  /** What waits in the kernel is still served; nothing comes after it. */
  close(): void;
};

/** Binds every port or none. Throws the kernel's reason, which names the port. */
export function listen(deps: PodProxyDeps, ports: readonly Port[]): Listeners {
  const { config, observe } = deps;
  const listeners: TcpListener[] = [];
  let canSpoof = config.originalSource !== 'never';
  try {
    for (const at of ports) {
      const { fd, transparent } = bind(deps, at, canSpoof);
      canSpoof &&= transparent;
      const onError = (error: Error) => observe.warn('a listener complains', { port: at.port, error: error.message });
      listeners.push(new TcpListener(fd, at.serve, { perTurn: config.maxAcceptsPerTurn, onError }));
    }
  } catch (error) {
    for (const listener of listeners) listener[Symbol.dispose]();
    throw error;
  }
  return {
    canSpoof,
    leave() {
      for (const listener of listeners) listener.leave();
    },
    close() {
      for (const listener of listeners) listener.finish();
    },
  };
}

function bind(deps: PodProxyDeps, at: Port, transparent: boolean): { fd: number; transparent: boolean } {
  const { config, netns, observe } = deps;
  const { port, keepAlive, isLocal } = at;
  const options = {
    port,
    isLocal,
    ip: config.ipv6 ? '::' : '0.0.0.0',
    reusePort: config.reusePort,
    ...(netns && { netns }),
    ...(keepAlive && { keepAlive }),
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
