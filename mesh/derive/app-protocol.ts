/** What is spoken on a port, as far as somebody said so (controller.md section 1.9). */
import type { AppProtocol } from '../model.ts';

/** By first word; what is not here is UNKNOWN. */
const APP_PROTOCOLS: ReadonlyMap<string, AppProtocol> = new Map([
  ['http', 'HTTP11'],
  ['http2', 'HTTP2'],
  ['grpc', 'GRPC'],
  ['https', 'TLS'],
  ['tls', 'TLS'],
  ['tcp', 'TCP'],
]);
const KUBERNETES_APP_PROTOCOLS: ReadonlyMap<string, AppProtocol> = new Map([
  ['kubernetes.io/h2c', 'HTTP2'],
  ['kubernetes.io/ws', 'HTTP11'],
  ['kubernetes.io/wss', 'TLS'],
]);
/** Well-known protocols in which the server speaks first, so that nobody waits for a client to reveal the protocol. */
const SERVER_FIRST_PORTS: ReadonlySet<number> = new Set([25, 53, 3306, 27_017]);

/** The `protocol` of a ServiceEntry's port. */
export function protocolNamed(name: string): AppProtocol {
  return APP_PROTOCOLS.get(name.toLowerCase()) ?? 'UNKNOWN';
}

/** What a TCP port of a Service declares, else what its name says. */
export function appProtocolOf(declared: string, portName: string, port: number): AppProtocol {
  if (declared !== '') return KUBERNETES_APP_PROTOCOLS.get(declared) ?? protocolNamed(declared);
  const name = portName.toLowerCase();
  const word = name.startsWith('grpc-web') ? 'grpc-web' : (name.split('-')[0] ?? '');
  return APP_PROTOCOLS.get(word) ?? (SERVER_FIRST_PORTS.has(port) ? 'TCP' : 'UNKNOWN');
}
