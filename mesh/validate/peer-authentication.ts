/** PeerAuthentication (crds.md section 3). */

import { readPeerAuthentication } from '../derive/peer-authentication.ts';
import { fields, isFields, labelsOf } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import { selectorCheck, warnOfSelector } from './attachment.ts';
import type { Findings } from './findings.ts';
import { type Check, isSet, map, object, oneOf } from './shape.ts';
import type { Surroundings } from './surroundings.ts';

const mutualTls: Check = object({ mode: oneOf('UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT') });
const MAX_PORT = 65_535;

const spec: Check = object({
  selector: selectorCheck,
  mtls: mutualTls,
  portLevelMtls: map(mutualTls, {
    key: (written) =>
      /^[1-9]\d{0,4}$/.test(written) && Number(written) <= MAX_PORT ? undefined : 'is no port (1 to 65535)',
  }),
});

export function validatePeerAuthentication(peer: KubeObject, around: Surroundings, found: Findings): void {
  if (!isSet(peer['spec'])) return;
  spec(peer['spec'], 'spec', found);
  const written = fields(peer['spec']);
  const ports = written['portLevelMtls'];
  const hasLabels = Object.keys(labelsOf(fields(written['selector'])['matchLabels'])).length > 0;
  if (isFields(ports) && Object.keys(ports).length === 0) found.error('spec.portLevelMtls', 'must not be empty');
  else if (isSet(ports) && !hasLabels) found.error('spec.portLevelMtls', 'needs a selector with labels');
  if (found.errors.length > 0) return;
  warnOfModes(written, found);
  warnOfRivals(peer, around, found);
  const isRoot = peer.metadata.namespace === around.config.rootNamespace;
  if (hasLabels && isRoot) {
    found.warn(
      'ignored',
      'spec.selector',
      'has no effect in the root namespace: put this into the namespace of the pods',
    );
  } else {
    warnOfSelector(written, peer.metadata.namespace ?? '', around, found);
  }
}

function warnOfModes(spec: ReturnType<typeof fields>, found: Findings): void {
  const modes: readonly (readonly [string, unknown])[] = [
    ['spec.mtls.mode', fields(spec['mtls'])['mode']],
    ...Object.entries(fields(spec['portLevelMtls'])).map(
      ([port, setting]) => [`spec.portLevelMtls[${port}].mode`, fields(setting)['mode']] as const,
    ),
  ];
  for (const [at, mode] of modes) {
    if (mode === 'DISABLE')
      found.warn('unusual', at, 'DISABLE acts as PERMISSIVE: pods of the mesh always accept mutual TLS');
  }
}

/** Of several objects for the same scope the oldest counts, whatever the others say. */
function warnOfRivals(peer: KubeObject, around: Surroundings, found: Findings): void {
  const { rootNamespace } = around.config;
  const mine = readPeerAuthentication(peer, rootNamespace);
  if (mine.selector !== undefined) return;
  for (const object of around.objects('PeerAuthentication', mine.namespace) ?? []) {
    if (object.metadata.name === mine.name) continue;
    const other = readPeerAuthentication(object, rootNamespace);
    if (other.selector !== undefined || other.created > mine.created) continue;
    if (other.created === mine.created && other.key > mine.key) continue;
    const scope = mine.namespace === rootNamespace ? 'the mesh' : `namespace ${mine.namespace}`;
    found.warn(
      'ignored',
      'spec',
      `has no effect: PeerAuthentication ${other.key} is older and holds for ${scope}, too`,
    );
    return;
  }
}
