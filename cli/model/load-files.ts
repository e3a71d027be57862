/** Kubernetes objects out of files and folders, each with the place it stands in. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LineCounter, parseAllDocuments } from 'yaml';
import { groupOf, type KubeObject } from '../../mesh/index.ts';
import { CliError } from '../errors.ts';

/** `origin` is for people: `policies/shop.yaml`, or `policies/shop.yaml#2` for the second of several documents. */
export type SourcedObject = { readonly object: KubeObject; readonly origin: string };

const EXTENSION = /\.(ya?ml|json)$/;
/** Policy tests may lie beside what they test, and are no objects: shells that name all files of a folder name them, too. */
export const TEST_FILE = /\.authz-test\.(ya?ml|json)$/;
const STDIN = '-';
const DEFAULT_NAMESPACE = 'default';
const CLUSTER_SCOPED: ReadonlySet<string> = new Set([
  'Namespace',
  'Node',
  'PersistentVolume',
  'StorageClass',
  'ClusterRole',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
  'GatewayClass',
  'IngressClass',
  'PriorityClass',
  'RuntimeClass',
  'APIService',
  'MutatingWebhookConfiguration',
  'ValidatingWebhookConfiguration',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
]);

/**
 * Reads YAML or JSON: files, folders with all below them, `-` for what is piped in. Lists are opened, objects without a
 * namespace are in `default`, and of two with one name the later one counts, as with `kubectl apply`.
 * Throws CliError naming file and document.
 */
export function loadFiles(paths: readonly string[]): readonly SourcedObject[] {
  const found = new Map<string, SourcedObject>();
  for (const path of objectFiles(paths)) {
    for (const sourced of parseObjects(textOf(path), path === STDIN ? 'stdin' : path)) {
      const { apiVersion, kind, metadata } = sourced.object;
      const key = `${groupOf(apiVersion)}/${kind}/${metadata.namespace ?? ''}/${metadata.name}`;
      found.delete(key); // so that the order is that of the one that counts
      found.set(key, sourced);
    }
  }
  return [...found.values()];
}

/** The objects of one text of YAML documents (JSON is YAML). Throws CliError naming the place. */
export function parseObjects(text: string, place: string): readonly SourcedObject[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  if (!Array.isArray(documents)) return [];
  const objects: SourcedObject[] = [];
  for (const [index, document] of documents.entries()) {
    const origin = documents.length === 1 ? place : `${place}#${index + 1}`;
    const [problem] = document.errors;
    if (problem !== undefined) {
      const { line, col } = lines.linePos(problem.pos[0]);
      throw new CliError(`${place}:${line}:${col}: not YAML: ${problem.message}`);
    }
    const value: unknown = document.toJS();
    if (value === null || value === undefined) continue; // a document of comments only
    objects.push(...openObject(value, origin));
  }
  return objects;
}

/** One object, or what is in a List. Throws CliError naming the place. */
export function openObject(value: unknown, origin: string): readonly SourcedObject[] {
  const { apiVersion, kind, metadata, items } = (typeof value === 'object' ? (value ?? {}) : {}) as {
    readonly [field: string]: unknown;
  };
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') {
    throw new CliError(`${origin}: not a Kubernetes object: apiVersion and kind are missing`);
  }
  if (kind.endsWith('List') && Array.isArray(items)) {
    return items.flatMap((item, index) => openObject(item, `${origin}, item ${index + 1}`));
  }
  const { name, namespace } = (metadata ?? {}) as { readonly name?: unknown; readonly namespace?: unknown };
  if (typeof name !== 'string' || name === '') throw new CliError(`${origin}: ${kind}: metadata.name is missing`);
  const object = value as KubeObject;
  if (typeof namespace === 'string' || CLUSTER_SCOPED.has(kind)) return [{ object, origin }];
  return [{ object: { ...object, metadata: { ...object.metadata, namespace: DEFAULT_NAMESPACE } }, origin }];
}

function objectFiles(paths: readonly string[]): readonly string[] {
  const files = paths.flatMap(filesUnder);
  const found = files.filter((path) => !TEST_FILE.test(path));
  const [test] = files;
  if (found.length === 0 && test !== undefined) {
    throw new CliError(`${test}: is a policy test, and no object of Kubernetes: ambit authz test ${test}`);
  }
  return found;
}

function filesUnder(path: string): readonly string[] {
  if (path === STDIN || !isFolder(path)) return [path];
  const files = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && EXTENSION.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  if (files.length === 0) throw new CliError(`${path}: no .yaml, .yml or .json file in this folder`);
  return files;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    throw new CliError(`${path}: no such file or folder`);
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path === STDIN ? 0 : path, 'utf8');
  } catch (error) {
    throw new CliError(`${path}: can not be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
