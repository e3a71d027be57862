/** What is decided about connections that are carried as they are. */
import type { ChainConfig, TcpRules } from './chains.ts';

export function tcpChain(_config: ChainConfig): TcpRules {
  return {
    admit: () => ({ kind: 'allow', because: 'no policies' }),
    target: (_source, called) => called,
  };
}
