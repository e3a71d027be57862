/** The waypoint's process. First argument: `proxy` (the default), `version`, or `help`. */
import { readFileSync } from 'node:fs';
import { onShutdown, ownVersion } from '../core/config/index.ts';
import { chooseHbone } from '../core/hbone/index.ts';
import { checkRuntime, exitAtOnce, setNotDumpable } from '../core/net/index.ts';
import { createLogger, describeError, standardOutput } from '../core/telemetry/index.ts';
import { startWaypoint } from './app.ts';
import { parseConfig } from './config.ts';

const HELP = `usage: waypoint [proxy|version|help]
  proxy    (default) serve what is bound to this waypoint
  version  print the version
Configuration comes from the environment: see the manifest.
`;

async function proxy(): Promise<void> {
  const config = parseConfig({ env: process.env, readFile });
  const write = standardOutput();
  const log = createLogger({ format: config.logFormat, level: config.logLevel, root: 'waypoint', write });
  log.info('starting', { version: config.version, pod: `${config.pod.namespace}/${config.pod.name}` });
  checkRuntime();
  const { implementation, problem } = chooseHbone(config.hbone);
  if (problem !== undefined) log.warn('tunnels are carried by node:http2, which is slower', { why: problem });
  else log.info('tunnels', { hbone: implementation });
  setNotDumpable(); // our key is in our memory
  // One request's bug must not end all others; it is told as what it is.
  process.on('unhandledRejection', (reason) =>
    log.error('a failure that nobody handled', { error: describeError(reason) }),
  );
  const giveUp = (error: string) => {
    log.error('ends at once, to be started anew', { error });
    exitAtOnce(1);
  };
  using shutdown = onShutdown(undefined, process, exitAtOnce);
  const waypoint = await startWaypoint({ config, log, write, quit: () => shutdown.request('admin'), giveUp });
  const why = await shutdown.requested;
  log.info('draining', { why, deadline: `${config.drainDeadlineMs}ms` });
  await waypoint.drain();
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
if (command === 'version') console.log(ownVersion());
else if (command === 'proxy') {
  try {
    await proxy();
  } catch (error) {
    console.error(`waypoint: ${describeError(error)}`);
    process.exitCode = 1;
  }
  // What keeps the loop alive now is none of ours to wait for.
  exitAtOnce();
} else {
  console.error(HELP);
  process.exitCode = command === 'help' ? 0 : 1;
}
