/** A lab of its own for a suite: real nodes, real kubectl; taken down also when the suite fails. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubeClient, kubeClient } from '../../core/kube/index.ts';
import { ensureKubectl } from '../../lab/api/index.ts';
import { down } from '../../lab/down.ts';
import type { LabInfo } from '../../lab/lab-info.ts';
import { type LabPaths, labPaths } from '../../lab/paths.ts';
import { type Ended, run, runToEnd } from '../../lab/run.ts';
import { up } from '../../lab/up.ts';

let made = 0;

export type TestLabOptions = { readonly nodes?: number; readonly labs?: string };

export class TestLab implements AsyncDisposable {
  readonly paths: LabPaths;
  readonly info: LabInfo;
  readonly client: KubeClient;
  readonly #kubectl: string;

  private constructor(paths: LabPaths, info: LabInfo, kubectl: string) {
    this.paths = paths;
    this.info = info;
    this.#kubectl = kubectl;
    this.client = kubeClient({ kubeconfig: paths.kubeconfig, env: {} });
  }

  static async start(options: TestLabOptions = {}): Promise<TestLab> {
    const labs = options.labs ?? mkdtempSync(join(tmpdir(), 'ambit-labs-'));
    const paths = labPaths(labs, `test-${process.pid}-${++made}`);
    const kubectl = await ensureKubectl({ env: process.env });
    const info = await up({ paths, nodes: options.nodes ?? 2, apiPort: 0, logLevel: 'info', say: () => {} });
    return new TestLab(paths, info, kubectl);
  }

  /** Gives what kubectl printed. Rejects with what it complained about. */
  async kubectl(args: readonly string[], input = ''): Promise<string> {
    return run(this.#kubectl, args, { input, env: this.#env, deadlineMs: 30_000 });
  }

  async tryKubectl(args: readonly string[], input = ''): Promise<Ended> {
    return runToEnd(this.#kubectl, args, { input, env: this.#env, deadlineMs: 30_000 });
  }

  /** Objects as JSON; kubectl takes that, too. */
  async apply(...objects: readonly object[]): Promise<void> {
    await this.kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  }

  async ready(...pods: readonly string[]): Promise<void> {
    const names = pods.map((pod) => `pod/${pod}`);
    await this.kubectl(['wait', '--for=condition=Ready', '--timeout=20s', ...names]);
  }

  /** Runs a shell line in a pod. */
  sh(pod: string, line: string): Promise<string> {
    return this.kubectl(['exec', pod, '--', 'sh', '-c', line]);
  }

  async field(pod: string, path: string): Promise<string> {
    return this.kubectl(['get', 'pod', pod, '-o', `jsonpath={${path}}`]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await down(this.paths, () => {});
    rmSync(this.paths.labs, { recursive: true, force: true });
  }

  get #env(): Record<string, string> {
    return { PATH: process.env['PATH'] ?? '', HOME: this.paths.state, KUBECONFIG: this.paths.kubeconfig };
  }
}

const SERVER = `require('node:http').createServer((q, r) => r.end(process.env.HOSTNAME + ' to ' + q.socket.remoteAddress.replace('::ffff:', ''))).listen(8080, '::')`;
const NODE = '/opt/ambit/scripts/node.sh';

type PodOptions = {
  readonly node?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly container?: Readonly<Record<string, unknown>>;
  readonly spec?: Readonly<Record<string, unknown>>;
};

/** A pod that answers HTTP on port 8080 with its name and the caller's address. */
export function pod(name: string, options: PodOptions = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name, ...options.labels } },
    spec: {
      terminationGracePeriodSeconds: 2,
      ...(options.node && { nodeName: options.node }),
      containers: [
        {
          name: 'main',
          image: 'ambit/samples:test',
          command: [NODE, '-e', SERVER],
          readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
          ...options.container,
        },
      ],
      ...options.spec,
    },
  };
}

/** A line of shell that fetches a URL by Node, which is what the image surely has. */
export const fetching = (url: string): string =>
  `${NODE} -e "fetch('${url}').then((r) => r.text()).then(console.log, (e) => { console.log(e.cause?.code ?? e.message); process.exitCode = 1 })"`;
