/** The validating webhook put together: the port, its certificate, and its registration with the API server. */
import type { KubeClient } from '../../core/kube/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import type { MeshConfig } from '../../mesh/index.ts';
import { certificateOf, type Serving } from '../authority/serving.ts';
import type { Clock } from '../clock.ts';
import type { ControllerConfig } from '../config.ts';
import type { Informers } from '../informers.ts';
import type { Leaders } from '../kube/leaders.ts';
import type { WebhookMetrics } from '../observe/metrics.ts';
import { Registration } from './registration.ts';
import { serveWebhook } from './server.ts';
import { cachedSurroundings } from './surroundings.ts';

export type WebhookOptions = {
  readonly config: Pick<ControllerConfig, 'namespace' | 'revision' | 'ports'>;
  readonly client: KubeClient;
  readonly informers: Informers;
  readonly mesh: () => MeshConfig;
  readonly serving: Serving;
  readonly rootPem: string;
  readonly leaders: Leaders;
  readonly metrics: WebhookMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly host?: string;
};

export interface Webhook extends AsyncDisposable {
  readonly port: number;
}

const LEASE = 'istio-validation-leader';

/** Resolves once it listens; to be called before elections begin. Throws LISTEN_FAILED. */
export async function startWebhook(o: WebhookOptions): Promise<Webhook> {
  await using stack = new AsyncDisposableStack();
  const { client, clock, config, informers, metrics, rootPem, serving } = o;
  const log = o.log.scope('webhook');
  const server = stack.use(
    await serveWebhook({
      port: config.ports.webhook,
      ...(o.host === undefined ? {} : { host: o.host }),
      certificate: certificateOf(serving.certificate),
      around: () => cachedSurroundings(informers, o.mesh()),
      metrics,
      log,
    }),
  );
  stack.defer(serving.follow((certificate) => server.exchange(certificateOf(certificate))));
  const { namespace, revision } = config;
  const registration = stack.use(
    new Registration({
      client,
      namespace,
      revision,
      rootPem,
      leads: o.leaders.join(LEASE, () => registration.lookAtAll()),
      clock,
      metrics,
      onProven: (name) => log.info('the API server asks us, objects are refused from now on', { configuration: name }),
      onProblem: (what, error) => log.warn('registration failed, will be tried again', { what, error: String(error) }),
    }),
  );
  registration.start();
  const open = stack.move();
  return { port: server.port, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
