/** Which service of the mesh the keys of tokens come from, where the URL that is fetched names one. */
import type { JwtRule } from '../model.ts';

/** DNS labels (RFC 1123 section 2.1). */
const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

/**
 * `namespace/hostname` of a Service of Kubernetes, as its name would be looked up in `namespace`; '' for all other hosts. That there
 * is one is not said: names outside look the same. What is fetched with TLS says itself who answers, and goes outside.
 */
export function keysServiceOf(
  { jwks, jwksUri, issuer }: Pick<JwtRule, 'jwks' | 'jwksUri' | 'issuer'>,
  namespace: string,
  clusterDomain: string,
): string {
  const url = jwks === '' ? URL.parse(jwksUri || issuer) : null;
  if (url?.protocol !== 'http:') return '';
  const host = url.hostname.replace(/\.$/, '');
  const suffix = ['', '.svc', `.svc.${clusterDomain}`].findLast((end) => host.endsWith(end)) ?? '';
  const [name = '', of = namespace, ...more] = host.slice(0, host.length - suffix.length).split('.');
  if (more.length > 0 || !LABEL.test(name) || !LABEL.test(of)) return '';
  if (suffix !== '' && !host.slice(0, -suffix.length).includes('.')) return ''; // `name.svc` is no service
  return `${of}/${name}.${of}.svc.${clusterDomain}`;
}
