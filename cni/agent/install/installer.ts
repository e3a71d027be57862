/**
 * Keeps plugin, credentials and chain entry on the host as they should be: looks, repairs what differs, and looks again at
 * every change of the folders. Level-based: what somebody else does to them does not matter, only how they are now.
 */
import { type FSWatcher, mkdirSync, readdirSync, rmSync, statSync, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../../core/telemetry/index.ts';
import { MeshError } from '../../../mesh/index.ts';
import { KUBECONFIG_FILE } from '../../plugin/api-client.ts';
import {
  type ConfFile,
  chainedName,
  firstValid,
  foreignPlugins,
  formatConf,
  hasEntry,
  withEntry,
  withoutEntry,
} from './conflist.ts';
import { copyAtomically, isCopy, readText, writeAtomically } from './files.ts';
import { type KubeconfigSources, kubeconfigText } from './kubeconfig.ts';

export type InstallResult =
  | 'SUCCESS'
  | 'COPY_BINARIES_FAILURE'
  | 'CREATE_KUBECONFIG_FAILURE'
  | 'CREATE_CNI_CONFIG_FAILURE';

export type InstallerOptions = {
  readonly confDir: string;
  readonly binDir: string;
  readonly runDir: string;
  /** What is copied to `istio-cni`, `istio-cni.d/node` and `istio-cni.d/plugin.js`. */
  readonly launcher: string;
  readonly node: string;
  readonly pluginJs: string;
  /** Our entry in the chain. */
  readonly entry: Readonly<Record<string, unknown>>;
  readonly kubeconfig: KubeconfigSources;
  readonly kubeconfigMode: number;
  readonly confMode: number;
  /** False: a file of our own with this one plugin, for a runtime that chains in another way (Multus). */
  readonly chained: boolean;
  /** Pins the primary file instead of taking the first one. */
  readonly confName?: string | undefined;
  /** Set: the primary file stays untouched; its plugins and ours go to this file, which has to sort first. */
  readonly ownedName?: string | undefined;
  readonly onState: (ready: boolean) => void;
  readonly onResult: (result: InstallResult) => void;
  readonly log: Logger;
};

/** Looks come this often in any case: inotify does not reach every kind of mount. */
const LOOK_INTERVAL_MS = 10_000;
const RETRY_MS = 1_000;
const FLAPPING_MS = 5_000;
const FLAPPING_COUNT = 5;
const STANDALONE_NAME = 'YYY-istio-cni.conf';

export class Installer implements AsyncDisposable {
  readonly #o: InstallerOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #first = true;
  /** Something happened since the last look. */
  #changed = false;

  constructor(options: InstallerOptions) {
    this.#o = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** What differs from how it should be; empty when all is in place. */
  problems(): readonly string[] {
    const problems: string[] = [];
    for (const [from, to] of this.#binaries()) if (!isCopy(from, to)) problems.push(`${to} is not our plugin`);
    let wanted: string | undefined;
    try {
      wanted = kubeconfigText(this.#o.kubeconfig);
    } catch (error) {
      problems.push(String(error));
    }
    if (wanted !== undefined && readText(this.#kubeconfigPath()) !== wanted)
      problems.push('the kubeconfig is not up to date');
    const conf = this.#confProblem();
    if (conf !== undefined) problems.push(conf);
    return problems;
  }

  /** Puts everything in its place, whatever was there. Throws what can't be done now. */
  install(): void {
    this.#step('COPY_BINARIES_FAILURE', () => {
      for (const [from, to, mode] of this.#binaries()) if (!isCopy(from, to)) copyAtomically(from, to, mode);
    });
    this.#step('CREATE_KUBECONFIG_FAILURE', () => {
      mkdirSync(this.#o.runDir, { recursive: true, mode: 0o750 });
      writeAtomically(this.#kubeconfigPath(), kubeconfigText(this.#o.kubeconfig), this.#o.kubeconfigMode);
    });
    this.#step('CREATE_CNI_CONFIG_FAILURE', () => this.#writeConf());
    this.#o.onResult('SUCCESS');
  }

  /** Takes everything off the host again. A `.conf` that became a `.conflist` stays one. */
  uninstall(): void {
    const { confDir, binDir, ownedName, chained } = this.#o;
    if (ownedName !== undefined) rmSync(join(confDir, ownedName), { force: true });
    else if (!chained) rmSync(join(confDir, this.#o.confName ?? STANDALONE_NAME), { force: true });
    for (const file of this.#files()) {
      if (!file.name.endsWith('.conflist') || withoutEntryOrSame(file) === file.text) continue;
      const path = join(confDir, file.name);
      writeAtomically(path, withoutEntryOrSame(file), statSync(path).mode & 0o777);
    }
    rmSync(this.#kubeconfigPath(), { force: true });
    rmSync(join(binDir, 'istio-cni'), { force: true });
    rmSync(join(binDir, 'istio-cni.d'), { recursive: true, force: true });
  }

  #binaries(): readonly (readonly [from: string, to: string, mode: number])[] {
    const { binDir, launcher, node, pluginJs } = this.#o;
    // The launcher last: once it is there, the rest is.
    return [
      [node, join(binDir, 'istio-cni.d', 'node'), 0o755],
      [pluginJs, join(binDir, 'istio-cni.d', 'plugin.js'), 0o644],
      [launcher, join(binDir, 'istio-cni'), 0o755],
    ];
  }

  #kubeconfigPath(): string {
    return join(this.#o.runDir, KUBECONFIG_FILE);
  }

  #files(): readonly ConfFile[] {
    const files: ConfFile[] = [];
    for (const name of readdirSync(this.#o.confDir)) {
      const text = /\.conf(list)?$/.test(name) ? readText(join(this.#o.confDir, name)) : undefined;
      if (text !== undefined) files.push({ name, text });
    }
    return files;
  }

  /** The file to chain onto; the one that is ours alone does not count. */
  #primary(): ConfFile | undefined {
    const { ownedName, confName } = this.#o;
    const files = this.#files().filter((file) => file.name !== ownedName);
    if (confName === undefined) return firstValid(files);
    const stem = confName.replace(/\.conf(list)?$/, '');
    return firstValid(files.filter((file) => file.name.replace(/\.conf(list)?$/, '') === stem));
  }

  #confProblem(): string | undefined {
    const { chained, ownedName, entry, confDir, confName } = this.#o;
    if (!chained) {
      const path = join(confDir, confName ?? STANDALONE_NAME);
      return readText(path) === standaloneText(entry) ? undefined : `${path} is not as we wrote it`;
    }
    const primary = this.#primary();
    if (primary === undefined) return `no usable CNI configuration in ${confDir}`;
    if (ownedName === undefined)
      return hasEntry(primary, entry) ? undefined : `${primary.name} does not end in our entry`;
    const first = firstValid(this.#files());
    if (first?.name !== ownedName) return `${first?.name} comes before ${ownedName}`;
    if (!hasEntry(first, entry)) return `${ownedName} does not end in our entry`;
    return foreignPlugins(first) === foreignPlugins(primary) ? undefined : `${primary.name} has changed`;
  }

  #writeConf(): void {
    const { chained, ownedName, entry, confDir, confMode, confName } = this.#o;
    if (!chained) {
      writeAtomically(join(confDir, confName ?? STANDALONE_NAME), standaloneText(entry), confMode);
      return;
    }
    const primary = this.#primary();
    if (primary === undefined) throw new MeshError('CNI_CONF_MISSING', `no usable CNI configuration in ${confDir} yet`);
    const text = withEntry(primary, entry);
    if (ownedName !== undefined) {
      writeAtomically(join(confDir, ownedName), text, confMode);
      return;
    }
    if (text === primary.text) return;
    const path = join(confDir, primary.name);
    const target = join(confDir, chainedName(primary.name));
    writeAtomically(target, text, statSync(path).mode & 0o777);
    if (target !== path) rmSync(path, { force: true });
  }

  #step(failure: InstallResult, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#o.onResult(failure);
      throw error;
    }
  }

  async #run(): Promise<void> {
    const { onState, log } = this.#o;
    const repairs: number[] = [];
    let ready = false;
    while (!this.#abort.signal.aborted) {
      using _watching = this.#watch(); // before the look: a change during it wakes us
      this.#changed = false;
      const problems = this.#first ? ['the first pass of this process'] : this.problems();
      let waitMs = LOOK_INTERVAL_MS;
      if (problems.length > 0) {
        if (ready) onState(false);
        ready = false;
        try {
          this.install();
          this.#first = false;
          log.info('the CNI plugin is installed', { because: problems.join('; ') });
          repairs.push(performance.now());
        } catch (error) {
          log.warn('the CNI plugin can not be installed now', { error: String(error) });
          waitMs = RETRY_MS;
        }
      }
      const remaining = this.#first ? problems : this.problems();
      if (remaining.length === 0 && !ready) {
        ready = true;
        onState(true);
      }
      while (repairs.length > 0 && performance.now() - (repairs[0] ?? 0) > FLAPPING_MS) repairs.shift();
      if (repairs.length > FLAPPING_COUNT) {
        log.warn('another component keeps changing the CNI configuration (Cilium: set cni-exclusive=false)', {});
        await sleep(RETRY_MS); // whatever happens meanwhile: two programs must not race each other
      }
      if (remaining.length > 0) waitMs = RETRY_MS;
      await this.#pause(waitMs);
    }
  }

  /** Folders, not files: a rename puts another file under the name. */
  #watch(): Disposable {
    const { confDir, binDir, kubeconfig, runDir } = this.#o;
    const watchers: FSWatcher[] = [];
    const folders = [
      confDir,
      binDir,
      join(binDir, 'istio-cni.d'),
      kubeconfig.serviceAccountDir,
      dirname(join(runDir, KUBECONFIG_FILE)),
    ];
    for (const folder of new Set(folders)) {
      try {
        const watcher = watch(folder, (_event, name) => {
          if (!isOfInterest(String(name))) return;
          this.#changed = true;
          this.#wake?.();
        });
        watcher.on('error', () => {}); // the folder went away: the next look says so
        watchers.push(watcher);
      } catch {
        // Not there yet: the next look comes by the clock.
      }
    }
    return {
      [Symbol.dispose]: () => {
        for (const watcher of watchers) watcher.close();
      },
    };
  }

  async #pause(ms: number): Promise<void> {
    if (this.#abort.signal.aborted || this.#changed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    this.#wake?.();
    await this.#running;
  }
}

/** Logs and sockets in the run directory, and our own temporary files, change all the time. */
function isOfInterest(name: string): boolean {
  return !name.includes('.tmp.') && !name.endsWith('.log') && !name.endsWith('.sock');
}

const standaloneText = (entry: Readonly<Record<string, unknown>>) => formatConf({ ...entry, cniVersion: '0.3.1' });

function withoutEntryOrSame(file: ConfFile): string {
  try {
    return withoutEntry(file);
  } catch {
    return file.text; // not a configuration, so nothing of ours is in it
  }
}
