/** TLS that a waypoint is asked to originate (waypoint.md sections 1.7, 3.2; crds.md section 6), before its keys and authorities are known. */
import { type Fields, text, texts } from '../derive/read.ts';
import type { BackendTls } from './model.ts';
import { holdsCertificate, holdsKey, type Material, type MaterialRef, materialName } from './tls-material.ts';

export type TlsWish = {
  /** '': the name of the service. */
  readonly sni: string;
  readonly names: readonly string[];
  readonly unverified: boolean;
  /** Whom to trust; none: whoever the web trusts. */
  readonly roots: readonly MaterialRef[];
  /** Our own certificate, where the server wants one. */
  readonly own: MaterialRef | undefined;
};

export type TlsReading =
  | { readonly kind: 'none' }
  | { readonly kind: 'wish'; readonly wish: TlsWish }
  | { readonly kind: 'refused'; readonly problem: string };

/** Files of the proxy's own disk: nobody but who builds its image knows them. */
const FILES = ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const;
/** What the reference takes for the authorities that the proxy's system has. */
const SYSTEM = 'system';
const CONFIG_MAP = 'configmap://';
const OBJECT_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Of the `tls` of a DestinationRule of `namespace`. ISTIO_MUTUAL is what tunnels do anyway, and DISABLE is nothing more than that. */
export function readTls(tls: Fields, namespace: string): TlsReading {
  const mode = tls['mode'];
  if (mode !== 'SIMPLE' && mode !== 'MUTUAL') return { kind: 'none' };
  const refused = (problem: string): TlsReading => ({ kind: 'refused', problem });
  for (const field of FILES) {
    const file = text(tls[field]);
    if (file === '' || (field === 'caCertificates' && file === SYSTEM)) continue;
    return refused(`tls.${field}: this waypoint reads no files; name a Secret in tls.credentialName`);
  }
  const credential = readCredential(text(tls['credentialName']), namespace);
  if (typeof credential === 'string') return refused(credential);
  const unverified = tls['insecureSkipVerify'] === true;
  const names = texts(tls['subjectAltNames']);
  if (unverified && names.length > 0) {
    return refused('tls.insecureSkipVerify: subjectAltNames are not looked at then; take one of the two away');
  }
  if (mode === 'MUTUAL' && credential?.kind !== 'Secret') {
    return refused('tls.mode MUTUAL: name a Secret with tls.crt and tls.key in tls.credentialName');
  }
  const own = mode === 'MUTUAL' ? credential : undefined;
  const roots = unverified || credential === undefined ? [] : [credential];
  return { kind: 'wish', wish: { sni: text(tls['sni']), names, unverified, roots, own } };
}

/** A problem in words; undefined: none is named. */
function readCredential(written: string, namespace: string): MaterialRef | string | undefined {
  if (written === '') return undefined;
  const kind = written.startsWith(CONFIG_MAP) ? 'ConfigMap' : 'Secret';
  const path = kind === 'Secret' ? written : written.slice(CONFIG_MAP.length);
  const name = kind === 'ConfigMap' && path.startsWith(`${namespace}/`) ? path.slice(namespace.length + 1) : path;
  if (OBJECT_NAME.test(name)) return { kind, namespace, name };
  return `tls.credentialName: ${JSON.stringify(written.slice(0, 300))} is no ${kind} of namespace ${namespace}`;
}

export type MaterialLookup = (ref: MaterialRef) => Material | undefined;

/** With keys and authorities; a problem in words, where these can not be had. `hostname`: of the service, '*.' for many. */
export function tlsOf(wish: TlsWish, hostname: string, lookup: MaterialLookup): BackendTls | string {
  const { names, unverified } = wish;
  const sni = wish.sni !== '' ? wish.sni : hostname.startsWith('*') ? '' : hostname;
  let [chain, key] = ['', ''];
  if (wish.own !== undefined) {
    const own = lookup(wish.own);
    if (own === undefined) return absent(wish.own);
    if (!holdsCertificate(own.chain)) return `${materialName(wish.own)} has no certificate in tls.crt`;
    if (!holdsKey(own.key)) return `${materialName(wish.own)} has no private key in tls.key`;
    ({ chain, key } = own);
  }
  const missing = missingRoots(wish, lookup);
  if (missing.length > 0 && missing.length === wish.roots.length) return missing.join('; ');
  return { sni, names, unverified, roots: rootsIn(wish, lookup).join('\n'), chain, key };
}

/** Why authorities can not be had, of each that can not. */
export function missingRoots({ roots, own }: TlsWish, lookup: MaterialLookup): readonly string[] {
  return roots.flatMap((ref): readonly string[] => {
    const material = lookup(ref);
    if (material === undefined) return [absent(ref)];
    if (own !== undefined && material.roots === '') return []; // beside our own certificate they may be left out
    return holdsCertificate(material.roots) ? [] : [`${materialName(ref)} has no certificate in ca.crt`];
  });
}

function rootsIn({ roots }: TlsWish, lookup: MaterialLookup): readonly string[] {
  return roots.map((ref) => lookup(ref)?.roots ?? '').filter(holdsCertificate);
}

function absent(ref: MaterialRef): string {
  const rights = ref.kind === 'Secret' ? ', or the controller may not read it (get, list and watch)' : '';
  return `${materialName(ref)} is not there${rights}`;
}

/** What a wish needs to be there. */
export function materialsOf({ roots, own }: TlsWish): readonly MaterialRef[] {
  return own === undefined ? roots : [...roots, own];
}
