/** The volumes of one pod: made before its containers, kept up to date, and removed with it. */
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { KubeClient } from '../../../core/kube/index.ts';
import { MeshError } from '../../../mesh/index.ts';
import type { PodFacts } from '../field-ref.ts';
import type { Objects, Subscription } from '../objects.ts';
import type { Pod, Volume } from '../pod.ts';
import { writeAtomically } from './atomic-writer.ts';
import { prepareHostPath } from './host-path.ts';
import { type Projection, projectedFiles, projectionOf } from './projection.ts';
import { PodTokens, type TokenSource } from './tokens.ts';

export type VolumeDeps = {
  readonly client: KubeClient;
  readonly objects: Objects;
  readonly onProblem: (error: unknown) => void;
};

type Projected = { readonly volume: Volume; readonly projection: Projection };

export class PodVolumes implements Disposable {
  readonly #deps: VolumeDeps;
  readonly #directory: string;
  readonly #tokens: PodTokens;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #paths = new Map<string, string>();
  #pod: Pod;
  #facts: PodFacts;
  #projected: readonly Projected[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #nextChange = Promise.withResolvers<void>();

  constructor(directory: string, pod: Pod, facts: PodFacts, deps: VolumeDeps) {
    this.#directory = directory;
    this.#pod = pod;
    this.#facts = facts;
    this.#deps = deps;
    this.#tokens = new PodTokens(deps.client);
  }

  /**
   * Makes every volume. May be called again after it threw.
   * @throws MeshError naming the volume and what is missing.
   */
  async prepare(): Promise<void> {
    const projected: Projected[] = [];
    for (const volume of this.#pod.spec.volumes ?? []) {
      const projection = projectionOf(volume);
      if (projection) {
        projected.push({ volume, projection });
        this.#paths.set(volume.name, join(this.#directory, volume.name));
      } else this.#paths.set(volume.name, this.#plain(volume));
    }
    this.#projected = projected;
    await this.#followObjects();
    await this.#refreshTokens();
    this.#write(false);
  }

  /** Resolves when an object that a volume is made of has come or changed: a good moment to try `prepare` again. */
  get changed(): Promise<void> {
    return this.#nextChange.promise;
  }

  /** The pod's object changed (labels and annotations may be in files). */
  update(pod: Pod, facts: PodFacts): void {
    this.#pod = pod;
    this.#facts = facts;
    this.#write(true);
  }

  /** Where a volume is on the node. @throws MeshError CONTAINER_CONFIG */
  path(name: string): string {
    const path = this.#paths.get(name);
    if (path === undefined) throw new MeshError('CONTAINER_CONFIG', `volumeMount: the pod has no volume "${name}"`);
    return path;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const subscription of this.#subscriptions.values()) subscription[Symbol.dispose]();
    this.#subscriptions.clear();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #plain(volume: Volume): string {
    if (volume.hostPath) return prepareHostPath(volume.hostPath.path, volume.hostPath.type);
    const path = join(this.#directory, volume.name);
    if (volume.emptyDir === undefined) {
      const kind = Object.keys(volume).find((key) => key !== 'name') ?? 'nothing';
      throw new MeshError('VOLUME_UNSUPPORTED', `volume "${volume.name}": the lab has no volumes of kind ${kind}`);
    }
    if (!existsSync(path)) {
      mkdirSync(path, { recursive: true });
      chmodSync(path, 0o777);
      const group = this.#pod.spec.securityContext?.fsGroup;
      if (group !== undefined) {
        chownSync(path, 0, group);
        chmodSync(path, 0o2777);
      }
    }
    return path;
  }

  async #followObjects(): Promise<void> {
    const wanted = this.#projected
      .flatMap(({ projection }) => projection.sources)
      .flatMap((source) => [
        ...(source.configMap ? [['ConfigMap', source.configMap.name ?? ''] as const] : []),
        ...(source.secret ? [['Secret', source.secret.name ?? ''] as const] : []),
      ]);
    await Promise.all(
      wanted.map(async ([kind, name]) => {
        const key = `${kind}/${name}`;
        if (this.#subscriptions.has(key)) return;
        const subscription = await this.#deps.objects.follow(kind, this.#pod.metadata.namespace, name, () => {
          // One turn later: all objects of the same burst are written together.
          setImmediate(() => this.#objectChanged());
        });
        if (this.#closed || this.#subscriptions.has(key)) subscription[Symbol.dispose]();
        else this.#subscriptions.set(key, subscription);
      }),
    );
  }

  #objectChanged(): void {
    this.#nextChange.resolve();
    this.#nextChange = Promise.withResolvers();
    this.#write(true);
  }

  get #tokenSources(): readonly TokenSource[] {
    return this.#projected
      .flatMap(({ projection }) => projection.sources)
      .flatMap((source) => (source.serviceAccountToken ? [source.serviceAccountToken] : []));
  }

  async #refreshTokens(): Promise<void> {
    const nextMs = await this.#tokens.refresh(this.#pod, this.#tokenSources, Date.now());
    if (this.#closed || !Number.isFinite(nextMs)) return;
    clearTimeout(this.#timer);
    const maxTimerMs = 2 ** 31 - 1;
    this.#timer = setTimeout(
      () => this.#refreshTokens().then(() => this.#write(true), this.#deps.onProblem),
      Math.min(nextMs, maxTimerMs),
    );
  }

  /** With `running`, what is missing now leaves the files as they are: a container that runs keeps what it had. */
  #write(running: boolean): void {
    if (this.#closed) return;
    const lookup = {
      data: (kind: string, name: string) => this.#subscriptions.get(`${kind}/${name}`)?.data(),
      token: (source: TokenSource) => this.#tokens.get(source),
    };
    for (const { volume, projection } of this.#projected) {
      try {
        const files = projectedFiles(projection, this.#pod, this.#facts, lookup);
        writeAtomically(join(this.#directory, volume.name), files, this.#pod.spec.securityContext?.fsGroup);
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        const error = new MeshError('VOLUME_FAILED', `volume "${volume.name}": ${reason}`, { cause });
        if (!running) throw error;
        this.#deps.onProblem(error);
      }
    }
  }
}

/**
 * The path of a `subPath` in a volume. Made when it is not there.
 * @throws MeshError CONTAINER_CONFIG when it leads out of the volume.
 */
export function subPath(volume: string, path: string): string {
  const parts = path.split('/');
  if (path.startsWith('/') || parts.includes('..')) {
    throw new MeshError('CONTAINER_CONFIG', `volumeMount: subPath "${path}" leads out of the volume`);
  }
  const full = join(volume, path);
  if (lstatSync(full, { throwIfNoEntry: false }) === undefined) mkdirSync(full, { recursive: true });
  return full;
}
