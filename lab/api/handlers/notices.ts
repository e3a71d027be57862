/** What a client should know of its object that an answer alone would not say: it goes into Warning headers. */
import { type ApiObject, listAt } from '../object.ts';
import { type ApiRequest, storageOf } from './request.ts';

/** Kinds that are kept faithfully while nothing in the lab acts on them: the client hears it. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': 'not called: only validating ones are',
  'admissionregistration.k8s.io/validatingadmissionpolicies': 'not obeyed yet',
  'admissionregistration.k8s.io/validatingadmissionpolicybindings': 'not obeyed yet',
  '/limitranges': 'not enforced',
  '/resourcequotas': 'not enforced',
  'networking.k8s.io/networkpolicies': 'not enforced',
  'networking.k8s.io/ingresses': 'not served',
  'autoscaling/horizontalpodautoscalers': 'not acted on',
};

/** What webhooks can be registered for, and are not asked about here. */
const NOT_ASKED = /\/(scale|binding|eviction|token|exec|attach|portforward|proxy|finalize|ephemeralcontainers)$/;

function webhookNotices(object: ApiObject): readonly string[] {
  const rules = listAt(object, 'webhooks').flatMap((webhook) => listAt(webhook, 'rules'));
  const asked = rules.flatMap((rule) => [...listAt(rule, 'operations'), ...listAt(rule, 'resources')]);
  const missing = new Set(asked.filter((item) => item === 'CONNECT' || NOT_ASKED.test(String(item))));
  return missing.size === 0 ? [] : [`this lab does not ask webhooks about ${[...missing].join(', ')}`];
}

/** Said when an object is made. */
export function notices(r: ApiRequest, object: ApiObject): readonly string[] {
  const effect = WITHOUT_EFFECT[storageOf(r)];
  if (effect !== undefined) return [`this lab stores ${r.info.plural}; they are ${effect}`];
  if (r.info.kind === 'ValidatingWebhookConfiguration') return webhookNotices(object);
  const isTokenSecret = r.info.kind === 'Secret' && object['type'] === 'kubernetes.io/service-account-token';
  return isTokenSecret ? ['this lab puts no token into secrets; ask for one with `kubectl create token`'] : [];
}
