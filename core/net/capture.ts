/** What passes an interface, and files of it that tcpdump and Wireshark read. */
import { must } from './errors.ts';
import * as k from './kernel.ts';
import type { NetnsRef } from './netns.ts';
import { setOption } from './socket-options.ts';
import { READABLE, Watch } from './watch.ts';

const MAX_FRAME_BYTES = 65_536 + 18; // the largest offloaded packet with its Ethernet header
const RECEIVE_BUFFER_BYTES = 16 << 20;
/** Frames taken in one turn of the loop, so that a busy link does not starve what else runs there. */
const FRAMES_PER_TURN = 256;

export type CaptureOptions = { readonly netns?: NetnsRef; readonly interface: string; readonly nowUs?: () => number };

/** Every frame on one interface, in both directions, until disposed. */
export class PacketCapture implements Disposable {
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #frame = Buffer.alloc(MAX_FRAME_BYTES);
  readonly #nowUs: () => number;
  #to: ((frame: Uint8Array, timestampUs: number) => void) | undefined;
  #dropped = 0;
  #error: unknown;
  #disposed = false;

  private constructor(fd: number, nowUs: () => number) {
    this.#fd = fd;
    this.#nowUs = nowUs;
    this.#watch = new Watch(fd, { ready: () => this.#drain(), failed: (error) => this.#fail(error) });
  }

  /** @throws KernelError ENODEV when there is no such interface in the namespace. */
  static open(o: CaptureOptions): PacketCapture {
    const fd = o.netns ? o.netns.run(() => packetSocket(o.interface)) : packetSocket(o.interface);
    try {
      return new PacketCapture(fd, o.nowUs ?? (() => Math.round((performance.timeOrigin + performance.now()) * 1000)));
    } catch (error) {
      k.sys.close(fd);
      throw error;
    }
  }

  /** Names the receiver, and starts. The frame is a copy of its own. */
  onPacket(take: (frame: Uint8Array, timestampUs: number) => void): void {
    this.#to = take;
    this.#watch.want(READABLE);
  }

  /** Frames that the kernel had no room for: a capture that proves an absence has to be without any. */
  get dropped(): number {
    if (!this.#disposed) {
      const statistics = Buffer.alloc(8); // struct tpacket_stats; reading resets it
      if (k.sys.getsockopt(this.#fd, k.SOL_PACKET, k.PACKET_STATISTICS, statistics, k.int(8)) >= 0) {
        this.#dropped += statistics.readUInt32LE(4);
      }
    }
    return this.#dropped;
  }

  /** Why the capture stopped by itself, such as the interface's going away. */
  get error(): unknown {
    return this.#error;
  }

  /** Hands over what is waiting already, so that everything until now is in the receiver's hands. */
  flush(): void {
    while (!this.#disposed && this.#drain() === FRAMES_PER_TURN);
  }

  #drain(): number {
    for (let i = 0; i < FRAMES_PER_TURN; i++) {
      const got = k.sys.recv(this.#fd, this.#frame, 0);
      if (got === -k.EAGAIN || got === -k.EINTR) return i;
      must(got, 'recv', 'a captured frame');
      this.#to?.(Uint8Array.prototype.slice.call(this.#frame, 0, got), this.#nowUs());
      if (this.#disposed) return i;
    }
    return FRAMES_PER_TURN;
  }

  #fail(error: unknown): void {
    this.#error = error;
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    void this.dropped; // the last count, kept for who asks later
    this.#disposed = true;
    this.#watch[Symbol.dispose]();
    k.sys.close(this.#fd);
  }
}

function packetSocket(name: string): number {
  const index = k.sys.interfaceIndex(name);
  // protocol 0: nothing arrives before the bind names the interface, else frames of others slip in
  const fd = must(k.sys.socket(k.AF_PACKET, k.SOCK_RAW | k.SOCK_NONBLOCK | k.SOCK_CLOEXEC, 0), 'socket', 'a capture');
  try {
    setOption(fd, k.SOL_SOCKET, k.SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES, 'SO_RCVBUFFORCE');
    const at = Buffer.alloc(20); // struct sockaddr_ll
    at.writeUInt16LE(k.AF_PACKET, 0);
    at.writeUInt16BE(k.ETH_P_ALL, 2);
    at.writeInt32LE(index, 4);
    if (index === 0) must(-19, 'if_nametoindex', `interface ${name}`); // ENODEV; index 0 would capture all of them
    must(k.sys.bind(fd, at), 'bind', `capture on ${name}`);
    return fd;
  } catch (error) {
    k.sys.close(fd);
    throw error;
  }
}
