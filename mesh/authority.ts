/** The `host:port` of a CONNECT request. */
import { parseIp, type SocketAddress } from './address.ts';

export type HostPort = { readonly host: string; readonly port: number };

export type Authority =
  | { readonly kind: 'address'; readonly address: SocketAddress }
  | ({ readonly kind: 'hostname' } & HostPort);

const PORT = /^\d{1,5}$/;
// RFC 1123 labels, underscores allowed because service names in the wild have them.
const HOSTNAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?$/i;
const MAX_PORT = 65_535;

/**
 * `ip:port`, `[ipv6]:port` or `hostname:port`; undefined when either half is missing or malformed. Hostnames come back
 * lower-case and without the trailing dot.
 */
export function parseAuthority(text: string): Authority | undefined {
  const colon = text.lastIndexOf(':');
  if (colon <= 0) return undefined;
  const digits = text.slice(colon + 1);
  const port = Number(digits);
  if (!PORT.test(digits) || port < 1 || port > MAX_PORT) return undefined;
  const host = text.slice(0, colon);
  if (host.startsWith('[')) {
    const ip = host.endsWith(']') && host.includes(':') ? parseIp(host.slice(1, -1)) : undefined;
    return ip === undefined ? undefined : { kind: 'address', address: { ip, port } };
  }
  const ip = host.includes(':') ? undefined : parseIp(host);
  if (ip !== undefined) return { kind: 'address', address: { ip, port } };
  // All digits and dots but no address: a mistyped IP must not be taken for a name.
  if (!HOSTNAME.test(host) || /^[\d.]+$/.test(host)) return undefined;
  return { kind: 'hostname', host: host.toLowerCase().replace(/\.$/, ''), port };
}
