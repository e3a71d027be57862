/** Writes kubeconfig files. */
import { stringify } from 'yaml';
import type { KeyPair } from './certificates.ts';

/** How a person or a component proves who it is. */
export type Credentials =
  | { readonly kind: 'certificate'; readonly pair: KeyPair }
  | { readonly kind: 'token'; readonly token: string };

const encode = (text: string): string => Buffer.from(text).toString('base64');

/** A kubeconfig of one cluster, one user and one context, as YAML. */
export function kubeconfig(server: string, caPem: string, credentials: Credentials): string {
  const user =
    credentials.kind === 'token'
      ? { token: credentials.token }
      : {
          'client-certificate-data': encode(credentials.pair.certPem),
          'client-key-data': encode(credentials.pair.keyPem),
        };
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'ambit-lab', cluster: { server, 'certificate-authority-data': encode(caPem) } }],
    users: [{ name: 'ambit-lab', user }],
    contexts: [{ name: 'ambit-lab', context: { cluster: 'ambit-lab', user: 'ambit-lab' } }],
    'current-context': 'ambit-lab',
  });
}
