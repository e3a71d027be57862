/** Where the control plane is, as environment variables say it, and what a client needs to call it. */
import { readFile } from 'node:fs/promises';
import type { ControlPlane } from './rpc.ts';

/** Roots to trust: the runtime's own, a file that is read at every connection, or the text itself. */
export type RootSource =
  | { readonly kind: 'system' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'inline'; readonly pem: string };

export type TokenSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'text'; readonly token: string }
  | { readonly kind: 'none' };

export type ControlPlaneConfig = {
  readonly address: string;
  readonly roots: RootSource;
  readonly altHostname: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
};

const TOKEN_FILE = './var/run/secrets/tokens/istio-token';

export function withScheme(address: string): string {
  return address.includes('://') ? address : `https://${address}`;
}

/** Unlike the reference, a path stays a path when there is no file yet: it may be mounted later. */
export function rootSource(text: string): RootSource {
  if (text === 'SYSTEM') return { kind: 'system' };
  if (text.includes('-----BEGIN')) return { kind: 'inline', pem: text };
  return { kind: 'file', path: text };
}

/** `text`: a path or the token itself; undefined: the file where pods have it, if it is there. */
export function tokenSource(text: string | undefined, readFile: (path: string) => string | undefined): TokenSource {
  if (text === undefined) {
    return readFile(TOKEN_FILE) === undefined ? { kind: 'none' } : { kind: 'file', path: TOKEN_FILE };
  }
  return readFile(text) === undefined ? { kind: 'text', token: text } : { kind: 'file', path: text };
}

/** What a client of that control plane needs. Files are read again at each call. */
export function controlPlane(plane: ControlPlaneConfig, token: TokenSource, clusterId: string): ControlPlane {
  const { roots } = plane;
  return {
    address: plane.address,
    rootCertificate: async () => {
      if (roots.kind === 'system') return 'system';
      return roots.kind === 'inline' ? Buffer.from(roots.pem) : readFile(roots.path);
    },
    token: async () => {
      if (token.kind === 'none') return undefined;
      return token.kind === 'text' ? token.token : readFile(token.path, 'utf8');
    },
    clusterId,
    headers: plane.headers,
    ...(plane.altHostname !== undefined && { altHostname: plane.altHostname }),
  };
}
