/** The credentials with which the plugin asks the API: the agent's own token, written anew whenever it is rotated. */
import { join } from 'node:path';
import { MeshError } from '../../../mesh/index.ts';
import { readText } from './files.ts';

export type KubeconfigSources = {
  readonly serviceAccountDir: string;
  readonly host: string;
  readonly port: string;
  readonly skipTlsVerify: boolean;
  /** Another CA than the service account's. */
  readonly caFile?: string | undefined;
};

/**
 * The kubeconfig's text. It is JSON, which is YAML: kubectl reads it, and the plugin needs no parser for it.
 * @throws MeshError SERVICE_ACCOUNT_MISSING
 */
export function kubeconfigText(o: KubeconfigSources): string {
  const token = readText(join(o.serviceAccountDir, 'token'))?.trim();
  const caFile = o.caFile ?? join(o.serviceAccountDir, 'ca.crt');
  const ca = readText(caFile);
  if (!token) throw new MeshError('SERVICE_ACCOUNT_MISSING', `no token in ${o.serviceAccountDir}`);
  if (ca === undefined && !o.skipTlsVerify)
    throw new MeshError('SERVICE_ACCOUNT_MISSING', `can't read the CA ${caFile}`);
  const host = o.host.includes(':') ? `[${o.host}]` : o.host;
  const trust = o.skipTlsVerify
    ? { 'insecure-skip-tls-verify': true }
    : { 'certificate-authority-data': Buffer.from(ca ?? '').toString('base64') };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'local', cluster: { server: `https://${host}:${o.port}`, ...trust } }],
    users: [{ name: 'istio-cni', user: { token } }],
    contexts: [{ name: 'istio-cni-context', context: { cluster: 'local', user: 'istio-cni' } }],
    'current-context': 'istio-cni-context',
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
