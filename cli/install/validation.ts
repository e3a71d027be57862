/** Whether the API server asks the controller about our objects: what install waits for, and status tells. */
import type { KubeObject } from '../../mesh/index.ts';

/** Told with the ports, since a firewall in front of the nodes is the usual reason. */
const HINT =
  'policies are not validated when they are applied. The control plane must reach port 15017 of the controller (Service istiod, port 443)';

/** What is missing, or undefined. Without a configuration nobody wanted validation. */
export function validationProblem(configuration: KubeObject | undefined): string | undefined {
  if (configuration === undefined) return undefined;
  const [first] = (configuration['webhooks'] ?? []) as readonly {
    readonly failurePolicy?: string;
    readonly clientConfig?: { readonly caBundle?: string };
  }[];
  if (first === undefined || first.failurePolicy === 'Fail') return undefined;
  const { name } = configuration.metadata;
  return first.clientConfig?.caBundle
    ? `ValidatingWebhookConfiguration ${name}: the API server does not ask the controller yet: ${HINT}`
    : `ValidatingWebhookConfiguration ${name}: the controller has not registered itself yet: ${HINT}`;
}

/** Its name for a mesh in this namespace. */
export const validatorName = (namespace: string): string => `istio-validator-${namespace}`;
