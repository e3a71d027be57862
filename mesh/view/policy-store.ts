/** Compiled policies by the way in which they apply, and the scopes made of them. */
import type { Authorization, Workload } from '../model.ts';
import { type CompiledPolicy, compilePolicy } from '../policy/compile.ts';
import { type PolicyScope, policyScope } from '../policy/scope.ts';

/** Scopes remembered between two policy changes; workloads with the same namespace and the same list share one. */
const MAX_SCOPES = 4096;

export class PolicyStore {
  readonly #policies = new Map<string, CompiledPolicy>();
  readonly #global = new Set<CompiledPolicy>();
  readonly #byNamespace = new Map<string, Set<CompiledPolicy>>();
  readonly #scopes = new Map<string, PolicyScope>();

  /** Holds the same; from then on the two are apart. */
  copy(): PolicyStore {
    const copy = new PolicyStore();
    for (const [key, policy] of this.#policies) copy.#policies.set(key, policy);
    for (const policy of this.#global) copy.#global.add(policy);
    for (const [namespace, held] of this.#byNamespace) copy.#byNamespace.set(namespace, new Set(held));
    return copy;
  }

  /** Throws RangeError, before changing anything, for a CIDR that its family does not have. */
  upsert(authorization: Authorization): void {
    const policy = compilePolicy(authorization);
    this.#forget(policy.key);
    this.#policies.set(policy.key, policy);
    if (authorization.scope === 'GLOBAL') this.#global.add(policy);
    if (authorization.scope === 'NAMESPACE') {
      const { namespace } = authorization;
      const held = this.#byNamespace.get(namespace);
      if (held === undefined) this.#byNamespace.set(namespace, new Set([policy]));
      else held.add(policy);
    }
    this.#scopes.clear();
  }

  remove(key: string): void {
    if (this.#forget(key)) this.#scopes.clear();
  }

  *all(): Iterable<Authorization> {
    for (const policy of this.#policies.values()) yield policy.authorization;
  }

  get(key: string): Authorization | undefined {
    return this.#policies.get(key)?.authorization;
  }

  /** Global ones, those of the workload's namespace, and those that it names. */
  scope(workload: Workload): PolicyScope {
    const cacheKey = JSON.stringify([workload.namespace, ...workload.authorizationPolicies]);
    const known = this.#scopes.get(cacheKey);
    if (known !== undefined) return known;
    const applying = new Set([...this.#global, ...(this.#byNamespace.get(workload.namespace) ?? [])]);
    const missing: string[] = [];
    for (const key of workload.authorizationPolicies) {
      const policy = this.#policies.get(key);
      if (policy === undefined) missing.push(key);
      else applying.add(policy);
    }
    const scope = policyScope(applying, missing);
    if (this.#scopes.size >= MAX_SCOPES) this.#scopes.clear();
    this.#scopes.set(cacheKey, scope);
    return scope;
  }

  #forget(key: string): boolean {
    const old = this.#policies.get(key);
    if (old === undefined) return false;
    this.#policies.delete(key);
    this.#global.delete(old);
    const { namespace } = old.authorization;
    const held = this.#byNamespace.get(namespace);
    held?.delete(old);
    if (held?.size === 0) this.#byNamespace.delete(namespace);
    return true;
  }
}
