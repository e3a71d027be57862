/** A receipt as people read it. */
import { changeFor, describeHttpMiss, describeMiss, type NearestMiss } from '../../mesh/index.ts';
import { harmless } from '../tap/line.ts';
import type { Found, Receipt } from './receipts.ts';
import { describeHop, describeNext } from './report.ts';

const VERDICTS: Readonly<Record<Receipt['verdict'], string>> = {
  deny: 'DENIED',
  'dry-run-deny': 'allowed, and WOULD BE DENIED by a dry run',
  'dry-run-allow': 'denied, and WOULD BE ALLOWED by a dry run',
};

export function reportReceipt(id: string, found: Found): string {
  const { receipt, node, waypoint } = found;
  if (receipt === undefined) return [notFound(id, found), ...silences(found)].join('\n');
  const { src, dst, request } = receipt;
  const miss = missOf(found);
  const details = [
    ...(receipt.considered.length > 0 ? [`considered: ${receipt.considered.join(', ')}`] : []),
    ...(miss ? [`closest: ${miss.says}`] : []),
  ];
  const { original } = src;
  const peerName = nameOf(src.workload);
  const peer = peerName === undefined ? src.ip : `${peerName} at ${src.ip}`;
  const hops = [
    ...(original === undefined ? [{ kind: 'caller', says: peer }] : callerThrough(original, peer)),
    { kind: 'identity', says: src.identity ?? 'none: the connection came in plaintext' },
    ...(dst.service === undefined ? [] : [{ kind: 'service', says: dst.service }]),
    ...(waypoint === undefined
      ? [{ kind: 'endpoint', says: `${nameOf(dst.workload) ?? 'somebody'} at ${dst.ip} port ${dst.port}` }]
      : [{ kind: 'waypoint', says: `${waypoint}, for ${dst.ip} port ${dst.port}` }]),
    ...(request === undefined
      ? []
      : [{ kind: 'request', says: harmless(`${request.method} ${request.host}${request.path}`) }]),
    { kind: 'policy', says: receipt.because, details, stops: receipt.verdict === 'deny' },
  ].map(({ stops = false, ...hop }: { kind: string; says: string; details?: string[]; stops?: boolean }) =>
    describeHop({ ...hop, outcome: stops ? 'stops' : 'passes' }),
  );
  const parts = [
    `receipt ${receipt.id}: ${VERDICTS[receipt.verdict]}\nOn ${receipt.at}, by ${waypoint === undefined ? `the ztunnel of node ${node ?? '?'}` : `waypoint ${waypoint}`}.`,
    hops.join('\n'),
    describeNext([...(miss ? [miss.change] : []), askAgain(receipt)]),
  ];
  return parts.join('\n\n');
}

function callerThrough({ identity, ip }: NonNullable<Receipt['src']['original']>, waypoint: string) {
  return [
    { kind: 'caller', says: `${identity} at ${ip}` },
    { kind: 'waypoint', says: waypoint },
  ];
}

/** Waypoints and ztunnels call the parts of a rule differently. */
function missOf({ receipt, waypoint }: Found): { readonly says: string; readonly change: string } | undefined {
  const miss = receipt?.nearestMiss;
  if (miss === undefined) return undefined;
  if (waypoint === undefined) {
    const atL4 = miss as NearestMiss;
    return { says: describeMiss(atL4), change: changeFor(atL4) };
  }
  const where = `AuthorizationPolicy ${miss.policy}, spec.rules[${miss.rule}]`;
  return {
    says: harmless(describeHttpMiss(miss)),
    change: `if this should be allowed, look at ${miss.field} in ${where}`,
  };
}

/** The same question to what is in force by now. */
function askAgain({ src, dst, request }: Receipt): string {
  const from = podOf(src.workload);
  const to = podOf(dst.workload);
  const account = /\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(src.identity ?? '');
  const caller = from
    ? `pod/${from.name}.${from.namespace}`
    : request && account
      ? `sa/${account[2]}.${account[1]}`
      : src.ip;
  const host = dst.service?.split('/')[1];
  const callee =
    request && host ? host : to ? `pod/${to.name}.${to.namespace}` : dst.ip.includes(':') ? `[${dst.ip}]` : dst.ip;
  const asked = request === undefined ? '' : ` --method ${quoted(request.method)} --path ${quoted(request.path)}`;
  return `policies may have changed since; what holds now: ambit why ${caller} ${callee}:${dst.port}${asked}`;
}

/** What somebody else sent, for a shell. */
function quoted(text: string): string {
  return /^[-\w./]+$/.test(text) ? text : `'${harmless(text).replaceAll("'", "'\\''")}'`;
}

function notFound(id: string, { asked, silent, waypoints }: Found): string {
  const answered = asked - silent.length;
  const gates = waypoints && `${waypoints.asked - waypoints.silent.length} of ${waypoints.asked} pods of waypoints`;
  const nodes = `${answered} of ${asked} ${asked === 1 ? 'node' : 'nodes'}`;
  const has = answered === 1 && gates === undefined ? 'it has no' : 'none has a';
  return `receipt ${id}: UNKNOWN\n${[nodes, gates].filter(Boolean).join(' and ')} answered, and ${has} receipt with this id: it is mistyped, or so old that newer ones took its place.`;
}

function silences({ silent, waypoints }: Found): readonly string[] {
  return [
    ...silent.map(({ node, reason }) => `Node ${node} did not answer: ${reason}`),
    ...(waypoints?.silent ?? []).map(({ waypoint, reason }) => `Waypoint ${waypoint} did not answer: ${reason}`),
  ];
}

function nameOf(uid: string | undefined): string | undefined {
  const pod = podOf(uid);
  return pod === undefined ? uid : `${pod.namespace}/${pod.name}`;
}

/** A pod's uid is `cluster//Pod/namespace/name`. */
function podOf(uid: string | undefined): { readonly namespace: string; readonly name: string } | undefined {
  const [, , kind, namespace, name] = uid?.split('/') ?? [];
  return kind === 'Pod' && namespace !== undefined && name !== undefined ? { namespace, name } : undefined;
}
