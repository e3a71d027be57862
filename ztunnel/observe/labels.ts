/** The labels that all `istio_tcp_*` metrics share, from what is known of a connection. */
import { labelText } from '../../core/telemetry/index.ts';
import type { Service, Workload } from '../../mesh/index.ts';
import type { ConnectionContext, Party, ResponseFlags } from '../data/index.ts';

/** In the order in which they are printed. */
export const TCP_LABELS = [
  'reporter',
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'destination_service',
  'destination_service_namespace',
  'destination_service_name',
  'destination_workload',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_cluster',
  'request_protocol',
  'response_flags',
  'connection_security_policy',
  'source_region',
  'source_zone',
  'destination_region',
  'destination_zone',
] as const;

const UNKNOWN = 'unknown';
const or = (value: string | undefined): string => (value === undefined || value === '' ? UNKNOWN : value);

/** Label values without the flags; {@link withFlags} puts them in. */
export function tcpLabels(context: ConnectionContext): readonly string[] {
  const { reporter, src, dst, service, securityPolicy } = context;
  const source = describe(src);
  const destination = describe(dst);
  return [
    reporter,
    source.workload,
    source.service,
    source.revision,
    source.namespace,
    or(src.identity), // only what TLS proved
    source.app,
    source.version,
    source.cluster,
    ...serviceLabels(service),
    destination.workload,
    destination.service,
    destination.revision,
    destination.namespace,
    or(dst.workload === undefined ? dst.identity : principal(dst.workload)),
    destination.app,
    destination.version,
    destination.cluster,
    'tcp',
    '-',
    securityPolicy,
    source.region,
    source.zone,
    destination.region,
    destination.zone,
  ];
}

/** What the labels are made of. */
type Told = Pick<ConnectionContext, 'reporter' | 'securityPolicy'> & {
  readonly source: Labelled;
  readonly destination: Labelled;
  readonly service: Service | undefined;
};
type Labelled = Pick<Party, 'workload' | 'baggage' | 'identity'>;

/** As text, of the connection before to the same workload: workloads and services do not change, and most callers come again. */
const remembered = new WeakMap<Workload, Told & { readonly text: string }>();

/** {@link tcpLabels} as text. */
export function tcpLabelText(context: ConnectionContext): string {
  const { reporter, src, dst, service, securityPolicy } = context;
  const known = dst.workload && remembered.get(dst.workload);
  if (
    known !== undefined &&
    known.reporter === reporter &&
    known.service === service &&
    known.securityPolicy === securityPolicy &&
    isSame(known.source, src) &&
    isSame(known.destination, dst)
  ) {
    return known.text;
  }
  const text = labelText(TCP_LABELS, tcpLabels(context));
  if (dst.workload !== undefined) {
    const [source, destination] = [labelled(src), labelled(dst)];
    remembered.set(dst.workload, { reporter, source, destination, service, securityPolicy, text });
  }
  return text;
}

const labelled = ({ workload, baggage, identity }: Party): Labelled => ({
  ...(workload && { workload }),
  ...(baggage && { baggage }),
  ...(identity !== undefined && { identity }),
});

const isSame = (a: Labelled, b: Labelled): boolean =>
  a.workload === b.workload && a.baggage === b.baggage && a.identity === b.identity;

/** Of what is counted before a destination is known. */
export const SOURCE_LABELS = TCP_LABELS.slice(1, 9);

export function sourceLabels(source: Workload): readonly string[] {
  const labels = describe({ workload: source });
  return [
    labels.workload,
    labels.service,
    labels.revision,
    labels.namespace,
    principal(source),
    labels.app,
    labels.version,
    labels.cluster,
  ];
}

const FLAGS = TCP_LABELS.indexOf('response_flags');

export function withFlags(labels: readonly string[], flags: ResponseFlags): readonly string[] {
  return labels.with(FLAGS, flags);
}

type PartyLabels = Readonly<
  Record<'workload' | 'service' | 'revision' | 'namespace' | 'app' | 'version' | 'cluster' | 'region' | 'zone', string>
>;

/** The view wins over what the peer says of itself. */
function describe({ workload, baggage }: Pick<Party, 'workload' | 'baggage'>): PartyLabels {
  if (workload !== undefined) {
    return {
      workload: or(workload.workloadName),
      service: or(workload.canonicalName),
      revision: or(workload.canonicalRevision),
      namespace: or(workload.namespace),
      app: or(workload.canonicalName),
      version: or(workload.canonicalRevision),
      cluster: or(workload.clusterId),
      region: or(workload.locality?.region),
      zone: or(workload.locality?.zone),
    };
  }
  return {
    workload: or(baggage?.workloadName),
    service: or(baggage?.serviceName),
    revision: or(baggage?.revision),
    namespace: or(baggage?.namespace),
    app: or(baggage?.workloadName),
    version: or(baggage?.revision),
    cluster: or(baggage?.clusterId),
    region: or(baggage?.region),
    zone: or(baggage?.zone),
  };
}

function serviceLabels(service: Service | undefined): readonly string[] {
  return [or(service?.hostname), or(service?.namespace), or(service?.name)];
}

function principal({ trustDomain, namespace, serviceAccount }: Workload): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}
