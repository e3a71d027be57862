/** The node of an endpoint denies by its own L4 policies: an answer about the caller, not a failure of the endpoint. */
import { HboneError } from '../../core/hbone/index.ts';
import { HttpError } from '../../core/http/index.ts';

export class EndpointDenial extends HttpError {
  /** Of the receipt that the endpoint's node keeps, where it tells. */
  readonly receipt: string | undefined;

  constructor(status: number, receipt: string | undefined, cause: unknown) {
    const more = receipt === undefined ? '' : ` (receipt ${receipt})`;
    super('denied', `the node of the endpoint denied the caller with ${status}${more}`, {
      detail: `endpoint_access_denied{${status}}`,
      status: 403,
      isProcessed: false,
      cause,
    });
    this.receipt = receipt;
  }
}

/** A peer fills it, and it goes into logs and headers. */
const RECEIPT_ID = /^[\w-]{1,64}$/;

/** Of a CONNECT: ztunnels answer 401 to what policy denies (ztunnel.md section 3.4), other proxies 403; all else is no verdict. */
export function endpointDenial(error: unknown): EndpointDenial | undefined {
  if (!(error instanceof HboneError) || error.code !== 'CONNECT_REFUSED') return undefined;
  const { status, headers } = error;
  if (status !== 401 && status !== 403) return undefined;
  const receipt = headers?.get('ambit-receipt');
  return new EndpointDenial(status, receipt !== undefined && RECEIPT_ID.test(receipt) ? receipt : undefined, error);
}
