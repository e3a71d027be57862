/** The controller: derives the mesh from Kubernetes objects, serves it to the node proxies, and signs certificates. */
import { onShutdown } from '../core/config/index.ts';
import { kubeClient } from '../core/kube/index.ts';
import { setNotDumpable } from '../core/net/index.ts';
import { createLogger } from '../core/telemetry/index.ts';
import { SYSTEM_CLOCK } from './clock.ts';
import { describeConfig, parseConfig } from './config.ts';
import { startController } from './controller.ts';

async function main(): Promise<void> {
  setNotDumpable(); // the root key is in this process
  const config = parseConfig(process.env);
  const log = createLogger({ format: config.logFormat, level: config.logLevel, root: 'controller' });
  log.info('configuration', describeConfig(config));
  using shutdown = onShutdown();
  await using client = kubeClient({ kubeconfig: config.kubeconfig, env: process.env, userAgent: 'ambit-controller' });
  const starting = startController(config, { client, log, clock: SYSTEM_CLOCK });
  // Whoever wants us gone while caches still fill must not wait for them.
  if (typeof (await Promise.race([starting, shutdown.requested])) === 'string') return;
  await using controller = await starting;
  const why = await shutdown.requested;
  log.info('draining', { why });
  await controller.drain();
}

try {
  await main();
  process.exit(0);
} catch (error) {
  process.stderr.write(`controller: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
