/** What of the node proxy listens in a pod, as the kernel tells: no protocol says whether a proxy has its DNS proxy switched on. */
import { readFileSync } from 'node:fs';
import type { NetnsRef } from '../../core/net/index.ts';
import { DNS_PORT, OUTBOUND_PORT } from './plan.ts';

export type ProxyInPod = 'none' | 'with-dns' | 'without-dns';

/** State LISTEN in `/proc/net/tcp` (include/net/tcp_states.h). */
const LISTEN = '0A';

export function proxyInPod(netns: NetnsRef): ProxyInPod {
  // thread-self: the namespace is this thread's, and /proc/self would show the process's
  const [tcp, tcp6, udp, udp6] = netns.run(() =>
    ['tcp', 'tcp6', 'udp', 'udp6'].map((name) => readTable(`/proc/thread-self/net/${name}`)),
  );
  if (hasPort(udp, DNS_PORT) || hasPort(udp6, DNS_PORT)) return 'with-dns';
  return hasPort(tcp, OUTBOUND_PORT, LISTEN) || hasPort(tcp6, OUTBOUND_PORT, LISTEN) ? 'without-dns' : 'none';
}

/** Empty for a family that the kernel does not have. */
function readTable(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Whether a socket is bound to the port: `sl local_address rem_address st …`, in hexadecimal (proc_pid_net(5)). */
export function hasPort(table: string | undefined, port: number, state?: string): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return (table ?? '').split('\n').some((line) => {
    const [, local = '', , found] = line.trim().split(/\s+/);
    return local.endsWith(wanted) && (state === undefined || found === state);
  });
}
