import { sys } from './kernel.ts';
import { type DescriptorLedger, recorded } from './ledger.ts';
import { setLingerZero } from './socket-options.ts';

/** Closes what a thread that has ended left open; connections are reset. Returns how many there were. */
export function closeLeftBehind(ledger: DescriptorLedger): number {
  let count = 0;
  for (const fd of recorded(ledger)) {
    setLingerZero(fd); // fails on what is no socket, which does not matter
    sys.close(fd);
    count += 1;
  }
  ledger.fill(0);
  return count;
}
