/** What a client should know of its object that an answer alone would not say: it goes into Warning headers. */
import type { ApiObject } from '../object.ts';
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

/** Said when an object is made. */
export function notices(r: ApiRequest, object: ApiObject): readonly string[] {
  const effect = WITHOUT_EFFECT[storageOf(r)];
  if (effect !== undefined) return [`this lab stores ${r.info.plural}; they are ${effect}`];
  const isTokenSecret = r.info.kind === 'Secret' && object['type'] === 'kubernetes.io/service-account-token';
  return isTokenSecret ? ['this lab puts no token into secrets; ask for one with `kubectl create token`'] : [];
}
