/** What analysis found about an object, and what to do about it. */
import type { KubeObject } from '../kube-object.ts';
import { CODES, type Code, type Severity } from './codes.ts';

export type ObjectRef = { readonly kind: string; readonly namespace?: string; readonly name: string };

export type Finding = {
  readonly code: Code;
  readonly severity: Severity;
  /** Pods stand under what they belong to: the Deployment rather than each replica. */
  readonly object: ObjectRef;
  /** Path in the object; absent when it is about the whole of it. */
  readonly field?: string;
  readonly message: string;
  /** What a person can do about it. */
  readonly fix: string;
  /** Others that play a part. */
  readonly related?: readonly ObjectRef[];
};

/** A connection of the flow ledger, as a ztunnel's `/flows` tells it. */
export type ObservedFlow = {
  /** A SPIFFE id, or the address of a source that proved none. */
  readonly source: string;
  /** The destination workload's uid, or its address where there is no workload. */
  readonly destination: string;
  readonly port: number;
  readonly verdict: 'allow' | 'deny';
  readonly count: number;
  /** RFC 3339. */
  readonly lastSeen: string;
};

type Details = {
  readonly field?: string | undefined;
  readonly message: string;
  readonly fix: string;
  readonly related?: readonly ObjectRef[];
};

export function finding(code: Code, object: ObjectRef, { field, message, fix, related = [] }: Details): Finding {
  return {
    code,
    severity: CODES[code].severity,
    object,
    ...(field !== undefined && { field }),
    message,
    fix,
    ...(related.length > 0 && { related }),
  };
}

export function refOf({ kind, metadata }: Pick<KubeObject, 'kind' | 'metadata'>): ObjectRef {
  const { name, namespace } = metadata;
  return namespace === undefined ? { kind, name } : { kind, namespace, name };
}

/** `Deployment shop/cart`. */
export function formatRef({ kind, namespace, name }: ObjectRef): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}

/** Where a field of a pod is written: in the template of what it belongs to. */
export function podField(owner: ObjectRef, path: string): string {
  if (owner.kind === 'Pod') return path;
  return owner.kind === 'CronJob' ? `spec.jobTemplate.spec.template.${path}` : `spec.template.${path}`;
}

const NAMED = 3;

/** `a, b, c and 4 more`, for messages that must not grow with the mesh. */
export function some(names: Iterable<string>): string {
  const all = [...new Set(names)];
  if (all.length <= NAMED + 1) return all.join(', ');
  return `${all.slice(0, NAMED).join(', ')} and ${all.length - NAMED} more`;
}
