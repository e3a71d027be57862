/** What is read of a BackendTLSPolicy (waypoint.md section 2.10, crds.md section 19). */
import { createdOf } from '../derive/age.ts';
import { type ConditionTarget, conditionTarget } from '../derive/outputs.ts';
import { type Fields, fields, labelsOf, list, text } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import type { ServiceRef } from '../route/derive/facts.ts';
import type { TlsWish } from './tls-wish.ts';

/** Why a policy can not be followed, as its conditions say. */
export type TlsProblem = {
  readonly accepted: 'Invalid' | 'NoValidCACertificate';
  /** Absent: references are not to blame. */
  readonly refs?: 'InvalidCACertificateRef' | 'InvalidKind';
  readonly message: string;
};

export type TlsTarget = {
  readonly ref: ServiceRef;
  /** The name of a port; '' for all. */
  readonly sectionName: string;
  /** As a status names it. */
  readonly ancestor: Readonly<Record<string, unknown>>;
};

export type BackendTlsFacts = {
  /** `namespace/name`. */
  readonly key: string;
  readonly target: ConditionTarget;
  /** RFC 3339; of policies for one target the oldest counts. */
  readonly created: string;
  readonly targets: readonly TlsTarget[];
  readonly wish: TlsWish;
  readonly problem: TlsProblem | undefined;
  /** Names of `options`, which are for other implementations. */
  readonly options: readonly string[];
  /** Its owner wants others to follow it, and not us. */
  readonly isIgnored: boolean;
};

const ISTIO = 'networking.istio.io';

export function readBackendTlsPolicy(object: KubeObject): BackendTlsFacts {
  const { name, namespace = '', annotations } = object.metadata;
  const spec = fields(object['spec']);
  const validation = fields(spec['validation']);
  const hostname = text(validation['hostname']);
  const names: string[] = [];
  const problems: TlsProblem[] = [];
  if (hostname === '') problems.push(invalid('validation.hostname: missing'));
  for (const [index, entry] of list(validation['subjectAltNames']).entries()) {
    const written = nameOf(fields(entry));
    if (written === undefined) problems.push(invalid(`validation.subjectAltNames[${index}]: no name of its type`));
    else names.push(written);
  }
  const roots = readRoots(validation, namespace, problems);
  return {
    key: `${namespace}/${name}`,
    target: conditionTarget(object),
    created: createdOf(object.metadata),
    targets: list(spec['targetRefs']).flatMap((ref) => targetOf(fields(ref), namespace)),
    wish: { sni: hostname, names: names.length > 0 ? names : [hostname], unverified: false, roots, own: undefined },
    problem: problems[0],
    options: Object.keys(fields(spec['options'])).sort(),
    isIgnored: labelsOf(annotations)['istio.io/ignore-policy-attachment'] === 'true',
  };
}

function invalid(message: string): TlsProblem {
  return { accepted: 'Invalid', message };
}

function nameOf({ type, hostname, uri }: Fields): string | undefined {
  if (type === 'Hostname') return text(hostname) || undefined;
  return type === 'URI' && text(uri).includes('://') ? text(uri) : undefined;
}

/** ConfigMaps; none where the web is trusted. Of several, those that can be read are enough. */
function readRoots(validation: Fields, namespace: string, problems: TlsProblem[]): TlsWish['roots'] {
  const refs = list(validation['caCertificateRefs']).map(fields);
  const wellKnown = text(validation['wellKnownCACertificates']);
  if (refs.length === 0) {
    if (wellKnown !== 'System') {
      problems.push(invalid(`validation.wellKnownCACertificates: ${JSON.stringify(wellKnown)} is not known here`));
    }
    return [];
  }
  const roots = refs.flatMap(({ group, kind, name }) =>
    text(group) === '' && kind === 'ConfigMap' ? [{ kind, namespace, name: text(name) } as const] : [],
  );
  if (roots.length === 0) {
    const kinds = refs.map(({ group, kind }) => `${text(kind)}${group ? `.${text(group)}` : ''}`).join(', ');
    const message = `validation.caCertificateRefs: ${kinds} can not hold authorities, a ConfigMap can`;
    problems.push({ accepted: 'NoValidCACertificate', refs: 'InvalidKind', message });
  }
  return roots;
}

/** Other kinds are for whoever knows them. */
function targetOf({ group, kind, name, sectionName }: Fields, namespace: string): readonly TlsTarget[] {
  const isService = text(group) === '' && kind === 'Service';
  if (!isService && !(group === ISTIO && kind === 'ServiceEntry')) return [];
  const ref: ServiceRef = { kind: isService ? 'Service' : 'ServiceEntry', namespace, name: text(name) };
  const section = text(sectionName);
  const ancestor = { group: text(group), kind, namespace, name: ref.name, ...(section && { sectionName: section }) };
  return [{ ref, sectionName: section, ancestor }];
}
