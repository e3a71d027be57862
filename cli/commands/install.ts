import { join } from 'node:path';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import type { CliContext } from '../context.ts';
import { duration } from '../context.ts';
import { CliError } from '../errors.ts';
import {
  COMPONENTS,
  type Customisation,
  DEFAULT_NAMESPACE,
  type EnvSetting,
  loadBundle,
  parseEnvSetting,
} from '../install/bundle.ts';
import { crdVersions, describeStep, isOurs, planStep, type Step } from '../install/ownership.ts';
import { readiness } from '../install/readiness.ts';
import { validationProblem, validatorName } from '../install/validation.ts';
import { objectResource } from '../objects.ts';
import { waitUntil } from '../wait.ts';

export const MANIFESTS = join(import.meta.dirname, '../../manifests');

type InstallOptions = {
  readonly namespace: string;
  readonly imageRepository?: string;
  readonly imageTag?: string;
  readonly env: readonly EnvSetting[];
  readonly dryRun: boolean;
  readonly wait: boolean;
  readonly timeout: number;
};

export function addInstall(program: Command, context: CliContext): void {
  program
    .command('install')
    .summary('install the mesh, or bring an installation up to this version')
    .description(
      `Applies the mesh's objects and waits until it serves. Doing it again is harmless; it is also how an upgrade is done.
Objects of another mesh are never touched: where one stands in the way, nothing is changed and the command says which.`,
    )
    .option('-n, --namespace <name>', 'namespace of the mesh', DEFAULT_NAMESPACE)
    .option('--image-repository <prefix>', "put before the images' names (default: ambit)")
    .option('--image-tag <tag>', "the images' tag (default: this version)")
    .option(
      '--env <component.NAME=VALUE>',
      `environment of one of ${Object.keys(COMPONENTS).join(', ')}; may be repeated`,
      collectEnv,
      [],
    )
    .option('--dry-run', 'print the objects as YAML and change nothing', false)
    .option('--no-wait', 'return as soon as the objects are applied')
    .option('--timeout <duration>', 'how long to wait until the mesh serves', duration, 300_000)
    .addHelpText(
      'after',
      `
Examples:
  ambit install
  ambit install --image-repository registry.example/mesh --image-tag 0.1.0
  ambit install --env ztunnel.RUST_LOG=debug --env ztunnel.SECRET_TTL=12h
  ambit install --dry-run > ambit.yaml
Next:
  kubectl label namespace default istio.io/dataplane-mode=ambient
  ambit status`,
    )
    .action(async (options: InstallOptions) => {
      const bundle = loadBundle(MANIFESTS, options satisfies Customisation);
      if (options.dryRun) {
        context.out(
          bundle
            .map((object) => stringify(object))
            .join('---\n')
            .trimEnd(),
        );
        return;
      }
      const cluster = context.cluster();
      await install(cluster, bundle, context.say);
      if (!options.wait) {
        context.say('The objects are applied. To see whether the mesh serves: ambit status');
        return;
      }
      await waitReady(cluster, options.namespace, options.timeout, context.say);
      await waitValidating(cluster, options.namespace, context.say);
      context.say('The mesh is installed. Next: kubectl label namespace NAMESPACE istio.io/dataplane-mode=ambient');
    });
}

function collectEnv(text: string, before: readonly EnvSetting[]): readonly EnvSetting[] {
  return [...before, parseEnvSetting(text)];
}

/** Looks at everything first, so that a refusal changes nothing; then applies in order. */
async function install(cluster: Cluster, bundle: readonly KubeObject[], say: (line: string) => void): Promise<void> {
  say(`Kubernetes ${await cluster.version()}`);
  const steps: Step[] = [];
  for (const object of bundle) {
    const resource = objectResource(object);
    const present = await cluster.get(resource, object.metadata.name, object.metadata.namespace);
    if (object.kind === 'CustomResourceDefinition' && present !== undefined) {
      say(`${object.metadata.name}: found versions ${crdVersions(present)}${isOurs(present) ? ', ours' : ''}`);
    }
    steps.push(planStep(object, present));
  }
  const refused = steps.filter((step) => step.do === 'refuse');
  if (refused.length > 0) {
    throw new CliError(`nothing was changed:\n${refused.map((step) => `  ${describeStep(step)}`).join('\n')}`);
  }
  for (const step of steps) {
    if (step.do === 'keep') say(describeStep(step));
    else await cluster.apply(step.object);
    if (step.object.kind === 'CustomResourceDefinition') await waitEstablished(cluster, step.object.metadata.name, say);
  }
  const counts = (['create', 'update', 'keep'] as const).map(
    (what) => [what, steps.filter((step) => step.do === what).length] as const,
  );
  say(`Applied ${steps.length} objects (${counts.map(([what, n]) => `${n} ${PAST[what]}`).join(', ')})`);
}

const PAST = { create: 'created', update: 'ours already', keep: 'left alone' } as const;

async function waitEstablished(cluster: Cluster, name: string, progress: (line: string) => void): Promise<void> {
  await waitUntil(
    name,
    async () => {
      const crd = await cluster.get(RESOURCES.CustomResourceDefinition, name);
      const conditions =
        (crd?.['status'] as { conditions?: { type: string; status: string }[] } | undefined)?.conditions ?? [];
      return conditions.some((c) => c.type === 'Established' && c.status === 'True')
        ? []
        : ['waiting for the API to serve it'];
    },
    { deadlineMs: 30_000, intervalMs: 50, progress },
  );
}

async function waitReady(
  cluster: Cluster,
  namespace: string,
  deadlineMs: number,
  progress: (line: string) => void,
): Promise<void> {
  await waitUntil(
    'waiting',
    async () => {
      const missing: string[] = [];
      for (const { kind, name } of Object.values(COMPONENTS)) {
        const object = await cluster.get(RESOURCES[kind], name, namespace);
        if (object === undefined) throw new CliError(`${kind} ${namespace}/${name} is gone`);
        const { ready, wanted, complete } = readiness(object);
        if (!complete) missing.push(`${name} ${ready}/${wanted} ready`);
      }
      return missing;
    },
    { deadlineMs, progress },
  );
}

/** The controller proves itself within seconds; where it can not, the mesh works all the same. */
const VALIDATING_DEADLINE_MS = 20_000;

async function waitValidating(cluster: Cluster, namespace: string, say: (line: string) => void): Promise<void> {
  const look = async (): Promise<string | undefined> =>
    validationProblem(await cluster.get(RESOURCES.ValidatingWebhookConfiguration, validatorName(namespace)));
  try {
    await waitUntil('validation', async () => ((await look()) === undefined ? [] : ['waiting for it']), {
      deadlineMs: VALIDATING_DEADLINE_MS,
      progress: () => {},
    });
  } catch (error) {
    const problem = await look();
    if (!(error instanceof CliError) || problem === undefined) throw error;
    say(`note: ${problem}`);
  }
}
