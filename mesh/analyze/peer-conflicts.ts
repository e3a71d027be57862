/** PeerAuthentications for the same pods, and policies meant for the mesh that hold for one namespace only. */
import { type PeerFacts, readPeerAuthentication } from '../derive/peer-authentication.ts';
import { fields, labelsOf } from '../derive/read.ts';
import { getOrAdd } from '../derive/selector.ts';
import type { KubeObject } from '../kube-object.ts';
import { nearest } from './edit-distance.ts';
import { type Finding, finding, refOf, some } from './finding.ts';
import type { World } from './world.ts';

const PEER = 'security.istio.io/PeerAuthentication';
/** Where installations of this mesh and of its reference usually live. */
const USUAL_ROOTS: ReadonlySet<string> = new Set(['istio-system', 'istio-config', 'ambit-system']);

export function* peerConflicts(world: World): Generator<Finding> {
  const peers = world
    .objects(PEER)
    .map((object) => readPeerAuthentication(object, world.config.rootNamespace))
    .sort(olderFirst);
  const wide = new Map<string, PeerFacts>();
  const narrow = new Map<string, PeerFacts>();
  for (const peer of peers) {
    if (peer.selector === undefined) {
      const older = wide.get(peer.namespace);
      wide.set(peer.namespace, older ?? peer);
      if (older !== undefined) yield conflict(peer, older, 'the whole namespace');
      continue;
    }
    if (peer.namespace === world.config.rootNamespace) continue; // without effect there
    const overruled = new Map<PeerFacts, string[]>();
    for (const pod of world.podsSelected(peer.namespace, peer.selector)) {
      const older = narrow.get(pod.facts.key);
      narrow.set(pod.facts.key, older ?? peer);
      if (older !== undefined) getOrAdd(overruled, older, () => []).push(pod.owner.name);
    }
    for (const [older, names] of overruled) yield conflict(peer, older, some(names));
  }
}

function conflict(peer: PeerFacts, older: PeerFacts, whom: string): Finding {
  const ref = ({ namespace, name }: PeerFacts) => ({ kind: 'PeerAuthentication', namespace, name });
  return finding('AMB0203', ref(peer), {
    message: `says nothing for ${whom}: PeerAuthentication ${older.key} is about the same pods and older, so it counts`,
    fix: 'make one of the two, or give them selectors that exclude each other',
    related: [ref(older)],
  });
}

function olderFirst(a: PeerFacts, b: PeerFacts): number {
  if (a.created !== b.created) return a.created < b.created ? -1 : 1;
  return a.key < b.key ? -1 : 1;
}

/** Without a selector, in a namespace that is nearly the root namespace or was one: probably meant for all. */
export function* misplacedMeshPolicies(world: World): Generator<Finding> {
  const { rootNamespace } = world.config;
  for (const object of [...world.objects('security.istio.io/AuthorizationPolicy'), ...world.objects(PEER)]) {
    const { namespace = '' } = object.metadata;
    if (namespace === rootNamespace || !isForAll(object)) continue;
    if (!looksLikeRoot(namespace, rootNamespace, world)) continue;
    yield finding('AMB0105', refOf(object), {
      field: 'metadata.namespace',
      message: `holds for the pods of ${namespace} only; what holds for the whole mesh stands in the root namespace, ${rootNamespace}`,
      fix: `move it to namespace ${rootNamespace} if it is meant for the mesh`,
    });
  }
}

function looksLikeRoot(namespace: string, rootNamespace: string, world: World): boolean {
  if (USUAL_ROOTS.has(namespace)) return true;
  if (world.podsIn(namespace).some(({ labels }) => labels['app'] === 'istiod')) return true;
  return world.podsIn(namespace).length === 0 && nearest(namespace, [rootNamespace]) !== undefined;
}

function isForAll(object: KubeObject): boolean {
  const spec = fields(object['spec']);
  if (spec['targetRef'] !== undefined || spec['targetRefs'] !== undefined) return false;
  return Object.keys(labelsOf(fields(spec['selector'])['matchLabels'])).length === 0;
}
