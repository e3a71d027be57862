import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../mesh/index.ts';
import { CliError, UsageError } from '../errors.ts';

/** Everything of ours carries this label; it is how `install` and `uninstall` know what they may touch. */
export const OWNER_LABEL = 'app.kubernetes.io/part-of';
export const OWNER = 'ambit';
export const DEFAULT_NAMESPACE = 'istio-system';

const WAYPOINT_IMAGE = 'AMBIT_WAYPOINT_IMAGE';

export type Customisation = {
  readonly namespace: string;
  /** Put before the image names, for example `registry.example/mesh`; the manifests' `ambit` when undefined. */
  readonly imageRepository?: string | undefined;
  readonly imageTag?: string | undefined;
  /** `component.NAME=VALUE`, component one of controller, cni, ztunnel. */
  readonly env: readonly EnvSetting[];
};

export type EnvSetting = { readonly component: Component; readonly name: string; readonly value: string };

/** Component name as a user writes it, and the workload that carries its environment. */
export const COMPONENTS = {
  controller: { kind: 'Deployment', name: 'istiod' },
  cni: { kind: 'DaemonSet', name: 'istio-cni-node' },
  ztunnel: { kind: 'DaemonSet', name: 'ztunnel' },
} as const;
export type Component = keyof typeof COMPONENTS;

/** Reads `component.NAME=VALUE`. Throws UsageError. */
export function parseEnvSetting(text: string): EnvSetting {
  const match = /^([a-z]+)\.([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text);
  const component = match?.[1];
  if (match === null || component === undefined || !(component in COMPONENTS)) {
    throw new UsageError(
      `--env ${text}: expected COMPONENT.NAME=VALUE with one of ${Object.keys(COMPONENTS).join(', ')}`,
    );
  }
  return { component: component as Component, name: match[2] ?? '', value: match[3] ?? '' };
}

/** The manifests in the order in which they are applied, adjusted. Throws CliError for a broken manifest. */
export function loadBundle(directory: string, custom: Customisation): KubeObject[] {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(custom.namespace)) {
    throw new UsageError(`--namespace ${custom.namespace}: not a namespace name (lower-case letters, digits, dashes)`);
  }
  const objects = readdirSync(directory)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .flatMap((file) => parseManifest(file, readFileSync(join(directory, file), 'utf8'), custom.namespace));
  for (const object of objects) customise(object, custom);
  return objects;
}

function parseManifest(file: string, text: string, namespace: string): KubeObject[] {
  return parseAllDocuments(text.replaceAll(DEFAULT_NAMESPACE, namespace)).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw new CliError(`manifest ${file}: ${error.message}`);
    const object = document.toJS() as KubeObject | null;
    return object === null ? [] : [object];
  });
}

type Container = { image: string; env?: { name: string; value?: string; valueFrom?: unknown }[] };

function containersOf(object: KubeObject): Container[] {
  const spec = object['spec'] as { template?: { spec?: { containers?: Container[] } } } | undefined;
  return spec?.template?.spec?.containers ?? [];
}

function customise(object: KubeObject, custom: Customisation): void {
  for (const container of containersOf(object)) {
    container.image = imageName(container.image, custom);
    // The controller makes the pods of waypoints, and of the same build as everything else.
    for (const entry of container.env ?? []) {
      if (entry.name === WAYPOINT_IMAGE && entry.value !== undefined) entry.value = imageName(entry.value, custom);
    }
    for (const { component, name, value } of custom.env) {
      const target = COMPONENTS[component];
      if (object.kind !== target.kind || object.metadata.name !== target.name) continue;
      container.env = [...(container.env ?? []).filter((entry) => entry.name !== name), { name, value }];
    }
  }
}

function imageName(image: string, { imageRepository, imageTag }: Customisation): string {
  const [path = image, tag = 'latest'] = image.split(':');
  const base = path.slice(path.lastIndexOf('/') + 1);
  return `${imageRepository ?? path.slice(0, path.lastIndexOf('/'))}/${base}:${imageTag ?? tag}`;
}
