/**
 * What this node knows of the mesh: applies what discovery brings to the view, then tells whoever decides with it. Policies and
 * workloads both count: a workload that names another policy is as good as a policy that changed.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  type DeltaHandlers,
  decodeAddress,
  decodeAuthorization,
  type ReceivedResource,
  type Rejection,
  standInForAuthorization,
  type Update,
} from '../core/xds/index.ts';
import {
  type Address,
  authorizationKey,
  MeshError,
  type SpiffeId,
  spiffeId,
  type View,
  type Workload,
} from '../mesh/index.ts';
import type { Clock } from './clock.ts';

/** How long a pod waits for its own record. */
const WORKLOAD_WAIT_MS = 5_000;
/** Addresses applied in one go: about 4 ms of work. */
const SLICE = 256;

const STAND_IN = '; until it can be read, all that it may concern is denied';
/** No message: a field of a wire type that does not exist. */
const UNREADABLE = Uint8Array.of(0x0f);

export type MeshStateOptions = {
  readonly view: View;
  /** Name of this node; '' counts every workload as local. */
  readonly localNode: string;
  readonly clock: Clock;
  /** A workload of this node will need a certificate. */
  readonly onIdentityWanted?: (identity: SpiffeId) => void;
  /** The last workload of this node with that identity is gone. */
  readonly onIdentityGone?: (identity: SpiffeId) => void;
};

export class MeshState implements DeltaHandlers {
  readonly view: View;
  readonly #options: MeshStateOptions;
  readonly #listeners = new Set<() => void>();
  /** Names of refused policies, and the keys of what holds in their place. */
  readonly #standIns = new Map<string, string>();
  /** Workloads of this node by identity. */
  readonly #local = new Map<SpiffeId, Set<string>>();

  constructor(options: MeshStateOptions) {
    this.view = options.view;
    this.#options = options;
  }

  onUpdate(typeUrl: string, update: Update): readonly Rejection[] | Promise<readonly Rejection[]> {
    if (typeUrl === AUTHORIZATION_TYPE) return this.#applyPolicies(update);
    if (typeUrl !== ADDRESS_TYPE) return [];
    const batch: Batch = { update, rejected: [], decides: false };
    return update.upserted.length <= SLICE ? this.#applyAddresses(batch) : this.#applyInSlices(batch);
  }

  /** Policies apply at once: half a set of them could let in what the whole set denies. */
  #applyPolicies({ upserted, removed, unreadable = [] }: Update): readonly Rejection[] {
    const rejected: Rejection[] = [];
    for (const resource of upserted) {
      try {
        const policy = decodeAuthorization(resource.bytes);
        this.view.upsertAuthorization(policy);
        if (this.#standIns.get(resource.name) === authorizationKey(policy)) this.#standIns.delete(resource.name);
        else this.#dropStandIn(resource.name);
      } catch (error) {
        const effect = this.#standInFor(resource);
        rejected.push({ name: resource.name, reason: `${reasonOf(error)}${effect}` });
      }
    }
    for (const { name } of unreadable) this.#standInFor({ name, version: '', bytes: UNREADABLE });
    for (const name of removed) {
      this.#dropStandIn(name);
      this.view.removeAuthorization(name);
    }
    this.#notify();
    return rejected;
  }

  /** A refused policy must not count for nothing. Says what holds in its place, for the refusal. */
  #standInFor(resource: ReceivedResource): string {
    if (this.#standIns.has(resource.name)) return STAND_IN;
    const policy = standInForAuthorization(resource.name, resource.bytes);
    if (this.view.authorizationByKey(resource.name) !== undefined) return '; its last version stays in force';
    if (policy === undefined) return '';
    const key = authorizationKey(policy);
    if (this.view.authorizationByKey(key) !== undefined) return '; its last version stays in force';
    this.view.upsertAuthorization(policy);
    this.#standIns.set(resource.name, key);
    return STAND_IN;
  }

  #dropStandIn(name: string): void {
    const key = this.#standIns.get(name);
    if (key === undefined) return;
    this.#standIns.delete(name);
    this.view.removeAuthorization(key);
  }

  #applyAddresses(batch: Batch): readonly Rejection[] {
    this.#upsertAll(batch, batch.update.upserted);
    return this.#finish(batch);
  }

  /** A large push must not hold up the connections of this thread: between slices they have their turn. */
  async #applyInSlices(batch: Batch): Promise<readonly Rejection[]> {
    const { upserted } = batch.update;
    for (let start = 0; start < upserted.length; start += SLICE) {
      this.#upsertAll(batch, upserted.slice(start, start + SLICE));
      await nextTurn();
    }
    return this.#finish(batch);
  }

  #upsertAll(batch: Batch, resources: readonly ReceivedResource[]): void {
    for (const resource of resources) {
      attempt(batch.rejected, resource, () => {
        batch.decides = this.#upsert(decodeAddress(resource.bytes)) || batch.decides;
      });
    }
  }

  #finish({ update, rejected, decides }: Batch): readonly Rejection[] {
    let changed = decides;
    for (const name of update.removed) changed = this.#remove(name) || changed;
    if (changed) this.#notify();
    return rejected;
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Called after every update that may change a decision about who may come in. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** The pod's own record; waits up to 5 s for it. Rejects with `WORKLOAD_UNKNOWN` or the signal's reason. */
  async workloadReady(
    info: { readonly name: string; readonly namespace: string; readonly serviceAccount: string },
    signal: AbortSignal,
  ): Promise<Workload> {
    const known = this.view.localWorkload(info);
    if (known !== undefined) return known;
    signal.throwIfAborted();
    const found = Promise.withResolvers<Workload>();
    const { namespace, name } = info;
    using _deadline = this.#options.clock.after(WORKLOAD_WAIT_MS, () =>
      found.reject(new MeshError('WORKLOAD_UNKNOWN', `${namespace}/${name} is not known to the control plane`)),
    );
    using _watch = this.onChange(() => {
      const workload = this.view.localWorkload(info);
      if (workload !== undefined) found.resolve(workload);
    });
    const onAbort = () => found.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await found.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Whether decisions may change. */
  #upsert(address: Address): boolean {
    if (address.kind === 'service') {
      this.view.upsertAddress(address);
      return false;
    }
    const { workload } = address;
    const before = this.view.workloadByUid(workload.uid);
    this.view.upsertAddress(address);
    // The new record is counted before the old one is: an identity that stays is never forgotten in between.
    this.#count(workload, 'add');
    if (before !== undefined && identityOf(before) !== identityOf(workload)) this.#count(before, 'drop');
    else if (before !== undefined && !this.#isLocal(workload)) this.#count(before, 'drop');
    return true;
  }

  /** Whether decisions may change. */
  #remove(name: string): boolean {
    const before = this.view.workloadByUid(name);
    this.view.removeAddress(name);
    if (before !== undefined) this.#count(before, 'drop');
    return before !== undefined;
  }

  #count(workload: Workload, change: 'add' | 'drop'): void {
    const identity = identityOf(workload);
    if (identity === undefined) return;
    const uids = this.#local.get(identity);
    if (change === 'add') {
      if (!this.#isLocal(workload)) return;
      if (uids === undefined) this.#local.set(identity, new Set([workload.uid]));
      else uids.add(workload.uid);
      const wanted = workload.tunnelProtocol === 'HBONE' || workload.nativeTunnel;
      if (wanted) this.#options.onIdentityWanted?.(identity);
    } else if (uids?.delete(workload.uid) === true && uids.size === 0) {
      this.#local.delete(identity);
      this.#options.onIdentityGone?.(identity);
    }
  }

  #isLocal(workload: Workload): boolean {
    return this.#options.localNode === '' || workload.node === this.#options.localNode;
  }
}

type Batch = {
  readonly update: Update;
  readonly rejected: Rejection[];
  /** Whether something in it may change who may come in. */
  decides: boolean;
};

function attempt(rejected: Rejection[], { name }: ReceivedResource, apply: () => void): void {
  try {
    apply();
  } catch (error) {
    rejected.push({ name, reason: reasonOf(error) });
  }
}

/** Undefined for a workload whose names make no identity: it can have no certificate. */
function identityOf(workload: Workload): SpiffeId | undefined {
  try {
    return spiffeId(workload.trustDomain, workload.namespace, workload.serviceAccount);
  } catch {
    return undefined; // the only way it throws: IDENTITY_MALFORMED
  }
}

/** What goes back to the control plane: `field: reason`, without our error code. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return error instanceof MeshError ? text.slice(`[${error.code}] `.length) : text;
}
