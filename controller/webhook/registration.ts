/**
 * What stands about us in the ValidatingWebhookConfiguration: the root to trust, and what happens when we can't be reached.
 *
 *     Ignore, no caBundle --caBundle--> Ignore --an invalid object was refused--> Fail
 *
 * It begins open, or nobody could create a policy before we run. It is closed once it is proven, by an invalid object that is
 * never stored, that the API server asks us and hears us. It never opens again by itself: whoever applies the manifest again
 * sets it back to Ignore, and it is proven again. Level-based; leaders only.
 */
import { Informer, type KubeClient, KubeError, RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Clock } from '../clock.ts';
import { WorkQueue } from '../kube/work-queue.ts';
import type { WebhookMetrics } from '../observe/metrics.ts';
import { ALWAYS_REJECT } from './review.ts';

/** The Service that leads to us. */
const SERVICE = 'istiod';
/** The webhook that closes; the others stay open, for what they look at is needed to run a cluster at all. */
const CLOSING = 'rev.validation.istio.io';
const PROBE = 'ambit-webhook-probe';

export type RegistrationOptions = {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly revision: string;
  readonly rootPem: string;
  readonly leads: () => boolean;
  readonly clock: Clock;
  readonly metrics: WebhookMetrics;
  readonly onProven: (configuration: string) => void;
  readonly onProblem: (what: string, error: unknown) => void;
};

/** Not a failure yet: the API server does not ask us so far. */
class NotProven extends Error {}

type Webhook = {
  readonly name: string;
  readonly failurePolicy?: string;
  readonly clientConfig?: {
    readonly caBundle?: string;
    readonly service?: { readonly name?: string; readonly namespace?: string };
  };
};

export class Registration implements AsyncDisposable {
  readonly #options: RegistrationOptions;
  readonly #configurations: Informer<KubeObject>;
  readonly #queue: WorkQueue;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    const { client, clock, revision } = options;
    this.#queue = new WorkQueue({
      work: (name) => this.#ensure(name),
      onProblem: (name, error) => {
        if (error instanceof NotProven) return; // to be expected while endpoints come up
        options.metrics.configurationError();
        options.onProblem(`ValidatingWebhookConfiguration ${name}`, error);
      },
      clock,
    });
    this.#configurations = new Informer({
      client,
      type: RESOURCES.ValidatingWebhookConfiguration,
      labelSelector: `app.kubernetes.io/part-of=ambit,istio.io/rev=${revision}`,
      onProblem: (error) => options.onProblem('watch of ValidatingWebhookConfigurations', error),
    });
    this.#configurations.on('set', (configuration) => this.#queue.add(configuration.metadata.name));
  }

  /** From when on we can be asked. */
  start(): void {
    this.#configurations.start();
  }

  /** We lead now. */
  lookAtAll(): void {
    for (const configuration of this.#configurations.list()) this.#queue.add(configuration.metadata.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#configurations.stop();
    await this.#queue[Symbol.asyncDispose]();
  }

  async #ensure(name: string): Promise<void> {
    const configuration = this.#configurations.get(name);
    if (configuration === undefined || !this.#options.leads()) return;
    const ours = this.#ours(configuration);
    const caBundle = Buffer.from(this.#options.rootPem).toString('base64');
    const stale = ours.filter((webhook) => webhook.clientConfig?.caBundle !== caBundle);
    if (stale.length > 0) {
      await this.#patch(
        name,
        stale.map((webhook) => ({ name: webhook.name, clientConfig: { caBundle } })),
      );
      return; // the informer brings the new state, and we look again
    }
    if (!ours.some((webhook) => webhook.name === CLOSING && webhook.failurePolicy !== 'Fail')) return;
    await this.#prove();
    await this.#patch(name, [{ name: CLOSING, failurePolicy: 'Fail' }]);
    this.#options.onProven(name);
  }

  #ours(configuration: KubeObject): readonly Webhook[] {
    const webhooks = (configuration['webhooks'] ?? []) as readonly Webhook[];
    const { namespace } = this.#options;
    return webhooks.filter(({ clientConfig }) => {
      const { service } = clientConfig ?? {};
      return service?.name === SERVICE && service.namespace === namespace;
    });
  }

  /** Webhooks are merged by name, so nothing of others' is touched. */
  async #patch(name: string, webhooks: readonly unknown[]): Promise<void> {
    await this.#options.client.patch(RESOURCES.ValidatingWebhookConfiguration, { name }, 'strategic', { webhooks });
    this.#options.metrics.configurationUpdated();
  }

  /** Throws unless an object that must be refused is refused, by us. */
  async #prove(): Promise<void> {
    const { client, namespace } = this.#options;
    const probe = {
      apiVersion: RESOURCES.AuthorizationPolicy.apiVersion,
      kind: RESOURCES.AuthorizationPolicy.kind,
      metadata: { name: PROBE, namespace, annotations: { [ALWAYS_REJECT]: 'true' } },
      spec: { selector: { matchLabels: { 'ambit.io/probe': 'true' } }, rules: [{}] },
    };
    try {
      await client.create(probe, { dryRun: true });
    } catch (error) {
      if (error instanceof KubeError && error.message.includes(ALWAYS_REJECT)) return;
      throw error;
    }
    throw new NotProven('the API server took an object that the webhook refuses');
  }
}
