import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';
import type { KubeObject } from '../../mesh/index.ts';
import { eventually, must, type Result, type RunOptions, run } from './shell.ts';

const ROOT = join(import.meta.dirname, '../..');
const AMBIT = join(ROOT, 'bin/ambit');
const CALL = '/opt/ambit/samples/call';

export type Place = { readonly namespace: string; readonly app: string };

/** The lab and the two commands that drive it: `ambit` and the real `kubectl`. */
export class World implements Disposable {
  readonly lab: string;
  readonly scratch: string;
  readonly #kubectl: string;
  #env: NodeJS.ProcessEnv;

  constructor(lab: string, kubectl: string) {
    this.lab = lab;
    this.#kubectl = kubectl;
    this.#env = process.env;
    this.scratch = mkdtempSync(join(tmpdir(), 'ambit-demo-'));
  }

  useKubeconfig(path: string): void {
    this.#env = { ...process.env, KUBECONFIG: path };
  }

  ambit(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return must(AMBIT, args, { env: this.#env, deadlineMs: 120_000, ...options });
  }

  /** Everything the command said, on the way and as its answer. Rejects when it fails. */
  async ambitSays(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await run(AMBIT, args, { env: this.#env, deadlineMs: 180_000 });
    if (code !== 0) throw new Error(`ambit ${args.join(' ')}: exit code ${code}\n${stderr}${stdout}`);
    return `${stderr}${stdout}`;
  }

  /** As `ambit`, whatever its exit code. */
  ambitResult(args: readonly string[]): Promise<Result> {
    return run(AMBIT, args, { env: this.#env, deadlineMs: 60_000 });
  }

  kubectl(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return must(this.#kubectl, args, { env: this.#env, ...options });
  }

  async apply(yaml: string): Promise<string> {
    return this.kubectl(['apply', '-f', '-'], { input: yaml });
  }

  /** Whatever its exit code: warnings are on `stderr`. */
  applied(yaml: string, args: readonly string[] = []): Promise<Result> {
    return run(this.#kubectl, ['apply', '-f', '-', ...args], { env: this.#env, input: yaml });
  }

  async objects(kind: string, args: readonly string[] = []): Promise<KubeObject[]> {
    const text = await this.kubectl(['get', kind, '-o', 'json', ...args]);
    return (JSON.parse(text) as { items: KubeObject[] }).items;
  }

  async pod({ namespace, app }: Place): Promise<KubeObject> {
    const [pod] = await this.objects('pods', ['-n', namespace, '-l', `app=${app}`]);
    if (pod === undefined) throw new Error(`no pod of ${app} in ${namespace}`);
    return pod;
  }

  /** A call from inside a sample pod; its exit code tells whether it was answered. */
  call(from: Place, args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return run(this.#kubectl, ['exec', '-n', from.namespace, `deploy/${from.app}`, '--', CALL, ...args], {
      env: this.#env,
      ...options,
    });
  }

  /** Waits until the same call is answered (or refused) as expected: pushes take a moment to reach every node. */
  async settles(from: Place, args: readonly string[], answered: boolean): Promise<void> {
    await eventually(
      `${from.namespace}/${from.app} calling ${args[0]} is ${answered ? 'answered' : 'refused'}`,
      async () => {
        const { code } = await this.call(from, args);
        return (code === 0) === answered ? true : undefined;
      },
    );
  }

  /** Applies the samples with callers on the first node and servers on the second, so that their traffic crosses the link. */
  async deploySamples(callersOn: string, serversOn: string): Promise<void> {
    const servers = new Set(['cart', 'ledger', 'price']);
    const text = readFileSync(join(ROOT, 'samples/shop.yaml'), 'utf8');
    const placed = parseAllDocuments(text).map((document) => {
      const object = document.toJS() as KubeObject & {
        spec?: { template?: { spec: { nodeSelector?: Record<string, string> } } };
      };
      const pod = object.spec?.template?.spec;
      if (pod !== undefined) {
        pod.nodeSelector = { 'kubernetes.io/hostname': servers.has(object.metadata.name) ? serversOn : callersOn };
      }
      return stringify(object);
    });
    await this.apply(placed.join('---\n'));
  }

  async waitForDeployments(places: readonly Place[]): Promise<void> {
    await Promise.all(
      places.map(({ namespace, app }) =>
        this.kubectl(['rollout', 'status', '-n', namespace, `deploy/${app}`, '--timeout=60s']),
      ),
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.scratch, { recursive: true, force: true });
  }
}
