/** PEM blocks (RFC 7468), read strictly: a bundle is a trust decision, so nothing in it is skipped in silence. */
import { MeshError } from '../../mesh/index.ts';

export type PemBlock = { readonly label: string; readonly der: Uint8Array<ArrayBuffer> };

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n([A-Za-z0-9+/=\s]*?)-----END \1-----/g;

/** Every block of a bundle, in order. Text between blocks is allowed (RFC 7468 section 2), a broken block is not. Throws PEM_MALFORMED. */
export function pemBlocks(text: string): readonly PemBlock[] {
  const blocks = [...text.matchAll(BLOCK)].map(([, label = '', body = '']) => {
    const der = new Uint8Array(Buffer.from(body, 'base64'));
    if (der.length === 0) throw new MeshError('PEM_MALFORMED', `empty PEM block ${label}`);
    return { label, der };
  });
  const begun = text.split('-----BEGIN ').length - 1;
  if (begun !== blocks.length) {
    throw new MeshError('PEM_MALFORMED', `${begun} PEM blocks begin, but only ${blocks.length} can be read`);
  }
  return blocks;
}

/** The certificates of a bundle as DER, in order. Throws PEM_MALFORMED, also when a block is something else. */
export function certificatesOf(bundle: string): readonly Uint8Array<ArrayBuffer>[] {
  return pemBlocks(bundle).map(({ label, der }) => {
    if (label !== 'CERTIFICATE') throw new MeshError('PEM_MALFORMED', `expected a CERTIFICATE block, got ${label}`);
    return der;
  });
}

/** One block in 64-character lines, with a final newline. */
export function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
