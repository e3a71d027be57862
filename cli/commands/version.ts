import type { Command } from 'commander';
import { ownVersion } from '../../core/config/index.ts';
import { RESOURCES } from '../../core/kube/index.ts';
import type { CliContext } from '../context.ts';
import { isLive } from '../enrolment.ts';
import { DEFAULT_NAMESPACE } from '../install/bundle.ts';
import { parseOutputFormat, render } from '../output.ts';

export function addVersion(program: Command, context: CliContext): void {
  program
    .command('version')
    .summary('versions of this command and of the installed mesh')
    .option('-n, --namespace <name>', 'namespace of the mesh', DEFAULT_NAMESPACE)
    .option('--no-remote', 'only the version of this command')
    .option('-o, --output <format>', 'short, json or yaml', 'short')
    .action(async (options: { namespace: string; remote: boolean; output: string }) => {
      const format = parseOutputFormat(options.output);
      const versions: Record<string, string> = { client: ownVersion(), node: process.version };
      if (options.remote) {
        const pods = (await context.cluster().list(RESOURCES.Pod, { namespace: options.namespace })).filter(isLive);
        versions['controlPlane'] = tags(pods, 'app', 'istiod');
        versions['dataPlane'] = tags(pods, 'app', 'ztunnel');
        versions['kubernetes'] = await context.cluster().version();
      }
      context.out(
        render(format, versions, () => ({ header: ['PART', 'VERSION'], rows: Object.entries(versions) }), ''),
      );
    });
}

type Pods = readonly {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> };
  readonly [field: string]: unknown;
}[];

/** `0.1.0 (2 proxies)`: the image tags in use and how many pods run each. */
function tags(pods: Pods, key: string, value: string): string {
  const counts = new Map<string, number>();
  for (const pod of pods) {
    if (pod.metadata.labels?.[key] !== value) continue;
    const image = (pod['spec'] as { containers?: readonly { image?: string }[] }).containers?.[0]?.image ?? '';
    const tag = image.slice(image.lastIndexOf(':') + 1);
    counts.set(tag, (counts.get(tag) ?? 0) + 1);
  }
  if (counts.size === 0) return 'not installed';
  return [...counts].map(([tag, n]) => `${tag} (${n} ${n === 1 ? 'pod' : 'pods'})`).join(', ');
}
