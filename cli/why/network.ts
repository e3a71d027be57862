/** What NetworkPolicies may do to a predicted tunnel: the network is outside of the prediction, so this is only told. */
import { type Code, findings, formatRef, type MeshModel, type Prediction } from '../../mesh/index.ts';

const TUNNEL_BLOCKED: ReadonlySet<Code> = new Set<Code>(['AMB0401', 'AMB0402']);

/** Clauses: findings of `ambit analyze` about NetworkPolicies in the namespaces on the path. */
export function networkNotes(model: MeshModel, { cases }: Prediction): readonly string[] {
  const tunnelled = cases.filter(({ encryption }) => encryption === 'mutual-tls');
  if (tunnelled.length === 0 || !model.objects.some(({ kind }) => kind === 'NetworkPolicy')) return [];
  const names = tunnelled.flatMap(({ callers, endpoints }) => [...callers, ...endpoints]);
  const namespaces = new Set(names.map((name) => name.split('/')[0]));
  return findings(model)
    .filter(({ code, object }) => TUNNEL_BLOCKED.has(code) && namespaces.has(object.namespace))
    .map(({ code, object, message }) => `the network is not part of this: ${formatRef(object)} ${message} (${code})`);
}
