/** A plain TCP connection as a leg. */
import type { Socket } from 'node:net';
import { resetSocket } from '../net/index.ts';
import type { Leg, ResetCode } from './leg.ts';
import { NodeLeg } from './node-leg.ts';

class SocketLeg extends NodeLeg<Socket> {
  // TCP has one kind of reset.
  protected override cut(_code: ResetCode): void {
    resetSocket(this.stream);
  }

  protected override reason(): ResetCode {
    return 'connect-error';
  }

  protected override peerMayLeave(): boolean {
    return false;
  }
}

/**
 * The leg of a connected, paused socket with `allowHalfOpen`; it owns the socket. `reset` sends RST whatever the code.
 * A peer's RST is a `reset`; while the leg is paused, or after the peer's FIN, the kernel tells of it only at the next write.
 */
export function socketLeg(socket: Socket): Leg {
  return new SocketLeg(socket);
}
