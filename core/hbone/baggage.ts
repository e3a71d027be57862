/** The `baggage` header of CONNECT requests and responses: how a workload introduces itself to the other end. */
import type { Workload } from '../../mesh/index.ts';

/** What a peer says of itself. Never trusted for identity; only labels where the view knows nothing. */
export type Baggage = {
  readonly clusterId?: string;
  readonly namespace?: string;
  readonly workloadName?: string;
  readonly workloadType?: Workload['workloadType'];
  readonly serviceName?: string;
  readonly revision?: string;
  readonly region?: string;
  readonly zone?: string;
};

const TYPE_KEYS: Readonly<Record<Workload['workloadType'], string>> = {
  DEPLOYMENT: 'deployment',
  CRONJOB: 'cronjob',
  POD: 'pod',
  JOB: 'job',
};
const TYPE_OF_KEY: ReadonlyMap<string, Workload['workloadType']> = new Map(
  (Object.keys(TYPE_KEYS) as Workload['workloadType'][]).map((type) => [`k8s.${TYPE_KEYS[type]}.name`, type]),
);

/** A workload does not change: what is said of it is another object. */
const formatted = new WeakMap<Workload, string>();

/** The header for `workload`: non-empty values only, in the reference's order. */
export function formatBaggage(workload: Workload): string {
  const known = formatted.get(workload);
  if (known !== undefined) return known;
  const header = format(workload);
  formatted.set(workload, header);
  return header;
}

function format(workload: Workload): string {
  const entries: readonly (readonly [string, string | undefined])[] = [
    ['k8s.cluster.name', workload.clusterId],
    ['k8s.namespace.name', workload.namespace],
    [`k8s.${TYPE_KEYS[workload.workloadType]}.name`, workload.workloadName],
    ['service.name', workload.canonicalName],
    ['service.version', workload.canonicalRevision],
    ['cloud.region', workload.locality?.region],
    ['cloud.availability_zone', workload.locality?.zone],
  ];
  return entries.flatMap(([key, value]) => (value ? [`${key}=${value}`] : [])).join(',');
}

/** What peers said last, who say the same on each connection. They choose what: so few, and short ones. */
const MAX_READ = 64;
const MAX_READ_BYTES = 1_024;
const read = new Map<string, Baggage>();

/** Reads a header (several lines joined by commas). Unknown keys are ignored, an empty value counts as absent. */
export function parseBaggage(header: string | undefined): Baggage | undefined {
  if (header === undefined || header === '') return undefined;
  const known = read.get(header);
  if (known !== undefined) return known;
  const found = parse(header);
  if (header.length > MAX_READ_BYTES) return found;
  if (read.size >= MAX_READ) read.clear();
  read.set(header, found);
  return found;
}

function parse(header: string): Baggage {
  const found: { -readonly [K in keyof Baggage]: Baggage[K] } = {};
  for (const entry of header.split(',')) {
    const equals = entry.indexOf('=');
    const key = entry.slice(0, equals).trim();
    const value = entry.slice(equals + 1).trim();
    if (equals <= 0 || value === '') continue;
    const type = TYPE_OF_KEY.get(key);
    if (type !== undefined) {
      found.workloadType = type;
      found.workloadName = value;
    } else if (key === 'k8s.cluster.name') found.clusterId = value;
    else if (key === 'k8s.namespace.name') found.namespace = value;
    else if (key === 'service.name') found.serviceName = value;
    else if (key === 'service.version') found.revision = value;
    else if (key === 'cloud.region') found.region = value;
    else if (key === 'cloud.availability_zone') found.zone = value;
  }
  return found;
}
