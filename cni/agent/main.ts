/** The node agent: enrols the pods of its node, keeps the CNI plugin installed, and hands pods to the ztunnel. */
import { onShutdown } from '../../core/config/index.ts';
import { kubeClient } from '../../core/kube/index.ts';
import { createLogger } from '../../core/telemetry/index.ts';
import { startAgent } from './agent.ts';
import { parseAgentConfig } from './config.ts';

async function main(): Promise<void> {
  const config = parseAgentConfig(process.env);
  const log = createLogger({ format: config.logFormat, level: config.logLevel, root: 'cni' });
  log.info('configuration', { config: JSON.stringify(config) });
  using shutdown = onShutdown();
  await using kube = kubeClient({
    env: process.env,
    serviceAccountDir: config.serviceAccountDir,
    userAgent: 'ambit-cni',
  });
  const agent = await startAgent({ config, kube, log });
  log.info('ready to enrol pods', { node: config.nodeName, health: agent.healthPort, metrics: agent.metricsPort });
  const why = await shutdown.requested;
  log.info('asked to stop', { because: why });
  await agent.stop();
}

main().catch((error: unknown) => {
  process.stderr.write(`cni agent: can't start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1); // whatever was opened already must not keep it alive
});
