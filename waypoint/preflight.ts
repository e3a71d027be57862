import type { Exchange } from './exchange.ts';

/** A browser asks without a token whether it may send one. */
export function isPreflight({ request }: Pick<Exchange, 'request'>): boolean {
  const { method, headers } = request;
  return method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method');
}
