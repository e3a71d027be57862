/**
 * The chained CNI plugin `istio-cni`: started by the container runtime for every pod sandbox, after the plugin that makes
 * the pod's network. Standard output carries the CNI result or error, and nothing else.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { add } from './add.ts';
import { sendAddEvent } from './agent-client.ts';
import { apiClient } from './api-client.ts';
import { CniError, errorJson } from './cni-error.ts';
import { CNI_VERSIONS, parseCniArgs, parseConf } from './conf.ts';
import { PluginLog } from './log.ts';
import { passOn } from './result.ts';

type Env = Readonly<Record<string, string | undefined>>;

async function main(env: Env, stdin: string): Promise<string> {
  switch (env['CNI_COMMAND']) {
    case 'VERSION':
      return JSON.stringify({ cniVersion: versionOf(stdin), supportedVersions: CNI_VERSIONS });
    case 'ADD':
      return addPod(env, stdin);
    case 'DEL': // the agent sees pods go; it must not depend on a process that may never run
    case 'CHECK':
    case 'GC':
    case 'STATUS':
      return '';
    default:
      throw new CniError(
        4,
        `CNI_COMMAND is ${env['CNI_COMMAND'] ?? 'not set'}; known: ADD, DEL, CHECK, GC, STATUS, VERSION`,
      );
  }
}

async function addPod(env: Env, stdin: string): Promise<string> {
  const conf = parseConf(stdin);
  const netns = env['CNI_NETNS'];
  if (!netns) throw new CniError(4, 'CNI_NETNS is not set');
  const log = new PluginLog(conf.runDir, conf.logLevel);
  const { podName, podNamespace } = parseCniArgs(env['CNI_ARGS'] ?? '');
  try {
    const because = await add(
      { conf, netns, podName, podNamespace },
      {
        connect: () => apiClient(conf.runDir),
        tellAgent: (event) => sendAddEvent(conf.runDir, event),
        sleep: (ms) => sleep(ms),
        log: (level, message, fields) => log.write(level, message, fields),
      },
    );
    log.write('info', 'pod may start', { pod: `${podNamespace}/${podName}`, because });
    return JSON.stringify(passOn(conf.prevResult, conf.cniVersion));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log.write('error', 'pod must not start', { pod: `${podNamespace}/${podName}`, error: reason });
    throw error;
  } finally {
    await log.flush();
  }
}

/** The version a caller asked in; the newest we know when it did not say. */
function versionOf(stdin: string): string {
  try {
    const { cniVersion } = JSON.parse(stdin);
    if (typeof cniVersion === 'string') return cniVersion;
  } catch {
    // VERSION may come with any input at all; an error about it carries our own version.
  }
  return CNI_VERSIONS.at(-1) ?? '';
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function run(): Promise<void> {
  const stdin = await readStdin();
  try {
    const output = await main(process.env, stdin);
    if (output !== '') process.stdout.write(`${output}\n`);
  } catch (error) {
    process.stdout.write(`${errorJson(error, versionOf(stdin))}\n`);
    process.exitCode = 1;
  }
}

void run();
