/** The certificate that clients of ports 15012 and 15017 see: signed by our own root, renewed at half its life. */
import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import type { CertificateAuthority, ServingCertificate } from '../../core/identity/index.ts';

const TLS_SUITES = 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256'; // ztunnel.md section 3.1
const TTL_SECONDS = 90 * 86_400;

/** controller.md section 5.5. */
export function servingNames(o: {
  readonly namespace: string;
  readonly revision: string;
  readonly customHosts: readonly string[];
}): readonly string[] {
  const names = ['istiod', 'istiod-remote', 'istio-pilot'];
  if (o.revision !== '' && o.revision !== 'default') names.push(`istiod-${o.revision}`);
  return [...names.map((name) => `${name}.${o.namespace}.svc`), ...o.customHosts];
}

/** Credentials whose certificate can be exchanged while the server runs. No client certificate is asked for: tokens decide. */
class ServingCredentials extends ServerCredentials {
  constructor(certificate: ServingCertificate) {
    super({ requestCert: false }, contextOf(certificate));
  }

  exchange(certificate: ServingCertificate): void {
    this.updateSecureContextOptions(contextOf(certificate));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

export class Serving {
  readonly credentials: ServerCredentials;
  readonly #exchange: (certificate: ServingCertificate) => void;
  readonly #authority: () => CertificateAuthority;
  readonly #names: readonly string[];
  readonly #followers = new Set<(certificate: ServingCertificate) => void>();
  #current: ServingCertificate;

  private constructor(authority: () => CertificateAuthority, names: readonly string[], first: ServingCertificate) {
    const credentials = new ServingCredentials(first);
    this.credentials = credentials;
    this.#exchange = (certificate) => credentials.exchange(certificate);
    this.#authority = authority;
    this.#names = names;
    this.#current = first;
  }

  static async create(authority: () => CertificateAuthority, names: readonly string[], now: Date): Promise<Serving> {
    return new Serving(authority, names, await issue(authority(), names, now));
  }

  get certificate(): ServingCertificate {
    return this.#current;
  }

  /** Connections that stand are not touched. */
  async renew(now: Date): Promise<void> {
    this.#current = await issue(this.#authority(), this.#names, now);
    this.#exchange(this.#current);
    for (const take of this.#followers) take(this.#current);
  }

  /** Tells of each certificate that comes after the present one; the result ends that. */
  follow(take: (certificate: ServingCertificate) => void): () => void {
    this.#followers.add(take);
    return () => this.#followers.delete(take);
  }

  /** Renews when half of the life is over. */
  async renewIfDue(now: Date): Promise<'renewed' | 'fresh'> {
    const { notBefore, notAfter } = this.#current;
    if (now.getTime() < (notBefore.getTime() + notAfter.getTime()) / 2) return 'fresh';
    await this.renew(now);
    return 'renewed';
  }
}

function issue(authority: CertificateAuthority, dnsNames: readonly string[], now: Date): Promise<ServingCertificate> {
  return authority.issueServing({ dnsNames, ttlSeconds: TTL_SECONDS, now });
}

/** What a server presents: intermediates go along, the root does not. */
export function certificateOf(certificate: ServingCertificate): { readonly cert: string; readonly key: string } {
  const [leaf = '', ...rest] = certificate.chainPem;
  return { cert: [leaf, ...rest.slice(0, -1)].join(''), key: certificate.keyPem };
}

function contextOf(certificate: ServingCertificate): SecureContextOptions {
  return {
    ...certificateOf(certificate),
    minVersion: 'TLSv1.3',
    ciphers: TLS_SUITES,
  };
}
