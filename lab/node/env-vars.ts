/** The environment of a container. */
import { MeshError } from '../../mesh/index.ts';
import { fieldValue, type PodFacts, resourceValue } from './field-ref.ts';
import type { Container, EnvVar, Pod } from './pod.ts';

/** Reads ConfigMaps and Secrets of the pod's namespace; undefined: there is none of that name. */
export type ReadData = (kind: 'ConfigMap' | 'Secret', name: string) => Promise<ReadonlyMap<string, Buffer> | undefined>;

const REFERENCE = /\$\$|\$\(([^()]*)\)/g;

/** `$(NAME)` becomes its value, `$$` a dollar; a name that is not known stays as it is written. */
export function expand(text: string, env: ReadonlyMap<string, string>): string {
  return text.replace(REFERENCE, (all, name?: string) => (name === undefined ? '$' : (env.get(name) ?? all)));
}

export type EnvInput = {
  readonly pod: Pod;
  readonly container: Container;
  readonly facts: PodFacts;
  /** What the image sets. */
  readonly image: Readonly<Record<string, string>>;
  /** Variables that lead to the API server and to services. */
  readonly services: Readonly<Record<string, string>>;
  readonly hostname: string;
  readonly read: ReadData;
};

/** @throws MeshError CONTAINER_CONFIG naming the variable and what is missing. */
export async function buildEnv(input: EnvInput): Promise<ReadonlyMap<string, string>> {
  const { container, read } = input;
  const env = new Map<string, string>([
    ['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    ['HOSTNAME', input.hostname],
    ...Object.entries(input.image),
    ...Object.entries(input.services),
  ]);
  for (const from of container.envFrom ?? []) {
    for (const [kind, ref] of [
      ['ConfigMap', from.configMapRef],
      ['Secret', from.secretRef],
    ] as const) {
      if (ref === undefined) continue;
      const data = await read(kind, ref.name ?? '');
      if (data === undefined && ref.optional !== true) throw missing(`envFrom: ${kind} "${ref.name}" not found`);
      for (const [key, value] of data ?? []) env.set(`${from.prefix ?? ''}${key}`, value.toString());
    }
  }
  for (const variable of container.env ?? []) {
    const value = await variableValue(variable, env, input);
    if (value !== undefined) env.set(variable.name, value);
  }
  if (!env.has('HOME')) env.set('HOME', '/root');
  return env;
}

async function variableValue(
  v: EnvVar,
  env: ReadonlyMap<string, string>,
  input: EnvInput,
): Promise<string | undefined> {
  const from = v.valueFrom;
  if (from === undefined) return expand(v.value ?? '', env);
  if (from.fieldRef) return fieldValue(input.pod, input.facts, from.fieldRef.fieldPath);
  if (from.resourceFieldRef) {
    const name = from.resourceFieldRef.containerName ?? input.container.name;
    const of = [...input.pod.spec.containers, ...(input.pod.spec.initContainers ?? [])].find((c) => c.name === name);
    return resourceValue(of ?? input.container, input.facts, from.resourceFieldRef);
  }
  const kind = from.configMapKeyRef ? 'ConfigMap' : 'Secret';
  const ref = from.configMapKeyRef ?? from.secretKeyRef;
  if (ref === undefined) throw missing(`env ${v.name}: valueFrom names no source that the lab knows`);
  const data = await input.read(kind, ref.name ?? '');
  const value = data?.get(ref.key);
  if (value !== undefined) return value.toString();
  if (ref.optional === true) return undefined;
  throw missing(
    data === undefined
      ? `env ${v.name}: ${kind} "${ref.name}" not found`
      : `env ${v.name}: ${kind} "${ref.name}" has no key "${ref.key}"`,
  );
}

const missing = (message: string) => new MeshError('CONTAINER_CONFIG', message);
