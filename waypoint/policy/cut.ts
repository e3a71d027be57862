/** Ends a request that policies of now deny, wherever it is on its way. */
import { HeaderFields, HttpError } from '../../core/http/index.ts';
import type { Exchange } from '../exchange.ts';
import { isGrpc } from '../reply.ts';
import type { Denial } from './standing.ts';
import type { PolicyWatch } from './watch.ts';

/** PERMISSION_DENIED. */
const GRPC_DENIED = '7';

/** It is over at our side: the reference has no letters of its own for that. */
const CUT_FLAG = 'LR';

/**
 * Before its answer has begun the caller is told 403; then HTTP/1.1 breaks off, HTTP/2 resets the stream, gRPC says so in trailers. An
 * upgraded connection ends in both directions. The endpoint hears of it in each case.
 */
export function cut(x: Exchange, denial: Denial, watch: PolicyWatch): void {
  const error = denialOf(x, denial, watch);
  const { answer, request } = x;
  if (answer !== undefined && !answer.isOver) {
    const canSay = request.version === 'HTTP/2' && request.upgrade === undefined && isGrpc(request);
    const trailers = canSay ? HeaderFields.of({ 'grpc-status': GRPC_DENIED, 'grpc-message': DENIED }) : undefined;
    answer.breakOff(trailers === undefined ? { error, trailers } : { error: undefined, trailers });
  }
  x.over = error;
  x.withdraw(error);
}

const DENIED = 'RBAC: access denied';

/** Notes why. */
export function denialOf(x: Exchange, { because, details, scope, facts }: Denial, watch: PolicyWatch): HttpError {
  x.because = because;
  x.receipt = watch.denied(x, because, scope, facts);
  x.flags = CUT_FLAG;
  x.details = `policy_changed{${details}}`;
  const error = new HttpError('denied', `policies have changed: ${because}`, { detail: x.details, status: 403 });
  x.denial = error;
  return error;
}
