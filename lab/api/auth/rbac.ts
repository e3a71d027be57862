/** Role based access control over the stored roles and bindings. No binding, no access. */
import { type ApiObject, at, listAt, textAt } from '../object.ts';
import type { Json } from '../pure/index.ts';
import { type Store, storageKey } from '../store/store.ts';
import { type Caller, MASTERS } from './caller.ts';

export type Attributes =
  | {
      readonly kind: 'resource';
      readonly verb: string;
      readonly group: string;
      readonly resource: string;
      readonly subresource: string;
      readonly namespace: string;
      readonly name: string;
    }
  | { readonly kind: 'path'; readonly verb: string; readonly path: string };

export type Verdict = { readonly allowed: true; readonly reason: string } | { readonly allowed: false };

const RBAC = 'rbac.authorization.k8s.io';
const ROLES = storageKey(RBAC, 'roles');
const CLUSTER_ROLES = storageKey(RBAC, 'clusterroles');
const ROLE_BINDINGS = storageKey(RBAC, 'rolebindings');
const CLUSTER_ROLE_BINDINGS = storageKey(RBAC, 'clusterrolebindings');

const has = (rule: Json, field: string, wanted: string): boolean => {
  const values = listAt(rule, field);
  return values.includes('*') || values.includes(wanted);
};

/** True when one rule of a role grants what is asked. */
export function ruleAllows(rule: Json, asked: Attributes): boolean {
  if (!has(rule, 'verbs', asked.verb)) return false;
  if (asked.kind === 'path') {
    return listAt(rule, 'nonResourceURLs').some(
      (url) =>
        url === '*' ||
        url === asked.path ||
        (typeof url === 'string' && url.endsWith('*') && asked.path.startsWith(url.slice(0, -1))),
    );
  }
  if (!has(rule, 'apiGroups', asked.group)) return false;
  const names = listAt(rule, 'resourceNames');
  if (names.length > 0 && !names.includes(asked.name)) return false;
  const resources = listAt(rule, 'resources');
  if (resources.includes('*')) return true;
  if (asked.subresource === '') return resources.includes(asked.resource);
  return resources.includes(`${asked.resource}/${asked.subresource}`) || resources.includes(`*/${asked.subresource}`);
}

function isSubject(subject: Json, caller: Caller, bindingNamespace: string): boolean {
  const name = textAt(subject, 'name');
  switch (textAt(subject, 'kind')) {
    case 'User':
      return name === '*' || name === caller.username;
    case 'Group':
      return caller.groups.includes(name);
    case 'ServiceAccount': {
      const namespace = textAt(subject, 'namespace') || bindingNamespace;
      return namespace !== '' && caller.username === `system:serviceaccount:${namespace}:${name}`;
    }
    default:
      return false;
  }
}

export class Rbac {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  authorize(caller: Caller, asked: Attributes): Verdict {
    if (caller.groups.includes(MASTERS)) return { allowed: true, reason: `group ${MASTERS}` };
    for (const { rule, because } of this.rulesFor(caller, asked.kind === 'resource' ? asked.namespace : '')) {
      if (ruleAllows(rule, asked)) return { allowed: true, reason: because() };
    }
    return { allowed: false };
  }

  /** Every rule the caller has: cluster wide, and in one namespace unless it is empty. */
  *rulesFor(caller: Caller, namespace: string): Generator<{ readonly rule: Json; readonly because: () => string }> {
    for (const binding of this.#store.list(CLUSTER_ROLE_BINDINGS)) yield* this.#granted(binding, caller);
    if (namespace === '') return;
    for (const binding of this.#store.list(ROLE_BINDINGS, namespace)) yield* this.#granted(binding, caller);
  }

  /** The rules of the role that a binding or a rule check names; none when it does not exist. */
  rulesOf(reference: Json | undefined, namespace: string): readonly Json[] {
    const name = textAt(reference, 'name');
    const role =
      textAt(reference, 'kind') === 'ClusterRole'
        ? this.#store.get(CLUSTER_ROLES, '', name)
        : this.#store.get(ROLES, namespace, name);
    return listAt(role, 'rules');
  }

  *#granted(binding: ApiObject, caller: Caller): ReturnType<Rbac['rulesFor']> {
    const namespace = binding.metadata.namespace ?? '';
    const subject = listAt(binding, 'subjects').find((s) => isSubject(s, caller, namespace));
    if (subject === undefined) return;
    const reference = at(binding, 'roleRef');
    const because = () =>
      `RBAC: allowed by ${binding.kind} "${namespace === '' ? '' : `${namespace}/`}${binding.metadata.name}" of ` +
      `${textAt(reference, 'kind')} "${textAt(reference, 'name')}" to ${textAt(subject, 'kind')} "${textAt(subject, 'name')}"`;
    for (const rule of this.rulesOf(reference, namespace)) yield { rule, because };
  }
}

/** The sentence of a 403, as clients print it. */
export function refusal(caller: Caller, asked: Attributes): string {
  if (asked.kind === 'path') return `User "${caller.username}" cannot ${asked.verb} path "${asked.path}"`;
  const resource = asked.subresource === '' ? asked.resource : `${asked.resource}/${asked.subresource}`;
  const where =
    asked.namespace === '' || asked.resource === 'namespaces'
      ? ' at the cluster scope'
      : ` in the namespace "${asked.namespace}"`;
  return `User "${caller.username}" cannot ${asked.verb} resource "${resource}" in API group "${asked.group}"${where}`;
}
