/** Finds the network namespace of a pod: by the path that the runtime names, or among the running processes. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { NetnsRef } from '../../core/net/index.ts';
import { type IpAddress, ipFromBytes, MeshError, parseIp } from '../../mesh/index.ts';
import { podUidOfCgroup } from './cgroup.ts';

export type NetnsFinderOptions = {
  /** Where the host's root is mounted; the runtime's paths are the host's. */
  readonly hostRoot: string;
  /** The host's /proc. */
  readonly procDir: string;
};

/** What another process may name: nothing else on the host is opened. */
const ALLOWED_PATH = /^(?:\/var)?\/run\/netns\/[^/]+$|^\/proc\/\d+\/ns\/net$/;

type Candidate = { readonly pid: string; readonly inode: bigint; readonly device: bigint; readonly startedAt: bigint };

export class NetnsFinder {
  readonly #options: NetnsFinderOptions;
  readonly #host: NetnsRef;

  /** @throws when the host's own namespace can't be opened: nothing could be told from it then. */
  constructor(options: NetnsFinderOptions) {
    this.#options = options;
    this.#host = NetnsRef.open(join(options.procDir, '1', 'ns', 'net'));
  }

  /** The host's own namespace. */
  get host(): NetnsRef {
    return this.#host;
  }

  /**
   * Opens the namespace that the container runtime named.
   * @throws MeshError NETNS_REFUSED when the path is not of the allowed kind, is the host's, or holds none of the addresses.
   */
  open(path: string, ips: readonly IpAddress[]): NetnsRef {
    if (!ALLOWED_PATH.test(path) || normalize(path) !== path) {
      throw new MeshError('NETNS_REFUSED', `not a path of a pod's network namespace: ${JSON.stringify(path)}`);
    }
    let netns: NetnsRef;
    try {
      const { procDir, hostRoot } = this.#options;
      const real = path.startsWith('/proc/')
        ? join(procDir, path.slice('/proc/'.length))
        : join(hostRoot, path.replace(/^\/run\//, '/var/run/'));
      netns = NetnsRef.open(real);
    } catch (cause) {
      throw new MeshError('NETNS_REFUSED', `can't open ${path} of the host`, { cause });
    }
    const reason = this.#refusal(netns, ips);
    if (reason === undefined) return netns;
    netns[Symbol.dispose]();
    throw new MeshError('NETNS_REFUSED', `${path}: ${reason}`);
  }

  /**
   * The namespaces of running pods by uid, for those asked for. A pod's is that of its oldest process, if one of the pod's
   * addresses is in it; a pod without addresses is not found. The caller owns what it gets.
   */
  find(pods: ReadonlyMap<string, readonly IpAddress[]>): Map<string, NetnsRef> {
    const found = new Map<string, NetnsRef>();
    for (const [uid, candidates] of this.#candidates((uid) => pods.has(uid))) {
      const ips = pods.get(uid) ?? [];
      for (const candidate of candidates) {
        const netns = this.#openCandidate(candidate, ips);
        if (netns === undefined) continue;
        found.set(uid, netns);
        break;
      }
    }
    return found;
  }

  /** Every namespace in which processes of pods live, with the pod's uid. The caller owns what it gets. */
  *all(): Generator<{ readonly uid: string; readonly netns: NetnsRef }> {
    for (const [uid, candidates] of this.#candidates(() => true)) {
      for (const candidate of candidates) {
        const netns = this.#openCandidate(candidate, undefined);
        if (netns !== undefined) yield { uid, netns };
      }
    }
  }

  /** For each pod its namespaces, the one with the oldest process first. */
  #candidates(wanted: (uid: string) => boolean): Map<string, readonly Candidate[]> {
    const byPod = new Map<string, Map<bigint, Candidate>>();
    for (const pid of readdirSync(this.#options.procDir)) {
      if (!/^\d+$/.test(pid)) continue;
      const process = this.#readProcess(pid, wanted);
      if (process === undefined) continue;
      const { uid, candidate } = process;
      const ofPod = byPod.get(uid) ?? new Map<bigint, Candidate>();
      byPod.set(uid, ofPod);
      const known = ofPod.get(candidate.inode);
      if (known === undefined || candidate.startedAt < known.startedAt) ofPod.set(candidate.inode, candidate);
    }
    const oldestFirst = (a: Candidate, b: Candidate) => (a.startedAt < b.startedAt ? -1 : 1);
    return new Map([...byPod].map(([uid, ofPod]) => [uid, [...ofPod.values()].sort(oldestFirst)]));
  }

  #readProcess(pid: string, wanted: (uid: string) => boolean) {
    try {
      const dir = join(this.#options.procDir, pid);
      const uid = podUidOfCgroup(readFileSync(join(dir, 'cgroup'), 'utf8'));
      if (uid === undefined || !wanted(uid)) return undefined;
      const { ino, dev } = statSync(join(dir, 'ns', 'net'), { bigint: true });
      if (this.#host.same({ inode: ino, device: dev })) return undefined;
      return { uid, candidate: { pid, inode: ino, device: dev, startedAt: startTimeOf(dir) } };
    } catch {
      return undefined; // the process has ended while we looked
    }
  }

  #openCandidate({ pid, inode, device }: Candidate, ips: readonly IpAddress[] | undefined): NetnsRef | undefined {
    let netns: NetnsRef;
    try {
      netns = NetnsRef.open(join(this.#options.procDir, pid, 'ns', 'net'));
    } catch {
      return undefined; // ended meanwhile
    }
    // The number may be another process's by now, and a process may have moved on.
    const isIt = netns.same({ inode, device }) && (ips === undefined || this.#refusal(netns, ips) === undefined);
    if (isIt) return netns;
    netns[Symbol.dispose]();
    return undefined;
  }

  #refusal(netns: NetnsRef, ips: readonly IpAddress[]): string | undefined {
    if (netns.same(this.#host)) return "it is the host's own network namespace";
    if (ips.length === 0) return 'the pod has no address to know its namespace by';
    const inside = addressesIn(netns);
    if (ips.some((ip) => inside.has(ip))) return undefined;
    return `it holds none of the pod's addresses (${ips.join(', ')})`;
  }

  [Symbol.dispose](): void {
    this.#host[Symbol.dispose]();
  }
}

/**
 * Addresses of a namespace, from the kernel's tables. (`os.networkInterfaces` leaves out interfaces whose carrier the kernel
 * has not noticed yet, which is the state of a pod's interface when the plugin has just made it.)
 */
function addressesIn(netns: NetnsRef): ReadonlySet<IpAddress> {
  // thread-self: the namespace is this thread's, and /proc/self would show the process's
  const tables = netns.run(() => ({
    v4: readFileSync('/proc/thread-self/net/fib_trie', 'utf8'),
    v6: readIfPresent('/proc/thread-self/net/if_inet6'),
  }));
  const found = new Set<IpAddress>();
  for (const [, text = ''] of tables.v4.matchAll(/\|-- ([0-9.]+)\s+\/32 host LOCAL/g)) {
    const ip = parseIp(text);
    if (ip !== undefined) found.add(ip);
  }
  for (const [hex] of tables.v6.matchAll(/^[0-9a-f]{32}/gm)) {
    const ip = ipFromBytes(Buffer.from(hex, 'hex'));
    if (ip !== undefined) found.add(ip);
  }
  return found;
}

function readIfPresent(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // a kernel without IPv6
  }
}

/** Field 22 of `stat`, in clock ticks since boot. The second field is a name in brackets that may hold anything. */
function startTimeOf(dir: string): bigint {
  const stat = readFileSync(join(dir, 'stat'), 'utf8');
  return BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0');
}
