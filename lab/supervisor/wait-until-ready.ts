import { Informer, type KubeClient, type ResourceType } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';

type WithConditions = KubeObject & {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
};

/** Resolves when every named object has a true Ready condition; `progress` is told which are. */
export async function waitUntilReady(
  client: KubeClient,
  type: ResourceType,
  names: readonly string[],
  progress: (text: string) => void,
): Promise<void> {
  await using informer = new Informer<WithConditions>({ client, type });
  const ready = new Set<string>();
  const { promise, resolve } = Promise.withResolvers<void>();
  informer.on('set', ({ metadata, status }) => {
    const is = status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true;
    if (!is || !names.includes(metadata.name) || ready.has(metadata.name)) return;
    ready.add(metadata.name);
    progress(`${metadata.name} is ready (${ready.size} of ${names.length})`);
    if (ready.size === names.length) resolve();
  });
  informer.start();
  await promise;
}
