/** Denials by path that `//admin` gets around where slashes are not merged (waypoint.md section 4.5): the mesh configuration's default. */
import { type Fields, fields, list, text, texts } from '../derive/read.ts';
import type { MeshConfig } from '../kube-object.ts';
import { type Findings, quote } from './findings.ts';

/** Of what is denied, and of what is excepted from what is allowed. */
const EVADED: Readonly<Record<string, string>> = { DENY: 'paths', ALLOW: 'notPaths' };

/** For a policy for waypoints, without errors. One warning each: whoever reads it changes the mesh configuration, or no more. */
export function warnOfDoubleSlashes(spec: Fields, { pathNormalization }: MeshConfig, found: Findings): void {
  if (pathNormalization !== 'BASE' && pathNormalization !== 'NONE') return;
  const field = EVADED[text(spec['action']) || 'ALLOW'];
  if (field === undefined) return;
  for (const [r, rule] of list(spec['rules']).entries()) {
    for (const [o, entry] of list(fields(rule)['to']).entries()) {
      const values = texts(fields(fields(entry)['operation'])[field]);
      const evaded = values.findIndex((path) => path.startsWith('/') && path !== '/*' && !path.startsWith('/{**}'));
      if (evaded < 0) continue;
      const at = `spec.rules[${r}].to[${o}].operation.${field}[${evaded}]`;
      const path = values[evaded] ?? '';
      const message = `does not catch ${quote(`/${path}`)}, which many applications take for the same: pathNormalization of the mesh configuration is ${pathNormalization}, and MERGE_SLASHES closes it`;
      found.warn('gone-around', at, message);
      return;
    }
  }
}
