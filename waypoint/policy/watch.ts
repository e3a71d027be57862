/** Who is told what policies did: receipts for denials and for what a policy that is tried out would have changed, and numbers. */
import type { Receipt, Receipts, Registry } from '../../core/telemetry/index.ts';
import {
  type DryRunHit,
  explainHttp,
  formatDryRunHit,
  type HttpDecision,
  type HttpFacts,
  type HttpScope,
  serviceKey,
} from '../../mesh/index.ts';
import type { TcpVerdict } from '../chains.ts';
import type { Exchange } from '../exchange.ts';

/** A connection that is carried as it is. */
export type JudgedConnection = Pick<Exchange, 'source' | 'called'>;

export interface PolicyWatch {
  /** A request was denied, for a reason in words; the id of the receipt. */
  denied(x: Exchange, because: string, scope?: HttpScope, facts?: HttpFacts): string;
  /** Policies that audit or are tried out matched. */
  noticed(x: Exchange, decision: HttpDecision): void;
}

/** The same of connections. */
export interface ConnectionWatch {
  connectionDenied(connection: JudgedConnection, verdict: TcpVerdict): string;
  connectionNoticed(connection: JudgedConnection, decision: HttpDecision): void;
}

/** Rules of a denied request that are compared for a nearest miss: denials are cheap to ask for. */
const MOST_COMPARED = 64;
/** Policies that one receipt names. */
const MOST_CONSIDERED = 64;
/** What a caller can fill is cut. */
const MOST_SHOWN = 256;

const LABELS = ['policy', 'rule', 'action', 'would'] as const;

export class PolicyRecorder implements PolicyWatch, ConnectionWatch {
  readonly #receipts: Receipts;
  readonly #dryRun;
  readonly #audited;

  constructor(receipts: Receipts, registry: Registry) {
    this.#receipts = receipts;
    const dryRun = 'Requests and connections that a dry-run policy would have decided about, by rule (unstable).';
    this.#dryRun = registry.counter('ambit_policy_dry_run', dryRun, LABELS);
    const audited = 'Requests and connections that a rule of an AUDIT policy matched (unstable).';
    this.#audited = registry.counter('ambit_policy_audited', audited, ['policy', 'rule']);
  }

  denied(x: Exchange, because: string, scope?: HttpScope, facts?: HttpFacts): string {
    const explanation = scope && facts && explainHttp(scope, facts, MOST_COMPARED);
    return this.#receipt(x, asked(x, facts), 'deny', because, explanation).id;
  }

  noticed(x: Exchange, decision: HttpDecision): void {
    this.#noticed(x, decision, asked(x));
  }

  connectionDenied(connection: JudgedConnection, { because, judged }: TcpVerdict): string {
    const explanation = judged && explainHttp(judged.scope, judged.facts, MOST_COMPARED);
    return this.#receipt(connection, undefined, 'deny', because, explanation).id;
  }

  connectionNoticed(connection: JudgedConnection, decision: HttpDecision): void {
    this.#noticed(connection, decision, undefined);
  }

  #noticed(
    where: JudgedConnection,
    { audited = [], dryRunHits = [] }: HttpDecision,
    request: Receipt['request'],
  ): void {
    for (const { policy, rule } of audited) this.#audited.labels([policy, String(rule)]).inc();
    for (const hit of dryRunHits) this.#tried(where, request, hit);
  }

  #tried(where: JudgedConnection, request: Receipt['request'], hit: DryRunHit): void {
    const { policy, rule, action, would, changes } = hit;
    this.#dryRun.labels([policy, rule === undefined ? '' : String(rule), action, would]).inc();
    if (!changes) return;
    this.#receipt(where, request, would === 'deny' ? 'dry-run-deny' : 'dry-run-allow', formatDryRunHit(hit));
  }

  #receipt(
    { source, called }: JudgedConnection,
    request: Receipt['request'],
    verdict: Receipt['verdict'],
    because: string,
    explanation: Pick<Receipt, 'considered' | 'nearestMiss'> = { considered: [] },
  ): Receipt {
    const service = called.service && serviceKey(called.service);
    // What is tried out never pushes out what was enforced.
    const ring = `${verdict === 'deny' ? '' : 'dry run '}${service ?? called.workload?.uid ?? ''}`;
    return this.#receipts.add(ring, {
      direction: 'inbound',
      reporter: 'destination',
      src: { identity: source.identity, ip: source.ip },
      dst: {
        ip: called.ip ?? '',
        port: called.port,
        ...(service !== undefined && { service }),
        ...(called.workload && { workload: called.workload.uid }),
      },
      ...(request && { request }),
      verdict,
      because,
      ...explanation,
      considered: explanation.considered.slice(0, MOST_CONSIDERED),
    });
  }
}

/** As policies have seen it; else as it is now. */
function asked(x: Exchange, facts?: HttpFacts): NonNullable<Receipt['request']> {
  const { method, authority } = facts?.request ?? x.request;
  return { method: cut(method), path: cut(facts?.request?.path ?? x.path), host: cut(authority) };
}

function cut(text: string): string {
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}
