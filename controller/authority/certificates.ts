/** The certificate service: every check of design ("who may ask for what"), then a signature. */
import { status } from '@grpc/grpc-js';
import type { CertificateAuthority, SignedCertificate } from '../../core/identity/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import { type CertificateHandler, type CertificateRequest, RpcError } from '../../core/xds/index.ts';
import { MeshError, spiffeId } from '../../mesh/index.ts';
import type { Clock } from '../clock.ts';
import type { PodIndex } from '../kube/pod-index.ts';
import type { AuthorityMetrics } from '../observe/metrics.ts';
import { type AuthenticatorOptions, authenticate, type Caller } from './caller.ts';
import { mayImpersonate } from './trust.ts';

export type CertificateServiceOptions = {
  readonly authority: () => CertificateAuthority;
  readonly authenticator: AuthenticatorOptions;
  readonly pods: PodIndex;
  readonly trustedAccounts: ReadonlySet<string>;
  readonly trustDomain: () => string;
  readonly defaultTtlMs: number;
  readonly maxTtlMs: number;
  readonly informerLagMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: AuthorityMetrics;
};

/** Shorter lives would expire between two refreshes. */
const MIN_TTL_S = 60;

const IMPERSONATION_REFUSED = 'request impersonation authentication failure';

type Grant = { readonly identity: string; readonly node?: string; readonly pod: string; readonly forPod?: string };

export function certificateHandler(o: CertificateServiceOptions): CertificateHandler {
  return async (request, { metadata, peer }) => {
    o.metrics.requests.inc();
    const caller = await authenticated(o, () => authenticate(o.authenticator, metadata, peer));
    const grant = await granted(o, caller, request);
    const ttlSeconds = ttlOf(o, request.ttlSeconds);
    const signed = await sign(o, request, grant.identity, ttlSeconds);
    o.metrics.issued.inc();
    o.log.info('certificate issued', {
      identity: grant.identity,
      serial: signed.serial,
      notAfter: signed.notAfter.toISOString(),
      node: grant.node,
      pod: grant.pod,
      forPod: grant.forPod,
      peer,
    });
    return signed.chainPem;
  };
}

async function authenticated(o: CertificateServiceOptions, identify: () => Promise<Caller>): Promise<Caller> {
  try {
    return await identify();
  } catch (error) {
    o.metrics.authenticationFailures.inc();
    throw error;
  }
}

async function granted(o: CertificateServiceOptions, caller: Caller, request: CertificateRequest): Promise<Grant> {
  const own = `${caller.namespace}/${caller.pod?.name ?? ''}`;
  const wanted = request.impersonatedIdentity;
  if (wanted === undefined || wanted === '') {
    const pod = caller.pod === undefined ? undefined : o.pods.get(caller.namespace, caller.pod.name);
    const node = pod?.uid === caller.pod?.uid ? pod?.node : undefined;
    const identity = spiffeId(o.trustDomain(), caller.namespace, caller.serviceAccount);
    return { identity, pod: own, ...(node === undefined ? {} : { node }) };
  }
  const ask = () =>
    mayImpersonate(caller, wanted, { trustedAccounts: o.trustedAccounts, trustDomain: o.trustDomain(), pods: o.pods });
  const verdict = await o.pods.settle(ask, o.informerLagMs);
  if (verdict.allowed) {
    return { identity: wanted, node: verdict.node, pod: verdict.callerPod.key, forPod: verdict.forPod.key };
  }
  o.metrics.authenticationFailures.inc();
  o.log.warn('impersonation refused', {
    identity: wanted.slice(0, 300),
    caller: `${caller.namespace}/${caller.serviceAccount}`,
    pod: own,
    reason: verdict.reason,
  });
  throw new RpcError(status.UNAUTHENTICATED, IMPERSONATION_REFUSED);
}

function ttlOf(o: CertificateServiceOptions, requestedSeconds: number): number {
  if (requestedSeconds <= 0) return o.defaultTtlMs / 1000;
  if (requestedSeconds < MIN_TTL_S) {
    throw new RpcError(status.INVALID_ARGUMENT, `validity_duration ${requestedSeconds} s is less than ${MIN_TTL_S} s`);
  }
  if (requestedSeconds > o.maxTtlMs / 1000) {
    throw new RpcError(
      status.INVALID_ARGUMENT,
      `validity_duration ${requestedSeconds} s is more than the maximum of ${o.maxTtlMs / 1000} s`,
    );
  }
  return requestedSeconds;
}

async function sign(
  o: CertificateServiceOptions,
  request: CertificateRequest,
  identity: string,
  ttlSeconds: number,
): Promise<SignedCertificate> {
  const now = new Date(o.clock.now());
  try {
    return await o.authority().sign({ csrPem: request.csrPem, identities: [identity], ttlSeconds, now });
  } catch (error) {
    if (error instanceof MeshError && error.code === 'CSR_INVALID') {
      o.metrics.csrErrors.inc();
      o.log.warn('certificate request refused', { identity, reason: error.message });
      throw new RpcError(status.INVALID_ARGUMENT, error.message, { cause: error });
    }
    o.metrics.signErrors.inc();
    o.log.error('signing failed', { identity, error: String(error) });
    throw new RpcError(status.INTERNAL, 'signing failed', { cause: error });
  }
}
