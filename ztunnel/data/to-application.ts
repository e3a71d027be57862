/** The last step of everything inbound: a connection to the application that looks as if the caller made it. */
import { type DialOptions, KernelError, type TcpConnection } from '../../core/net/index.ts';
import { ipFamily, mustParseIp, type SocketAddress } from '../../mesh/index.ts';
import { dialFromPod, type Pod } from './pod.ts';

type Signal = NonNullable<DialOptions['signal']>;

/** Faults of speaking as another, not of the application. */
const SPOOFING_CALLS: ReadonlySet<string> = new Set(['bind', 'setsockopt']);

/**
 * Connects to the pod's own application. Where spoofing is not possible it warns and connects as itself, unless the
 * configuration says that the source address must be kept.
 */
export async function dialApplication(
  pod: Pod,
  from: SocketAddress,
  target: SocketAddress,
  signal: Signal,
): Promise<TcpConnection> {
  const { observe, config } = pod.deps;
  // A pod that calls itself: the kernel would take the answer for its own.
  if (!pod.canSpoof || from.ip === target.ip) return dialFromPod(pod, target, { signal, isLocal: true });
  try {
    return await dialFromPod(pod, target, { signal, isLocal: true, bindSource: from.ip });
  } catch (error) {
    const isSpoofing = error instanceof KernelError && SPOOFING_CALLS.has(error.syscall);
    if (!isSpoofing || config.originalSource === 'required') throw error;
    observe.warn('failed to keep the source address, connecting without it', {
      'src.addr': from.ip,
      'dst.addr': target.ip,
      error: error.message,
    });
    return dialFromPod(pod, target, { signal, isLocal: true });
  }
}

/** An application behind a PROXY header learns the source from it, and is reached over loopback. */
export function dialOverLoopback(pod: Pod, target: SocketAddress, signal: Signal): Promise<TcpConnection> {
  const ip = mustParseIp(ipFamily(target.ip) === 6 ? '::1' : '127.0.0.1');
  return dialFromPod(pod, { ip, port: target.port }, { signal, isLocal: true });
}
