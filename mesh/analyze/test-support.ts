/** For tables of findings: the objects of a mesh, and what is found in it in short. */
import type { KubeObject } from '../kube-object.ts';
import { buildModel } from '../predict/model.ts';
import { type Finding, formatRef, type ObservedFlow } from './finding.ts';
import { findings } from './findings.ts';

let addresses = 0;

/** A running pod at an address of its own, captured unless said otherwise; its label `app` is its name. */
export function pod(
  path: string,
  o: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly spec?: Readonly<Record<string, unknown>>;
    readonly captured?: boolean;
    readonly ip?: string;
    readonly account?: string;
    readonly ports?: Readonly<Record<string, number>>;
  } = {},
): KubeObject {
  const [namespace = '', name = ''] = path.split('/');
  addresses += 1;
  const redirection = o.captured === false ? {} : { 'ambient.istio.io/redirection': 'enabled' };
  const ports = Object.entries(o.ports ?? {}).map(([port, containerPort]) => ({ name: port, containerPort }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace,
      name,
      labels: { app: name, ...o.labels },
      annotations: { ...redirection, ...o.annotations },
    },
    spec: { nodeName: 'node-1', serviceAccountName: o.account ?? name, containers: [{ name: 'c', ports }], ...o.spec },
    status: {
      phase: 'Running',
      podIPs: [{ ip: o.ip ?? `10.1.${Math.floor(addresses / 250)}.${(addresses % 250) + 1}` }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

export const ambient = (name: string, labels: Readonly<Record<string, string>> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: { 'istio.io/dataplane-mode': 'ambient', ...labels } },
});

export const object = (
  apiVersion: string,
  kind: string,
  path: string,
  spec: Readonly<Record<string, unknown>>,
  meta: Partial<KubeObject['metadata']> = {},
): KubeObject => {
  const [namespace = '', name = ''] = path.split('/');
  return { apiVersion, kind, metadata: { namespace, name, ...meta }, spec };
};

export const policy = (
  path: string,
  spec: Readonly<Record<string, unknown>>,
  meta: Partial<KubeObject['metadata']> = {},
) => object('security.istio.io/v1', 'AuthorizationPolicy', path, spec, meta);
export const peers = (path: string, spec: Readonly<Record<string, unknown>>, created = 1) =>
  object('security.istio.io/v1', 'PeerAuthentication', path, spec, {
    creationTimestamp: `2026-01-01T00:00:0${created}Z`,
  });
export const service = (
  path: string,
  spec: Readonly<Record<string, unknown>>,
  meta: Partial<KubeObject['metadata']> = {},
) => object('v1', 'Service', path, { clusterIP: 'None', ...spec }, meta);
export const serviceEntry = (
  path: string,
  spec: Readonly<Record<string, unknown>>,
  meta: Partial<KubeObject['metadata']> = {},
) => object('networking.istio.io/v1', 'ServiceEntry', path, spec, meta);

export function found(objects: readonly KubeObject[], flows: readonly ObservedFlow[] = []): readonly Finding[] {
  return findings(buildModel(objects), flows);
}

/** `CODE Kind namespace/name field`. */
export function inShort({ code, object: about, field }: Finding): string {
  return `${code} ${formatRef(about)}${field === undefined ? '' : ` ${field}`}`;
}

export type Row = readonly [name: string, objects: readonly KubeObject[], want: readonly string[]];

export type Case = { readonly name: string; readonly got: () => readonly string[]; readonly want: readonly string[] };

/** A case for each row: exactly these findings, among those of the codes that the table is about. */
export function cases(
  codes: readonly string[],
  rows: readonly Row[],
  flows: readonly ObservedFlow[] = [],
): readonly Case[] {
  return rows.map(([name, objects, want]) => ({
    name,
    got: () =>
      found(objects, flows)
        .filter(({ code }) => codes.includes(code))
        .map(inShort)
        .sort(),
    want: [...want].sort(),
  }));
}
