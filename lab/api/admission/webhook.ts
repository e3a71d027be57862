/** One entry of a ValidatingWebhookConfiguration, read once (spec section 15). */
import { at, listAt, mapAt, numberAt, textAt } from '../object.ts';
import { CelError, type Condition, compileCondition, isObject, type Json, type LabelSelector } from '../pure/index.ts';

export type WebhookRule = {
  readonly operations: readonly string[];
  readonly groups: readonly string[];
  readonly versions: readonly string[];
  readonly resources: readonly string[];
  /** `*`, `Cluster` or `Namespaced`. */
  readonly scope: string;
};

export type Webhook = {
  readonly name: string;
  readonly rules: readonly WebhookRule[];
  /** Whether a rule for one version of a type is for the other versions as well. */
  readonly matchesEquivalent: boolean;
  readonly namespaceSelector: LabelSelector;
  readonly objectSelector: LabelSelector;
  readonly conditions: readonly MatchCondition[];
  readonly failsClosed: boolean;
  readonly timeoutMs: number;
  readonly sideEffectFree: boolean;
  readonly reviewVersions: readonly string[];
  readonly client: WebhookClient;
};

/** A condition that can't be read throws when it is asked. */
export type MatchCondition = { readonly name: string; readonly holds: Condition };

export type WebhookClient = {
  readonly target:
    | { readonly kind: 'url'; readonly url: string }
    | {
        readonly kind: 'service';
        readonly namespace: string;
        readonly name: string;
        readonly port: number;
        readonly path: string;
      };
  /** PEM; '' for the roots of this machine. */
  readonly caPem: string;
};

const DEFAULT_TIMEOUT_SECONDS = 10;
const HTTPS_PORT = 443;

/** Configurations are frozen, so each is read once. */
const READ = new WeakMap<object, readonly Webhook[]>();

export function webhooksOf(configuration: Json): readonly Webhook[] {
  if (!isObject(configuration)) return [];
  let webhooks = READ.get(configuration);
  if (webhooks === undefined) {
    webhooks = listAt(configuration, 'webhooks').map(readWebhook);
    READ.set(configuration, webhooks);
  }
  return webhooks;
}

function readWebhook(webhook: Json): Webhook {
  return {
    name: textAt(webhook, 'name'),
    rules: listAt(webhook, 'rules').map((rule) => ({
      operations: texts(rule, 'operations'),
      groups: texts(rule, 'apiGroups'),
      versions: texts(rule, 'apiVersions'),
      resources: texts(rule, 'resources'),
      scope: textAt(rule, 'scope') || '*',
    })),
    matchesEquivalent: textAt(webhook, 'matchPolicy') !== 'Exact',
    namespaceSelector: mapAt(webhook, 'namespaceSelector') as LabelSelector,
    objectSelector: mapAt(webhook, 'objectSelector') as LabelSelector,
    conditions: listAt(webhook, 'matchConditions').map((condition) => ({
      name: textAt(condition, 'name'),
      holds: conditionOf(textAt(condition, 'expression')),
    })),
    failsClosed: textAt(webhook, 'failurePolicy') !== 'Ignore',
    timeoutMs: (numberAt(webhook, 'timeoutSeconds') ?? DEFAULT_TIMEOUT_SECONDS) * 1000,
    sideEffectFree: ['None', 'NoneOnDryRun'].includes(textAt(webhook, 'sideEffects')),
    reviewVersions: texts(webhook, 'admissionReviewVersions'),
    client: clientOf(at(webhook, 'clientConfig')),
  };
}

function clientOf(config: Json | undefined): WebhookClient {
  const caPem = Buffer.from(textAt(config, 'caBundle'), 'base64').toString();
  const service = at(config, 'service');
  if (!isObject(service)) return { target: { kind: 'url', url: textAt(config, 'url') }, caPem };
  const [namespace, name] = [textAt(service, 'namespace'), textAt(service, 'name')];
  const [port, path] = [numberAt(service, 'port') ?? HTTPS_PORT, textAt(service, 'path') || '/'];
  return { target: { kind: 'service', namespace, name, port, path }, caPem };
}

/** Stored conditions were compiled before; what an older state holds all the same must not let a write through. */
function conditionOf(expression: string): Condition {
  try {
    return compileCondition(expression);
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return () => {
      throw error;
    };
  }
}

const texts = (value: Json, field: string): readonly string[] =>
  listAt(value, field).filter((item) => typeof item === 'string');
