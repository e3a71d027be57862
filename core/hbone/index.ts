/** The wall of the tunnel: HTTP/2 CONNECT over mutual TLS, and the legs that everything is relayed over. */

export type { FloodKind } from '../h2/index.ts';
export { type Baggage, formatBaggage, parseBaggage } from './baggage.ts';
export { type Choice, chooseHbone, createHboneClient, createHboneServer } from './create.ts';
export { HboneError, type HboneErrorCode } from './errors.ts';
export { formatForwarded, formatTraceparent, forwardedHost, newSpanId, newTraceId, traceIdOf } from './forwarded.ts';
export { connectInProcess, type InProcessCall } from './in-process.ts';
export { type Leg, type LegEvents, type RelayCounters, type ResetCode, relay, splice } from './leg.ts';
export { memoryLegs } from './memory-leg.ts';
export { RevocationGate, type Standing } from './revocation-gate.ts';
export { tcpLeg } from './tcp-leg.ts';
export { type ClientTls, type SecuredLeg, secureLeg } from './tls-over-leg.ts';
export {
  type CipherSuite,
  type ConnectRequest,
  DEFAULT_SETTINGS,
  type HboneClient,
  type HboneClientOptions,
  type HboneImplementation,
  type HboneServer,
  type HboneServerOptions,
  type HboneSettings,
  type OpenedStream,
  type OpenOptions,
  type Revocations,
  SUITES,
  type TlsMaterial,
} from './types.ts';
