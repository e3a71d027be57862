/** What varies between the redirection rules of one pod and another. */

export type RedirectOptions = {
  /** Also redirect IPv6. */
  readonly ipv6: boolean;
  /** Redirect DNS to the proxy, which must have a DNS proxy then. */
  readonly dnsCapture: boolean;
  /** "Ingress mode": plaintext from outside goes to the application directly; HBONE and everything outbound is captured. */
  readonly bypassInbound: boolean;
  /** Interfaces inside the pod whose traffic is outbound traffic too (virtual machines, nested containers). */
  readonly virtualInterfaces: readonly string[];
};

export type RedirectDefaults = Pick<RedirectOptions, 'ipv6' | 'dnsCapture'>;

const BYPASS_INBOUND = 'ambient.istio.io/bypass-inbound-capture';
const DNS_CAPTURE = 'ambient.istio.io/dns-capture';
const REROUTE = 'istio.io/reroute-virtual-interfaces';

/** What Go's ParseBool reads, which is what users of the reference write. */
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'TRUE', 'true', 'True'].map((text) => [text, true] as const),
  ...['0', 'f', 'F', 'FALSE', 'false', 'False'].map((text) => [text, false] as const),
]);

/** Linux: up to 15 bytes, no slash, no white space; ours also printable ASCII without what means more than itself in nft. */
const INTERFACE_NAME = /^(?!\.{1,2}$)(?!.*["\\*:/])[\x21-\x7e]{1,15}$/;
/** Each costs two rules, and an annotation has room for a hundred thousand. */
const MAX_INTERFACES = 16;

/** The options of one pod by its annotations; one that can't be read is left out and reported. */
export function podOptions(
  annotations: Readonly<Record<string, string>>,
  defaults: RedirectDefaults,
): { readonly options: RedirectOptions; readonly warnings: readonly string[] } {
  const warnings: string[] = [];
  const flag = (name: string, fallback: boolean): boolean => {
    const text = annotations[name];
    if (text === undefined) return fallback;
    const value = BOOLEANS.get(text);
    if (value === undefined)
      warnings.push(`annotation ${name}=${JSON.stringify(text.slice(0, 64))}: must be true or false`);
    return value ?? fallback;
  };
  const interfaces = new Set<string>();
  for (const name of (annotations[REROUTE] ?? '').split(',').map((part) => part.trim())) {
    if (name === '' || interfaces.has(name)) continue;
    if (interfaces.size === MAX_INTERFACES || warnings.length > MAX_INTERFACES) {
      warnings.push(`annotation ${REROUTE}: only ${MAX_INTERFACES} interfaces are read`);
      break;
    }
    if (INTERFACE_NAME.test(name)) interfaces.add(name);
    else warnings.push(`annotation ${REROUTE}: ${JSON.stringify(name.slice(0, 64))} can't be the name of an interface`);
  }
  return {
    options: {
      ipv6: defaults.ipv6,
      dnsCapture: flag(DNS_CAPTURE, defaults.dnsCapture),
      bypassInbound: flag(BYPASS_INBOUND, false),
      virtualInterfaces: [...interfaces],
    },
    warnings,
  };
}
