/** Keys, certificates and authorities that users keep in Secrets and ConfigMaps, for TLS that waypoints originate. */
import { fields, type Reading, text } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';

/** An object that holds some. */
export type MaterialRef = { readonly kind: 'Secret' | 'ConfigMap'; readonly namespace: string; readonly name: string };

/** PEM, each; '' for what is not there. */
export type Material = {
  readonly ref: MaterialRef;
  readonly chain: string;
  readonly key: string;
  readonly roots: string;
};

/** `Secret namespace/name`. */
export function materialName({ kind, namespace, name }: MaterialRef): string {
  return `${kind} ${namespace}/${name}`;
}

/** Of a Secret: `tls.crt` and `tls.key` or `cert` and `key`, and `ca.crt` or `cacert`; of a ConfigMap: `ca.crt`. */
export function readMaterial(object: KubeObject): Reading<Material> {
  const { name, namespace = '' } = object.metadata;
  const data = fields(object['data']);
  if (object.kind === 'ConfigMap') {
    const ref = { kind: 'ConfigMap', namespace, name } as const;
    return { kind: 'facts', facts: { ref, chain: '', key: '', roots: text(data['ca.crt']) } };
  }
  const secret = (...keys: readonly string[]) => decoded(text(keys.map((key) => data[key]).find((one) => one)));
  const facts: Material = {
    ref: { kind: 'Secret', namespace, name },
    chain: secret('tls.crt', 'cert'),
    key: secret('tls.key', 'key'),
    roots: secret('ca.crt', 'cacert'),
  };
  return { kind: 'facts', facts };
}

const BEGIN_CERTIFICATE = '-----BEGIN CERTIFICATE-----';
const BEGIN_KEY = /-----BEGIN ([A-Z]+ )?PRIVATE KEY-----/;

export function holdsCertificate(pem: string): boolean {
  return pem.includes(BEGIN_CERTIFICATE);
}

export function holdsKey(pem: string): boolean {
  return BEGIN_KEY.test(pem);
}

/** Of base64; '' for what is none. PEM is ASCII. */
function decoded(base64: string): string {
  try {
    return atob(base64);
  } catch {
    return '';
  }
}
