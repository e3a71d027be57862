/**
 * What this node knows of the mesh: applies what discovery brings to the view, then tells whoever decides with it. Policies and
 * workloads both count: a workload that names another policy is as good as a policy that changed.
 */

import { turnsSoFar } from '../core/net/index.ts';
import type { Clock } from '../core/time/index.ts';
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  type DeltaHandlers,
  decodeAddress,
  decodeAuthorization,
  encodeAddress,
  encodeAuthorization,
  type ReceivedResource,
  type Rejection,
  standInForAuthorization,
  type Update,
} from '../core/xds/index.ts';
import {
  type Address,
  authorizationKey,
  MeshError,
  type PolicyStore,
  type SpiffeId,
  serviceKey,
  spiffeId,
  type View,
  type Workload,
} from '../mesh/index.ts';
import { inSlices } from './slices.ts';

/** How long a pod waits for its own record. */
const WORKLOAD_WAIT_MS = 5_000;

const STAND_IN = '; until it can be read, all that it may concern is denied';
/** No message: a field of a wire type that does not exist. */
const UNREADABLE = Uint8Array.of(0x0f);

export type MeshStateOptions = {
  readonly view: View;
  /** Name of this node; '' counts every workload as local. */
  readonly localNode: string;
  readonly clock: Clock;
  /** Milliseconds, monotonic: bounds the work that is done in one go. Default: `performance.now`. */
  readonly now?: () => number;
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
  #standIns: ReadonlyMap<string, string> = new Map();
  /** Workloads of this node by identity. */
  readonly #local = new Map<SpiffeId, Set<string>>();

  constructor(options: MeshStateOptions) {
    this.view = options.view;
    this.#options = options;
  }

  onUpdate(typeUrl: string, update: Update): readonly Rejection[] | Promise<readonly Rejection[]> {
    const now = this.#options.now ?? monotonicMs;
    if (typeUrl === AUTHORIZATION_TYPE) return inSlices(this.#applyPolicies(update), now);
    if (typeUrl !== ADDRESS_TYPE) return [];
    // What is new in the mesh can wait a little beside traffic; what is forbidden can not.
    return inSlices(this.#applyAddresses(update), now, turnsSoFar);
  }

  /** Half a set of policies could let in what the whole denies: they are put together in slices and come into force at once. */
  *#applyPolicies({ upserted, removed, unreadable = [] }: Update): Generator<void, readonly Rejection[]> {
    const rejected: Rejection[] = [];
    const draft: Draft = { policies: this.view.draftPolicies(), standIns: new Map(this.#standIns) };
    for (const resource of upserted) {
      try {
        const policy = decodeAuthorization(resource.bytes);
        draft.policies.upsert(policy);
        if (draft.standIns.get(resource.name) === authorizationKey(policy)) draft.standIns.delete(resource.name);
        else dropStandIn(draft, resource.name);
      } catch (error) {
        const effect = standInFor(draft, resource);
        rejected.push({ name: resource.name, reason: `${reasonOf(error)}${effect}` });
      }
      yield;
    }
    for (const { name } of unreadable) {
      standInFor(draft, { name, version: '', bytes: UNREADABLE });
      yield;
    }
    for (const name of removed) {
      dropStandIn(draft, name);
      draft.policies.remove(name);
      yield;
    }
    this.view.usePolicies(draft.policies);
    this.#standIns = draft.standIns;
    this.#notify();
    return rejected;
  }

  *#applyAddresses({ upserted, removed }: Update): Generator<void, readonly Rejection[]> {
    const rejected: Rejection[] = [];
    let decides = false;
    for (const { name, bytes } of upserted) {
      try {
        decides = this.#upsert(decodeAddress(bytes)) || decides;
      } catch (error) {
        rejected.push({ name, reason: reasonOf(error) });
      }
      yield;
    }
    for (const name of removed) {
      decides = this.#remove(name) || decides;
      yield;
    }
    if (decides) this.#notify();
    return rejected;
  }

  /**
   * Everything that is known, as updates of `size` addresses that bring another state to the same; read to its end between
   * two updates. Policies come first, all at once.
   */
  *snapshot(size: number): Generator<{ readonly typeUrl: string; readonly update: Update }> {
    const resource = (name: string, bytes: Uint8Array): ReceivedResource => ({ name, version: '', bytes });
    const policies = [...this.view.authorizations()];
    const upserted = policies.map((policy) => resource(authorizationKey(policy), encodeAuthorization(policy)));
    yield { typeUrl: AUTHORIZATION_TYPE, update: { upserted, removed: [] } };
    let addresses: ReceivedResource[] = [];
    const full = (least: number) => addresses.length >= least;
    const take = () => {
      const update = { upserted: addresses, removed: [] };
      addresses = [];
      return { typeUrl: ADDRESS_TYPE, update };
    };
    for (const service of this.view.services()) {
      addresses.push(resource(serviceKey(service), encodeAddress({ kind: 'service', service })));
      if (full(size)) yield take();
    }
    for (const workload of this.view.workloads()) {
      addresses.push(resource(workload.uid, encodeAddress({ kind: 'workload', workload })));
      if (full(size)) yield take();
    }
    if (full(1)) yield take();
  }

  /** Names of refused policies, and the keys of what holds in their place: what a snapshot of resources cannot say. */
  get standIns(): ReadonlyMap<string, string> {
    return this.#standIns;
  }

  /** After the snapshot of another state was applied: its stand-ins. */
  useStandIns(standIns: ReadonlyMap<string, string>): void {
    this.#standIns = standIns;
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

/** The policies to come, with the names of refused ones among them and the keys of what holds in their place. */
type Draft = { readonly policies: PolicyStore; readonly standIns: Map<string, string> };

/** A refused policy must not count for nothing. Says what holds in its place, for the refusal. */
function standInFor(draft: Draft, resource: ReceivedResource): string {
  if (draft.standIns.has(resource.name)) return STAND_IN;
  const policy = standInForAuthorization(resource.name, resource.bytes);
  if (draft.policies.get(resource.name) !== undefined) return '; its last version stays in force';
  if (policy === undefined) return '';
  const key = authorizationKey(policy);
  if (draft.policies.get(key) !== undefined) return '; its last version stays in force';
  draft.policies.upsert(policy);
  draft.standIns.set(resource.name, key);
  return STAND_IN;
}

function dropStandIn(draft: Draft, name: string): void {
  const key = draft.standIns.get(name);
  if (key === undefined) return;
  draft.standIns.delete(name);
  draft.policies.remove(key);
}

const monotonicMs = () => performance.now();

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
