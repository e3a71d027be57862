/** What users change in the objects of waypoints: a ConfigMap with a patch for each kind (controller.md section 4.3). Pure. */
import { parseDocument } from 'yaml';
import type { KubeObject } from '../../mesh/index.ts';
import { type Json, strategicMerge } from './strategic-merge.ts';

export const OVERLAY_KEYS = {
  deployment: 'Deployment',
  service: 'Service',
  serviceAccount: 'ServiceAccount',
  horizontalPodAutoscaler: 'HorizontalPodAutoscaler',
  podDisruptionBudget: 'PodDisruptionBudget',
} as const;

export type OverlayKind = (typeof OVERLAY_KEYS)[keyof typeof OVERLAY_KEYS];

/** Patches by kind. */
export type Overlay = { readonly [kind in OverlayKind]?: Patch };
type Patch = { readonly [field: string]: Json };

/** What is asked for, in the order in which it is put on; or what is wrong with it. */
export type Parameters =
  | { readonly kind: 'overlays'; readonly overlays: readonly Overlay[] }
  | { readonly kind: 'invalid'; readonly message: string };

/** Which object it is, and whose, is not the user's to say. */
const IDENTITY = ['name', 'namespace', 'uid', 'ownerReferences', 'finalizers', 'managedFields'];
/** A patch is no place for a bomb of aliases. */
const MAX_ALIASES = 100;

/** The overlay of a ConfigMap, or what is wrong with it. */
export function readOverlay(configMap: KubeObject): Overlay | string {
  const { namespace, name } = configMap.metadata;
  const overlay: { [kind in OverlayKind]?: Patch } = {};
  for (const [key, text] of Object.entries((configMap['data'] ?? {}) as Readonly<Record<string, string>>)) {
    const at = `ConfigMap ${namespace}/${name}: ${key}`;
    if (!isOverlayKey(key)) return `${at} is no kind of a waypoint's objects (${Object.keys(OVERLAY_KEYS).join(', ')})`;
    const patch = readPatch(text, OVERLAY_KEYS[key]);
    if (typeof patch === 'string') return `${at}: ${patch}`;
    if (patch !== undefined) overlay[OVERLAY_KEYS[key]] = patch;
  }
  return overlay;
}

const isOverlayKey = (key: string): key is keyof typeof OVERLAY_KEYS => Object.hasOwn(OVERLAY_KEYS, key);

function readPatch(text: string, kind: OverlayKind): Patch | string | undefined {
  let patch: unknown;
  try {
    const document = parseDocument(text);
    const [problem] = document.errors;
    if (problem !== undefined) return problem.message;
    patch = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  if (patch === null || patch === undefined) return undefined; // only comments
  if (typeof patch !== 'object' || Array.isArray(patch)) return 'must be a part of an object, as YAML';
  const { kind: said = kind, metadata } = patch as { readonly kind?: unknown; readonly metadata?: unknown };
  if (said !== kind) return `kind is ${String(said)}, and must be ${kind}`;
  if (typeof metadata === 'object' && metadata !== null) {
    const field = IDENTITY.find((one) => one in metadata);
    if (field !== undefined) return `metadata.${field} can not be changed`;
  }
  return patch as Patch;
}

/** The object with what the overlays say of its kind. */
export function withOverlays(object: KubeObject, overlays: readonly Overlay[]): KubeObject {
  const kind = object.kind as OverlayKind;
  const patched = overlays.reduce<Json>(
    (now, { [kind]: patch }) => (patch === undefined ? now : strategicMerge(now, patch)),
    object as unknown as Json,
  );
  return { ...(patched as unknown as KubeObject), apiVersion: object.apiVersion, kind: object.kind };
}

/** Whether an object of the kind is asked for, where there is none without being asked for. */
export const asksFor = (kind: OverlayKind, overlays: readonly Overlay[]): boolean =>
  overlays.some((overlay) => overlay[kind] !== undefined);
