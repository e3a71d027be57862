/** Nobody may grant what they do not have: roles and bindings are held against the writer's own rights. */

import { type ApiRequest, storageOf } from '../handlers/request.ts';
import { type ApiObject, at, listAt, sameJson, textAt } from '../object.ts';
import { forbidden, isObject, type Json } from '../pure/index.ts';
import { MASTERS } from './caller.ts';
import { ruleAllows } from './rbac.ts';

const RBAC = 'rbac.authorization.k8s.io';

/** Throws 403 when the object, a role or a binding, would give rights beyond the caller's. Other kinds pass. */
export function guardEscalation(r: ApiRequest, object: ApiObject): void {
  if (r.info.group !== RBAC || r.caller.groups.includes(MASTERS)) return;
  const namespace = object.metadata.namespace ?? '';
  const isRole = r.info.plural === 'roles' || r.info.plural === 'clusterroles';
  if (holdsVerb(r, isRole ? 'escalate' : 'bind', object, namespace)) return;
  const rules = isRole ? listAt(object, 'rules') : r.parts.rbac.rulesOf(at(object, 'roleRef'), namespace);
  const before = r.parts.store.get(storageOf(r), namespace, object.metadata.name);
  const grants = (o: ApiObject) => (isRole ? o['rules'] : { to: o['roleRef'] ?? null, whom: o['subjects'] ?? null });
  if (before !== undefined && sameJson(grants(before), grants(object))) return; // a new label grants nothing
  const own = [...r.parts.rbac.rulesFor(r.caller, namespace)].map((granted) => granted.rule);
  for (const rule of rules) {
    if (covered(rule, own)) continue;
    const why = `user "${r.caller.username}" is attempting to grant RBAC permissions not currently held: ${JSON.stringify(rule)}`;
    throw forbidden(r.info, object.metadata.name, why);
  }
}

function holdsVerb(r: ApiRequest, verb: 'escalate' | 'bind', object: ApiObject, namespace: string): boolean {
  const reference = at(object, 'roleRef');
  const toCluster = isObject(reference) && textAt(reference, 'kind') === 'ClusterRole';
  const resource = verb === 'escalate' ? r.info.plural : toCluster ? 'clusterroles' : 'roles';
  const name = verb === 'escalate' ? object.metadata.name : textAt(reference, 'name');
  const asked = { kind: 'resource', verb, group: RBAC, resource, subresource: '', namespace, name } as const;
  return r.parts.rbac.authorize(r.caller, asked).allowed;
}

const strings = (rule: Json, field: string): readonly string[] =>
  listAt(rule, field).filter((v) => typeof v === 'string');

/** Each single right of the rule must be granted by one of the caller's rules. A `*` needs a `*`. */
function covered(rule: Json, own: readonly Json[]): boolean {
  const verbs = strings(rule, 'verbs');
  const paths = strings(rule, 'nonResourceURLs');
  if (!verbs.every((verb) => paths.every((path) => own.some((o) => ruleAllows(o, { kind: 'path', verb, path }))))) {
    return false;
  }
  const names = strings(rule, 'resourceNames');
  return verbs.every((verb) =>
    strings(rule, 'apiGroups').every((group) =>
      strings(rule, 'resources').every((full) => {
        const [resource = '', subresource = ''] = full.split('/', 2);
        return (names.length > 0 ? names : ['']).every((name) =>
          own.some((o) => ruleAllows(o, { kind: 'resource', verb, group, resource, subresource, namespace: '', name })),
        );
      }),
    ),
  );
}
