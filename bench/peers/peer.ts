/** One shape for all that is measured. */
import type { TestHost } from '../../test/support/netns.ts';
import type { Programs } from '../load.ts';

export type PeerContext = {
  readonly programs: Programs;
  /** For configuration, keys and logs. */
  readonly scratch: string;
  /** Whether the applications of peers that know no pods are redirected to them. */
  readonly captured: boolean;
};

export type Running = AsyncDisposable & {
  /** Where the load client runs, and the address that it dials, for the sink and the echo. */
  readonly client: TestHost;
  readonly target: string;
  /** The proxies on both sides. */
  readonly pids: readonly number[];
};

export type Peer = {
  readonly name: string;
  readonly version: string;
  readonly cipherSuite: string;
  start(context: PeerContext): Promise<Running>;
};

/** A peer that is here, or why it is not. */
export type Found = Peer | { readonly name: string; readonly skipped: string };
/** Envoy can not be told otherwise: its BoringSSL takes this one wherever the processor has AES. So all others are told to. */
export const CIPHER_SUITE = 'TLS_AES_128_GCM_SHA256';
/** What the reference's ztunnels agree on; they have no choice either. */
export const ZTUNNEL_SUITE = 'TLS_AES_256_GCM_SHA384';

/** Connections from one address to one address leave pairs in TIME_WAIT, and the search for a free port then costs milliseconds, for everybody alike. */
export const calmTimeWait = (host: TestHost) => host.exec('sysctl -qw net.ipv4.tcp_max_tw_buckets=64');
