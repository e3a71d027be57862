/** Who may answer for a destination. */
import type { Service, Workload } from '../model.ts';
import { parseSpiffeId, type SpiffeId, spiffeId } from '../spiffe.ts';

const ofWorkload = new WeakMap<Workload, readonly SpiffeId[]>();
const ofService = new WeakMap<Service, readonly SpiffeId[]>();

/** The workload's identity; empty when its parts do not make one (such a peer can not be verified). */
export function workloadIdentities(workload: Workload): readonly SpiffeId[] {
  let known = ofWorkload.get(workload);
  if (known === undefined) {
    const { trustDomain, namespace, serviceAccount } = workload;
    known = attempt(() => spiffeId(trustDomain, namespace, serviceAccount));
    ofWorkload.set(workload, known);
  }
  return known;
}

/** The workload's identity and those that the service names besides. Names that are no workload identity do not count. */
export function expectedIdentities(workload: Workload, service: Service | undefined): readonly SpiffeId[] {
  const own = workloadIdentities(workload);
  if (service === undefined || service.subjectAltNames.length === 0) return own;
  let further = ofService.get(service);
  if (further === undefined) {
    further = service.subjectAltNames.flatMap((name) => attempt(() => parseSpiffeId(name)));
    ofService.set(service, further);
  }
  return further.length === 0 ? own : [...own, ...further];
}

function attempt(parse: () => SpiffeId): readonly SpiffeId[] {
  try {
    return [parse()];
  } catch {
    return []; // one malformed name only means one identity fewer that is accepted
  }
}
