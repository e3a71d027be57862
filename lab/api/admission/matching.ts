/** Which webhooks are to be asked about a write: pure, from the write and the labels around it. */
import { type ApiObject, stringsAt } from '../object.ts';
import { apiVersionOf, CelError, type Json, matchLabelSelector, type ResourceInfo } from '../pure/index.ts';
import type { Attempt } from './attempt.ts';
import type { Webhook, WebhookRule } from './webhook.ts';

export type Surroundings = {
  /** Labels of a namespace; undefined when there is none. */
  readonly namespaceLabels: (namespace: string) => Readonly<Record<string, string>> | undefined;
  /** The versions under which a type is served. */
  readonly versionsOf: (info: ResourceInfo) => readonly string[];
};

export type Match =
  | { readonly kind: 'no' }
  /** To be asked, with the object in this version. */
  | { readonly kind: 'yes'; readonly version: string }
  /** A condition could not be judged. */
  | { readonly kind: 'failed'; readonly why: string };

const NO: Match = { kind: 'no' };

export function matchWebhook(
  webhook: Webhook,
  attempt: Attempt,
  request: (version: string) => Json,
  around: Surroundings,
): Match {
  const version = matchedVersion(webhook, attempt, around);
  if (version === undefined || !selects(webhook, attempt, around)) return NO;
  const { object = null, old = null } = attempt;
  const variables = {
    object: object && asVersion(attempt.info, object, version),
    oldObject: old && asVersion(attempt.info, old, version),
    request: request(version),
  };
  let failed: string | undefined;
  for (const { name, holds } of webhook.conditions) {
    try {
      if (!holds(variables)) return NO; // whatever else could not be judged
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      failed ??= `match condition "${name}": ${error.message}`;
    }
  }
  return failed === undefined ? { kind: 'yes', version } : { kind: 'failed', why: failed };
}

/** The same object under another of its type's versions; all of them have one schema here. */
export function asVersion(info: ResourceInfo, object: ApiObject, version: string): ApiObject {
  const apiVersion = apiVersionOf({ group: info.group, version });
  return object.apiVersion === apiVersion ? object : ({ ...object, apiVersion } as ApiObject);
}

function matchedVersion(webhook: Webhook, attempt: Attempt, around: Surroundings): string | undefined {
  const { version } = attempt.info;
  if (webhook.rules.some((rule) => ruleMatches(rule, attempt, version))) return version;
  if (!webhook.matchesEquivalent) return undefined;
  return around
    .versionsOf(attempt.info)
    .find((other) => webhook.rules.some((rule) => ruleMatches(rule, attempt, other)));
}

const has = (values: readonly string[], wanted: string): boolean => values.includes('*') || values.includes(wanted);

function ruleMatches(rule: WebhookRule, { info, operation, subresource }: Attempt, version: string): boolean {
  if (!has(rule.operations, operation) || !has(rule.groups, info.group) || !has(rule.versions, version)) return false;
  // A Namespace counts as cluster-scoped, although requests name it as their namespace.
  if (rule.scope !== '*' && (rule.scope === 'Namespaced') !== info.namespaced) return false;
  return rule.resources.some((resource) => {
    const [plural = '', sub = ''] = resource.split('/');
    return (plural === '*' || plural === info.plural) && (sub === '*' || sub === subresource);
  });
}

function selects(webhook: Webhook, { info, object, old }: Attempt, around: Surroundings): boolean {
  const present = [object, old].filter((o) => o !== undefined);
  const labels = present.map((o) => stringsAt(o.metadata, 'labels'));
  // Either state is enough: whoever takes the label off must not get around the webhook by that.
  if (!labels.some((l) => matchLabelSelector(webhook.objectSelector, l))) return false;
  const [first] = present;
  if (info.group === '' && info.plural === 'namespaces') {
    return matchLabelSelector(webhook.namespaceSelector, labels[0] ?? {});
  }
  if (!info.namespaced) return true;
  return matchLabelSelector(webhook.namespaceSelector, around.namespaceLabels(first?.metadata.namespace ?? '') ?? {});
}
