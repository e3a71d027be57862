/** Runs the chain of CNI plugins (the CNI specification, version 1.1) for a pod. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { MeshError } from '../../mesh/index.ts';
import { runToEnd } from '../run.ts';

const plugin = z.looseObject({ type: z.string().regex(/^[A-Za-z0-9._-]+$/) });
const list = z.looseObject({
  cniVersion: z.string().default('0.2.0'),
  name: z.string(),
  plugins: z.array(plugin).min(1),
});
export type ConfList = z.infer<typeof list>;

const result = z.looseObject({ ips: z.array(z.looseObject({ address: z.string() })).default([]) });
export type CniResult = z.infer<typeof result>;

export type CniTarget = {
  readonly id: string;
  readonly netns: string;
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
};

type Paths = { readonly config: string; readonly bin: string };

/** A plugin that hangs must not hang the node. */
const PLUGIN_DEADLINE_MS = 60_000;
const INTERFACE = 'eth0';

export class CniChain {
  readonly #paths: Paths;

  constructor(paths: Paths) {
    this.#paths = paths;
  }

  /**
   * The first configuration by name that can be used, read anew each time: agents edit it.
   * @throws MeshError CNI_NOT_READY naming what is wrong.
   */
  configuration(): ConfList {
    const files = readdirSync(this.#paths.config)
      .filter((name) => /\.(conf|conflist|json)$/.test(name))
      .sort();
    const problems: string[] = [];
    for (const name of files) {
      try {
        const value: unknown = JSON.parse(readFileSync(join(this.#paths.config, name), 'utf8'));
        return list.parse(name.endsWith('.conflist') ? value : asList(value));
      } catch (error) {
        problems.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    throw new MeshError(
      'CNI_NOT_READY',
      `no CNI configuration in ${this.#paths.config}${problems.map((p) => `; ${p}`).join('')}`,
    );
  }

  /** Every plugin in order, each with the result of the one before. @throws MeshError CNI_FAILED */
  async add(conf: ConfList, target: CniTarget): Promise<CniResult> {
    let previous: CniResult | undefined;
    for (const one of conf.plugins) {
      const said = await this.#exec('ADD', conf, one, target, previous);
      previous = result.parse(JSON.parse(said));
    }
    return previous ?? { ips: [] };
  }

  /** Every plugin in reverse order, each tried whatever the others say. @throws AggregateError */
  async delete(conf: ConfList, target: CniTarget, added: CniResult | undefined): Promise<void> {
    const failures: unknown[] = [];
    for (const one of conf.plugins.toReversed()) {
      try {
        await this.#exec('DEL', conf, one, target, added);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('; '));
  }

  async #exec(
    command: 'ADD' | 'DEL',
    conf: ConfList,
    one: ConfList['plugins'][number],
    target: CniTarget,
    previous: CniResult | undefined,
  ): Promise<string> {
    const { id, netns, pod } = target;
    const config = { ...one, cniVersion: conf.cniVersion, name: conf.name, ...(previous && { prevResult: previous }) };
    const program = join(this.#paths.bin, one.type);
    const ran = await runToEnd(program, [], {
      input: JSON.stringify(config),
      deadlineMs: PLUGIN_DEADLINE_MS,
      env: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: id,
        CNI_NETNS: netns,
        CNI_IFNAME: INTERFACE,
        CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${pod.namespace};K8S_POD_NAME=${pod.name};K8S_POD_INFRA_CONTAINER_ID=${id};K8S_POD_UID=${pod.uid}`,
        CNI_PATH: this.#paths.bin,
        PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      },
    }).catch((cause: unknown) => {
      throw new MeshError('CNI_FAILED', `plugin type="${one.type}" (${command}): cannot run ${program}`, { cause });
    });
    if (ran.code === 0) return ran.stdout;
    throw new MeshError('CNI_FAILED', `plugin type="${one.type}" (${command}): ${reason(ran)}`);
  }
}

/** A single plugin's file is a list of one. */
function asList(value: unknown): unknown {
  const { cniVersion, name, ...rest } = z.looseObject({ cniVersion: z.unknown(), name: z.unknown() }).parse(value);
  return { cniVersion, name, plugins: [rest] };
}

/** A plugin tells its error as JSON on its standard output. */
function reason(ran: Awaited<ReturnType<typeof runToEnd>>): string {
  try {
    const { msg, details } = z
      .object({ msg: z.string(), details: z.string().optional() })
      .parse(JSON.parse(ran.stdout));
    return details ? `${msg}: ${details}` : msg;
  } catch {
    const how = ran.signal === undefined ? `exit code ${ran.code}` : `ended by ${ran.signal}`;
    return `${how}: ${ran.stderr.trim() || ran.stdout.trim()}`;
  }
}
