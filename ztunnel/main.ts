/** The ztunnel's process. First argument: `proxy` (the default), `version`, or `help`. */
import { readFileSync } from 'node:fs';
import { onShutdown, ownVersion } from '../core/config/index.ts';
import { chooseHbone } from '../core/hbone/index.ts';
import { checkCapabilities, checkRuntime, exitAtOnce, setNotDumpable } from '../core/net/index.ts';
import { createLogger, describeError, standardOutput } from '../core/telemetry/index.ts';
import { configView } from './admin/config-view.ts';
import { startZtunnel } from './app.ts';
import { parseConfig } from './config.ts';

const HELP = `usage: ztunnel [proxy|version|help]
  proxy    (default) serve the pods of this node
  version  print the version
Configuration comes from the environment: see the manifest.
`;

async function proxy(): Promise<void> {
  const config = parseConfig({ env: process.env, readFile });
  const write = standardOutput();
  const log = createLogger({ format: config.logFormat, level: config.logLevel, root: 'ztunnel', write });
  for (const warning of config.warnings) log.warn('configuration', { warning });
  log.info('starting', { config: JSON.stringify(configView(config)) });
  checkRuntime();
  checkCapabilities();
  const { implementation, problem } = chooseHbone(config.data.hbone);
  if (problem !== undefined) log.warn('tunnels are carried by node:http2, which is slower', { why: problem });
  else log.info('tunnels', { hbone: implementation });
  setNotDumpable(); // keys of every identity on this node are in our memory
  // One connection's bug must not end the connections of every pod on the node; it is told as what it is.
  process.on('unhandledRejection', (reason) =>
    log.error('a failure that nobody handled', { error: describeError(reason) }),
  );
  const giveUp = (error: string) => {
    log.error('ends at once, to be started anew', { error });
    exitAtOnce(1);
  };
  using shutdown = onShutdown(undefined, process, exitAtOnce);
  const ztunnel = await startZtunnel({ config, log, write, quit: () => shutdown.request('admin'), giveUp });
  const why = await shutdown.requested;
  log.info('draining', { why, deadline: `${config.drainDeadlineMs}ms` });
  await ztunnel.drain();
  log.info('stopped');
}

/** The text of a file; undefined when there is none that we may read. */
function readFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // absence is an answer here: each caller has another source
  }
}

const command = process.argv[2] ?? 'proxy';
if (command === 'version') console.log(process.env['ISTIO_META_ISTIO_VERSION'] ?? ownVersion());
else if (command === 'proxy') {
  try {
    await proxy();
  } catch (error) {
    console.error(`ztunnel: ${describeError(error)}`);
    process.exitCode = 1;
  }
  // What keeps the loop alive now is none of ours to wait for.
  exitAtOnce();
} else {
  console.error(HELP);
  process.exitCode = command === 'help' ? 0 : 1;
}
