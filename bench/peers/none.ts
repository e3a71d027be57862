import type { Peer } from './peer.ts';
import { startSidecars } from './sidecars.ts';

/** No proxy at all: what the link and the load programs can do. */
export const none: Peer = {
  name: 'none',
  version: '-',
  cipherSuite: 'none',
  start: (context) => startSidecars('none', context, undefined),
};
