/** The smaller kinds: what the server completes in them, and what may not change. */
import { childOf, defaultTo, listAt, mapAt, sameJson, textAt } from '../object.ts';
import { type Cause, isObject, type JsonObject } from '../pure/index.ts';
import { forbiddenValue, invalidValue, required, type Strategy } from './strategy.ts';
import { webhookConfigurations } from './webhooks.ts';

const RBAC_GROUP = 'rbac.authorization.k8s.io';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function frozenData(object: JsonObject, old: JsonObject | undefined, fields: readonly string[]): readonly Cause[] {
  if (old?.['immutable'] !== true) return [];
  const why = 'field is immutable when `immutable` is set';
  const causes = fields.filter((f) => !sameJson(object[f], old[f])).map((f) => forbiddenValue(f, why));
  if (object['immutable'] !== true) causes.push(forbiddenValue('immutable', why));
  return causes;
}

const secrets: Strategy = {
  prepare(secret, old) {
    defaultTo(secret, 'type', old === undefined ? 'Opaque' : textAt(old, 'type'));
    const given = mapAt(secret, 'stringData');
    if (Object.keys(given).length > 0) {
      const data = childOf(secret, 'data');
      for (const [key, value] of Object.entries(given)) data[key] = Buffer.from(String(value)).toString('base64');
    }
    delete secret['stringData'];
  },
  validate(secret, old) {
    const causes: Cause[] = [...frozenData(secret, old, ['data'])];
    if (old !== undefined && secret['type'] !== old['type']) {
      causes.push(invalidValue('type', secret['type'], 'field is immutable'));
    }
    for (const [key, value] of Object.entries(mapAt(secret, 'data'))) {
      if (typeof value !== 'string' || !BASE64.test(value)) {
        causes.push(invalidValue(`data[${key}]`, '<hidden>', 'must be base64'));
      }
    }
    return causes;
  },
};

const configMaps: Strategy = {
  validate(object, old) {
    const causes: Cause[] = [...frozenData(object, old, ['data', 'binaryData'])];
    for (const [key, value] of Object.entries(mapAt(object, 'data'))) {
      if (typeof value !== 'string') causes.push(invalidValue(`data[${key}]`, value, 'must be a string'));
    }
    return causes;
  },
};

const namespaces: Strategy = {
  prepare(namespace, old) {
    const labels = childOf(namespace.metadata, 'labels');
    labels['kubernetes.io/metadata.name'] = namespace.metadata.name;
    const spec = childOf(namespace, 'spec');
    if (old === undefined) {
      spec['finalizers'] = ['kubernetes'];
      namespace['status'] = { phase: 'Active' };
    } else spec['finalizers'] = structuredClone([...listAt(old, 'spec', 'finalizers')]); // only /finalize changes them
  },
};

const endpointSlices: Strategy = {
  prepare(slice) {
    for (const port of listAt(slice, 'ports').filter(isObject)) {
      defaultTo(port, 'name', '');
      defaultTo(port, 'protocol', 'TCP');
    }
    defaultTo(slice, 'endpoints', []);
  },
  validate(slice, old) {
    const type = textAt(slice, 'addressType');
    if (type === '') return [required('addressType')];
    if (old !== undefined && type !== old['addressType'])
      return [invalidValue('addressType', type, 'field is immutable')];
    return [];
  },
};

const bindings: Strategy = {
  prepare(binding) {
    const reference = binding['roleRef'];
    if (isObject(reference)) defaultTo(reference, 'apiGroup', RBAC_GROUP);
    for (const subject of listAt(binding, 'subjects').filter(isObject)) {
      if (subject['kind'] === 'User' || subject['kind'] === 'Group') defaultTo(subject, 'apiGroup', RBAC_GROUP);
    }
  },
  validate(binding, old) {
    const causes: Cause[] = [];
    const kind = textAt(binding, 'roleRef', 'kind');
    const kinds = binding.kind === 'RoleBinding' ? ['Role', 'ClusterRole'] : ['ClusterRole'];
    if (!kinds.includes(kind)) causes.push(invalidValue('roleRef.kind', kind, `must be one of ${kinds.join(', ')}`));
    if (textAt(binding, 'roleRef', 'name') === '') causes.push(required('roleRef.name'));
    if (old !== undefined && !sameJson(binding['roleRef'], old['roleRef'])) {
      causes.push(invalidValue('roleRef', binding['roleRef'], 'cannot change roleRef'));
    }
    listAt(binding, 'subjects').forEach((subject, i) => {
      if (textAt(subject, 'name') === '') causes.push(required(`subjects[${i}].name`));
      if (textAt(subject, 'kind') === 'ServiceAccount' && textAt(subject, 'namespace') === '') {
        causes.push(required(`subjects[${i}].namespace`));
      }
    });
    return causes;
  },
};

const roles: Strategy = {
  validate(role) {
    const causes: Cause[] = [];
    listAt(role, 'rules').forEach((rule, i) => {
      if (listAt(rule, 'verbs').length === 0) causes.push(required(`rules[${i}].verbs`));
      if (listAt(rule, 'nonResourceURLs').length > 0) return;
      if (listAt(rule, 'apiGroups').length === 0) causes.push(required(`rules[${i}].apiGroups`));
      if (listAt(rule, 'resources').length === 0) causes.push(required(`rules[${i}].resources`));
    });
    return causes;
  },
};

const networkPolicies: Strategy = {
  prepare(policy) {
    const spec = childOf(policy, 'spec');
    const egress = listAt(spec, 'egress').length > 0;
    defaultTo(spec, 'policyTypes', egress ? ['Ingress', 'Egress'] : ['Ingress']);
    defaultTo(spec, 'podSelector', {});
  },
};

const disruptionBudgets: Strategy = {
  validate(budget) {
    const { minAvailable, maxUnavailable } = mapAt(budget, 'spec');
    if (minAvailable === undefined || maxUnavailable === undefined) return [];
    return [invalidValue('spec', {}, 'minAvailable and maxUnavailable cannot be both set')];
  },
};

const autoscalers: Strategy = {
  prepare(autoscaler) {
    defaultTo(childOf(autoscaler, 'spec'), 'minReplicas', 1);
  },
};

const nodes: Strategy = {
  prepare(node) {
    const spec = childOf(node, 'spec');
    if (textAt(spec, 'podCIDR') !== '') defaultTo(spec, 'podCIDRs', [textAt(spec, 'podCIDR')]);
  },
};

export const OTHER_STRATEGIES: Readonly<Record<string, Strategy>> = {
  '/secrets': secrets,
  '/configmaps': configMaps,
  '/namespaces': namespaces,
  '/nodes': nodes,
  'discovery.k8s.io/endpointslices': endpointSlices,
  [`${RBAC_GROUP}/rolebindings`]: bindings,
  [`${RBAC_GROUP}/clusterrolebindings`]: bindings,
  [`${RBAC_GROUP}/roles`]: roles,
  [`${RBAC_GROUP}/clusterroles`]: roles,
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': webhookConfigurations,
  'admissionregistration.k8s.io/validatingwebhookconfigurations': webhookConfigurations,
  'networking.k8s.io/networkpolicies': networkPolicies,
  'autoscaling/horizontalpodautoscalers': autoscalers,
  'policy/poddisruptionbudgets': disruptionBudgets,
};
