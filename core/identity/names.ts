/** The names in a certificate's subject alternative name extension. */
import { X509Certificate } from 'node:crypto';
import { MeshError, parseSpiffeId, type SpiffeId } from '../../mesh/index.ts';

export type SubjectAltNames = { readonly uris: readonly string[]; readonly dnsNames: readonly string[] };

/**
 * Node prints the extension as text, `URI:a, DNS:b`, and puts a value in JSON quotes when it could be mistaken for more
 * than one entry. This reads exactly that form; anything else is refused, because a name that is misread is an identity.
 */
const ENTRY = /(DNS|URI|IP Address|email|DirName|Registered ID|othername):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;

/** Throws CERTIFICATE_MALFORMED when the extension can't be read without doubt. */
export function subjectAltNamesOf(certificate: X509Certificate): SubjectAltNames {
  const text = certificate.subjectAltName ?? '';
  const uris: string[] = [];
  const dnsNames: string[] = [];
  ENTRY.lastIndex = 0;
  for (let at = 0; at < text.length; at = ENTRY.lastIndex) {
    const [, kind, raw = ''] = ENTRY.exec(text) ?? [];
    if (kind === undefined) {
      throw new MeshError('CERTIFICATE_MALFORMED', `subject alternative names can't be read: ${text.slice(0, 200)}`);
    }
    const value = raw.startsWith('"') ? String(JSON.parse(raw)) : raw;
    if (kind === 'URI') uris.push(value);
    if (kind === 'DNS') dnsNames.push(value);
  }
  return { uris, dnsNames };
}

/** Every well-formed workload identity among the names, in order; other URIs are skipped (ztunnel.md section 3.1). */
export function spiffeIdsOf(certificate: X509Certificate): readonly SpiffeId[] {
  return subjectAltNamesOf(certificate).uris.flatMap((uri) => {
    try {
      return [parseSpiffeId(uri)];
    } catch {
      return []; // not a workload identity, so nobody can be authorised by it
    }
  });
}

/**
 * The identity of a peer: the first workload identity of its leaf, or undefined when it names none.
 * Takes a certificate or what `tls` gives for one (`raw` is the DER). Verifies nothing: see `verifyPeer`.
 */
export function peerSpiffeId(certificate: X509Certificate | { readonly raw: Uint8Array }): SpiffeId | undefined {
  const x509 = certificate instanceof X509Certificate ? certificate : new X509Certificate(Buffer.from(certificate.raw));
  return spiffeIdsOf(x509)[0];
}
