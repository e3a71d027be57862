/** The lab's subtree of the machine's control groups: on cgroup v2, on v1, and on both side by side (hybrid). */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A mounted hierarchy, and which of the controllers we use it has. */
type Hierarchy = { readonly mount: string; readonly version: 1 | 2; readonly controllers: readonly string[] };

/** Those that containers' limits need. */
const USED = ['memory', 'cpu', 'pids'];

export type Limits = { readonly memoryBytes?: number; readonly cpuMillis?: number };

/** The hierarchies of this machine, seen under `/sys/fs/cgroup` as nodes have it, too. */
function hierarchies(): readonly Hierarchy[] {
  const root = '/sys/fs/cgroup';
  if (existsSync(join(root, 'cgroup.controllers'))) {
    const controllers = readFileSync(join(root, 'cgroup.controllers'), 'utf8').trim().split(' ');
    return [{ mount: root, version: 2, controllers: controllers.filter((c) => USED.includes(c)) }];
  }
  const found: Hierarchy[] = USED.filter((c) => existsSync(join(root, c, 'cgroup.procs'))).map((controller) => {
    return { mount: join(root, controller), version: 1, controllers: [controller] };
  });
  const unified = join(root, 'unified');
  if (existsSync(join(unified, 'cgroup.controllers'))) found.push({ mount: unified, version: 2, controllers: [] });
  return found;
}

/** The group of all labs' names: nobody else makes one. */
export const labGroup = (labName: string): string => `ambit-lab-${labName}`;

/**
 * One group, present in every hierarchy under the same path. Only leaves hold processes, as v2 demands.
 */
export class Cgroup {
  readonly path: string;
  readonly #hierarchies: readonly Hierarchy[];

  constructor(path: string, found: readonly Hierarchy[] = hierarchies()) {
    this.path = path;
    this.#hierarchies = found;
  }

  child(name: string): Cgroup {
    return new Cgroup(join(this.path, name), this.#hierarchies);
  }

  /** Directories, one for each hierarchy: what a process writes itself into. */
  get directories(): readonly string[] {
    return this.#hierarchies.map((h) => join(h.mount, this.path));
  }

  /** Makes the group, and on v2 the controllers available in it. */
  create(): this {
    for (const h of this.#hierarchies) {
      mkdirSync(join(h.mount, this.path), { recursive: true });
      if (h.version !== 2 || h.controllers.length === 0) continue;
      const parts = this.path.split('/');
      for (let depth = 0; depth < parts.length; depth++) {
        const control = join(h.mount, ...parts.slice(0, depth), 'cgroup.subtree_control');
        const has = new Set(readFileSync(control, 'utf8').trim().split(' '));
        for (const c of h.controllers) if (!has.has(c)) offer(control, c);
      }
    }
    return this;
  }

  join(): void {
    for (const directory of this.directories) writeFileSync(join(directory, 'cgroup.procs'), '0');
  }

  /** Sets limits. Gives those that this machine has no controller for. */
  limit(limits: Limits): readonly (keyof Limits)[] {
    const periodUs = 100_000;
    const left = new Set((['memoryBytes', 'cpuMillis'] as const).filter((name) => limits[name] !== undefined));
    for (const h of this.#hierarchies) {
      const has = (controller: string, file: string) =>
        h.controllers.includes(controller) && existsSync(join(h.mount, this.path, file));
      const set = (file: string, value: string) => writeFileSync(join(h.mount, this.path, file), value);
      const memoryFile = h.version === 2 ? 'memory.max' : 'memory.limit_in_bytes';
      if (limits.memoryBytes !== undefined && has('memory', memoryFile)) {
        set(memoryFile, String(limits.memoryBytes));
        left.delete('memoryBytes');
      }
      const cpuFile = h.version === 2 ? 'cpu.max' : 'cpu.cfs_quota_us';
      if (limits.cpuMillis !== undefined && has('cpu', cpuFile)) {
        const quotaUs = Math.max(1000, Math.round((limits.cpuMillis * periodUs) / 1000)); // the kernel's minimum is 1 ms
        set(cpuFile, h.version === 2 ? `${quotaUs} ${periodUs}` : String(quotaUs));
        left.delete('cpuMillis');
      }
    }
    return [...left];
  }

  /** How often a process of this group was killed for want of memory. */
  oomKills(): number {
    for (const h of this.#hierarchies) {
      if (!h.controllers.includes('memory')) continue;
      const text = read(join(h.mount, this.path, h.version === 2 ? 'memory.events' : 'memory.oom_control')) ?? '';
      return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
    }
    return 0;
  }

  /** Every process in the group and below, by number. */
  processes(): readonly number[] {
    const pids = new Set<number>();
    for (const top of this.directories) {
      for (const directory of [top, ...below(top)]) {
        for (const line of (read(join(directory, 'cgroup.procs')) ?? '').split('\n')) {
          if (line !== '') pids.add(Number(line)); // 0: a process outside of our PID namespace
        }
      }
    }
    return [...pids];
  }

  /** SIGKILL to everything in the group and below; nothing can slip out by forking where v2 is there. */
  kill(): void {
    for (const h of this.#hierarchies) {
      if (h.version !== 2) continue;
      const file = join(h.mount, this.path, 'cgroup.kill');
      if (existsSync(file)) writeFileSync(file, '1');
    }
    for (const pid of this.processes()) {
      if (pid > 0) signal(pid, 'SIGKILL');
    }
  }

  /** Removes the group and all below. False: something still runs in it. */
  remove(): boolean {
    let gone = true;
    for (const top of this.directories) {
      for (const directory of [...below(top).reverse(), top]) {
        try {
          rmdirSync(directory);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
          if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
          gone = false;
        }
      }
    }
    return gone;
  }

  exists(): boolean {
    return this.directories.some((directory) => existsSync(directory));
  }
}

/**
 * Offers a controller to the groups below. In a container the topmost group that we see holds processes, and then the
 * kernel refuses: the lab works without, and `limit` says which limits are not enforced.
 */
function offer(control: string, controller: string): void {
  try {
    writeFileSync(control, `+${controller}`);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EBUSY', 'ENOENT', 'EACCES', 'EROFS', 'ENOTSUP', 'EOPNOTSUPP'].includes(code)) throw error;
  }
}

/** Sends a signal; false when the process is gone, which is no error. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Groups below a directory, parents first. */
function below(directory: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(directory, entry.name));
  } catch {
    return []; // gone meanwhile
  }
  return entries.flatMap((entry) => [entry, ...below(entry)]);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // gone meanwhile, or not offered by this kernel
  }
}
