/** A receipt as people read it. */
import { changeFor, describeMiss, type NearestMiss } from '../../mesh/index.ts';
import type { Silent } from '../ztunnels.ts';
import type { Found, Receipt } from './receipts.ts';
import { describeHop, describeNext } from './report.ts';

const VERDICTS: Readonly<Record<Receipt['verdict'], string>> = {
  deny: 'DENIED',
  'dry-run-deny': 'allowed, and WOULD BE DENIED by a dry run',
  'dry-run-allow': 'denied, and WOULD BE ALLOWED by a dry run',
};

export function reportReceipt(id: string, found: Found): string {
  const { receipt, node, silent } = found;
  if (receipt === undefined) return [notFound(id, found), ...silences(silent)].join('\n');
  const { src, dst } = receipt;
  const miss = receipt.nearestMiss as NearestMiss | undefined;
  const details = [
    ...(receipt.considered.length > 0 ? [`considered: ${receipt.considered.join(', ')}`] : []),
    ...(miss ? [`closest: ${describeMiss(miss)}`] : []),
  ];
  const { original } = src;
  const peer = `${nameOf(src.workload) ?? 'somebody'} at ${src.ip}`;
  const hops = [
    ...(original === undefined ? [{ kind: 'caller', says: peer }] : callerThrough(original, peer)),
    { kind: 'identity', says: src.identity ?? 'none: the connection came in plaintext' },
    ...(dst.service === undefined ? [] : [{ kind: 'service', says: dst.service }]),
    { kind: 'endpoint', says: `${nameOf(dst.workload) ?? 'somebody'} at ${dst.ip} port ${dst.port}` },
    { kind: 'policy', says: receipt.because, details, stops: receipt.verdict === 'deny' },
  ].map(({ stops = false, ...hop }: { kind: string; says: string; details?: string[]; stops?: boolean }) =>
    describeHop({ ...hop, outcome: stops ? 'stops' : 'passes' }),
  );
  const parts = [
    `receipt ${receipt.id}: ${VERDICTS[receipt.verdict]}\nOn ${receipt.at}, by the ztunnel of node ${node ?? '?'}.`,
    hops.join('\n'),
    describeNext([...(miss ? [changeFor(miss)] : []), askAgain(receipt)]),
  ];
  return parts.join('\n\n');
}

function callerThrough({ identity, ip }: NonNullable<Receipt['src']['original']>, waypoint: string) {
  return [
    { kind: 'caller', says: `${identity} at ${ip}` },
    { kind: 'waypoint', says: waypoint },
  ];
}

/** The same question to what is in force by now. */
function askAgain({ src, dst }: Receipt): string {
  const from = podOf(src.workload);
  const to = podOf(dst.workload);
  const caller = from ? `pod/${from.name}.${from.namespace}` : src.ip;
  const callee = to ? `pod/${to.name}.${to.namespace}` : dst.ip.includes(':') ? `[${dst.ip}]` : dst.ip;
  return `policies may have changed since; what holds now: ambit why ${caller} ${callee}:${dst.port}`;
}

function notFound(id: string, { asked, silent }: Found): string {
  const answered = asked - silent.length;
  const who = `${answered} of ${asked} ${asked === 1 ? 'node' : 'nodes'} answered, and ${answered === 1 ? 'it has' : 'none has'} no`;
  return `receipt ${id}: UNKNOWN\n${who.replace('none has no', 'none has a')} receipt with this id: it is mistyped, or so old that newer ones took its place.`;
}

function silences(silent: readonly Silent[]): readonly string[] {
  return silent.map(({ node, reason }) => `Node ${node} did not answer: ${reason}`);
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
