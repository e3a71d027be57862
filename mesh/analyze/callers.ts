/** Rules about callers that do not exist: an ALLOW for them is useless, a DENY for them is a hole. */
import { fields, list, texts } from '../derive/read.ts';
import { getOrAdd } from '../derive/selector.ts';
import type { KubeObject } from '../kube-object.ts';
import { nearest } from './edit-distance.ts';
import { type Finding, finding, refOf } from './finding.ts';
import type { World } from './world.ts';

const POLICY = 'security.istio.io/AuthorizationPolicy';

export function* unknownCallers(world: World): Generator<Finding> {
  const accounts = accountsOf(world);
  if (accounts.size === 0) return; // policies without the workloads: nothing to compare with
  for (const policy of world.objects(POLICY)) {
    for (const [index, rule] of list(fields(policy['spec'])['rules']).entries()) {
      for (const [number, entry] of list(fields(rule)['from']).entries()) {
        const source = fields(fields(entry)['source']);
        const at = `spec.rules[${index}].from[${number}].source`;
        for (const field of ['principals', 'namespaces', 'serviceAccounts']) {
          for (const [item, value] of texts(source[field]).entries()) {
            const problem = problemOf(field, value, policy, accounts, world);
            if (problem !== undefined) yield about(policy, `${at}.${field}[${item}]`, problem);
          }
        }
      }
    }
  }
}

/** Service accounts that pods run as or that exist, by namespace. */
function accountsOf(world: World): ReadonlyMap<string, ReadonlySet<string>> {
  const accounts = new Map<string, Set<string>>();
  for (const { namespace, facts } of world.pods) {
    getOrAdd(accounts, namespace, () => new Set(['default'])).add(facts.serviceAccount);
  }
  for (const { metadata } of world.objects('/ServiceAccount')) {
    getOrAdd(accounts, metadata.namespace ?? '', () => new Set(['default'])).add(metadata.name);
  }
  for (const entry of world.objects('networking.istio.io/WorkloadEntry')) {
    const { serviceAccount } = fields(entry['spec']);
    const names = getOrAdd(accounts, entry.metadata.namespace ?? '', () => new Set(['default']));
    if (typeof serviceAccount === 'string') names.add(serviceAccount);
  }
  return accounts;
}

function problemOf(
  field: string,
  value: string,
  policy: KubeObject,
  accounts: ReadonlyMap<string, ReadonlySet<string>>,
  world: World,
): string | undefined {
  if (value.includes('*') || value === '') return undefined;
  const caller = callerOf(field, value, policy.metadata.namespace ?? '', world);
  if (caller === undefined) return undefined;
  if (caller === 'no identity') {
    return `${value} is no identity: one is written TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`;
  }
  const { namespace, account } = caller;
  const known = accounts.get(namespace);
  if (known === undefined) {
    if (world.find('/Namespace', '', namespace) !== undefined && account === undefined) return undefined;
    const near = nearest(namespace, accounts.keys());
    return `nothing runs in a namespace ${namespace}${near === undefined ? '' : `; there is ${near}`}`;
  }
  if (account === undefined || known.has(account)) return undefined;
  const near = nearest(account, known);
  return `nothing in namespace ${namespace} runs as ${account}${near === undefined ? '' : `; there is ${near}`}`;
}

/** Undefined: somebody of another trust domain, of whom we can not know. */
function callerOf(
  field: string,
  value: string,
  policyNamespace: string,
  { config }: World,
): { readonly namespace: string; readonly account?: string } | 'no identity' | undefined {
  if (field === 'namespaces') return { namespace: value };
  if (field === 'serviceAccounts') {
    const [first = '', second] = value.split('/');
    return second === undefined
      ? { namespace: policyNamespace, account: first }
      : { namespace: first, account: second };
  }
  const identity = /^(?:spiffe:\/\/)?([^/]+)\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(value);
  if (identity === null) return 'no identity';
  const [, domain = '', namespace = '', account = ''] = identity;
  const ours = [config.trustDomain, 'cluster.local', ...config.trustDomainAliases];
  return ours.includes(domain) ? { namespace, account } : undefined;
}

function about(policy: KubeObject, field: string, problem: string): Finding {
  const denies = fields(policy['spec'])['action'] === 'DENY';
  return finding('AMB0106', refOf(policy), {
    field,
    message: `${problem}: it ${denies ? 'denies' : 'allows'} nobody`,
    fix: 'correct the name, or take it away if the caller is gone',
  });
}
