/** Sockets, marks, namespaces and descriptors: the only part of Ambit that calls the kernel itself. */
export { type CaptureOptions, PacketCapture } from './capture.ts';
export { closeLeftBehind } from './dead-thread.ts';
export { connectTcp, type DialOptions, dialTcp } from './dial.ts';
export { KernelError } from './errors.ts';
export { exitAtOnce } from './exit.ts';
export { HeldViews } from './held-views.ts';
export { type DescriptorLedger, keepLedger, newLedger } from './ledger.ts';
export { LISTEN_BACKLOG, type ListenOptions, listenTcp, localAddress, type ServeOptions, serveFd } from './listen.ts';
export { NetnsRef } from './netns.ts';
export { Nghttp2Decoder } from './nghttp2-decoder.ts';
export { originalDst } from './original-dst.ts';
export { pcapHeader, pcapRecord } from './pcap.ts';
export {
  boundCapabilities,
  closeOnExec,
  enterNamespace,
  type Mount,
  type MountFlag,
  mount,
  openTerminal,
  pivotRoot,
  reapOrphans,
  resizeTerminal,
  restoreSignals,
  setHostname,
  setNoNewPrivileges,
  takeTerminal,
  unmount,
  unshare,
} from './process.ts';
export { HAND_OVER_MS } from './reuse-port.ts';
export { checkCapabilities, checkRuntime, setNotDumpable, trimNativeMemory } from './runtime.ts';
export {
  closeFds,
  MAX_PACKET_BYTES,
  type Packet,
  type Peer,
  peerOfSocket,
  SeqpacketConnection,
  SeqpacketServer,
} from './seqpacket.ts';
export { canonicalIp, type IpPort } from './sockaddr.ts';
export { DEFAULT_KEEPALIVE, fdOf, type KeepAlive, resetSocket } from './socket-options.ts';
export { spawnInNetns } from './spawn.ts';
export { TcpConnection } from './tcp-connection.ts';
export { TcpLink, type TcpLinkEvents } from './tcp-link.ts';
export { type AcceptOptions, TcpListener } from './tcp-listener.ts';
export { tlsProblem } from './tls-check.ts';
export { TlsContext, type TlsContextOptions, TlsError } from './tls-context.ts';
export { TlsLink, type TlsLinkEvents } from './tls-link.ts';
export { bytesCome, bytesMoved, endTurn, flushSoon, soon, turnsSoFar } from './turn.ts';
export { openUdp, type UdpEvents, type UdpOptions, UdpPeer, UdpSocket } from './udp-socket.ts';
export { DISCONNECT, READABLE, Watch, type WatchEvents, WRITABLE } from './watch.ts';
