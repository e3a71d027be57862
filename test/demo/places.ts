import type { Place } from '../support/world.ts';

/** Who takes part, as `samples/shop.yaml` deploys them. */
export const WEB: Place = { namespace: 'shop', app: 'web' };
export const CART: Place = { namespace: 'shop', app: 'cart' };
export const LEDGER: Place = { namespace: 'shop', app: 'ledger' };
export const PRICE: Place = { namespace: 'shop', app: 'price' };
export const REPORTER: Place = { namespace: 'office', app: 'reporter' };
export const BATCH: Place = { namespace: 'legacy', app: 'batch' };
export const ALL: readonly Place[] = [WEB, CART, LEDGER, PRICE, REPORTER, BATCH];

export const CART_URL = 'http://cart.shop:8080';
