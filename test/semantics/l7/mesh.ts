/** The mesh that the rows are about, and the tokens that its callers show. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { KubeObject } from '../../../mesh/index.ts';
import { podYaml } from '../../waypoint/world.ts';

const service = (name: string, n: number, ports: string) => `
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { clusterIP: 10.0.0.${n}, selector: { app: ${name} }, ports: [${ports}] }`;
const namespace = (name: string, labels: string) => `
---
apiVersion: v1
kind: Namespace
metadata: { name: ${name}, labels: { istio.io/dataplane-mode: ambient${labels} } }`;

/** Waypoint shop/waypoint serves the services cart and other and the ServiceEntry entry; authz, whom it asks, is behind none. */
export const MESH = `
${namespace('shop', ', istio.io/use-waypoint: waypoint')}
${namespace('web', '')}
${namespace('office', '')}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: waypoint, namespace: shop }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
status: { addresses: [{ type: Hostname, value: waypoint.shop.svc.cluster.local }] }
---
apiVersion: v1
kind: Service
metadata:
  { name: waypoint, namespace: shop, labels: { gateway.istio.io/managed: istio.io-mesh-controller, istio.io/use-waypoint: none } }
spec: { clusterIP: 10.0.0.109, selector: { app: waypoint }, ports: [{ name: mesh, port: 15008 }] }
---
apiVersion: v1
kind: Pod
metadata:
  name: waypoint-1
  namespace: shop
  labels:
    app: waypoint
    gateway.networking.k8s.io/gateway-name: waypoint
    networking.istio.io/tunnel: http
    istio.io/dataplane-mode: none
spec: { nodeName: node-1, serviceAccountName: waypoint, containers: [{ name: c }] }
status: { phase: Running, podIPs: [{ ip: 10.0.0.99 }], conditions: [{ type: Ready, status: "True" }] }
${service('cart', 100, '{ name: http, port: 80, targetPort: 8080 }, { name: http-alt, port: 81, targetPort: 8080 }, { name: tcp-raw, port: 90, targetPort: 9090 }')}
${service('other', 101, '{ name: http, port: 80, targetPort: 8080 }')}
---
apiVersion: v1
kind: Service
metadata: { name: authz, namespace: shop, labels: { istio.io/use-waypoint: none } }
spec: { clusterIP: 10.0.0.102, selector: { app: authz }, ports: [{ name: http, port: 8000 }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: entry, namespace: shop }
spec:
  hosts: [entry.example]
  addresses: [10.0.0.103]
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }]
  location: MESH_EXTERNAL
  resolution: STATIC
  endpoints: [{ address: 10.0.0.4 }]
---
${podYaml('shop', 'cart-1', 1, 'cart')}
---
${podYaml('shop', 'other-1', 2, 'other')}
---
${podYaml('shop', 'authz-1', 3, 'authz')}
---
${podYaml('web', 'client', 200, 'client')}
---
${podYaml('office', 'boss', 201, 'boss')}
`;

/** Last numbers of addresses. */
export const VIPS = { cart: 100, other: 101, entry: 103 } as const;
export const CALLER_ADDRESSES = { client: 200, boss: 201 } as const;

export type Token = {
  readonly claims: Readonly<Record<string, unknown>>;
  /** What is wrong with it beside its claims. */
  readonly flaw?: 'forged' | 'malformed' | 'expired';
};

export const TOKENS: Readonly<Record<string, Token>> = {
  alice: { claims: { iss: 'me', sub: 'alice', groups: ['dev', 'ops'], scope: 'read write', realm: { role: 'admin' } } },
  bob: { claims: { iss: 'me', sub: 'bob', azp: 'app', level: 3, staff: true } },
  nobody: { claims: { iss: 'me', groups: ['dev'] } },
  shop: { claims: { iss: 'me', sub: 'alice', aud: 'https://shop.example/' } },
  bank: { claims: { iss: 'me', sub: 'alice', aud: ['bank', 'till'] } },
  stranger: { claims: { iss: 'you', sub: 'alice' } },
  forged: { claims: { iss: 'me', sub: 'alice' }, flaw: 'forged' },
  expired: { claims: { iss: 'me', sub: 'alice' }, flaw: 'expired' },
  malformed: { claims: {}, flaw: 'malformed' },
};

/** Signs {@link TOKENS}; `jwks` is what a RequestAuthentication names. */
export class Issuer {
  readonly jwks: string;
  readonly #texts: ReadonlyMap<string, string>;

  private constructor(jwks: string, texts: ReadonlyMap<string, string>) {
    this.jwks = jwks;
    this.#texts = texts;
  }

  static async create(): Promise<Issuer> {
    const [good, bad] = [await generateKeyPair('ES256', { extractable: true }), await generateKeyPair('ES256')];
    const texts = new Map<string, string>();
    for (const [name, { claims, flaw }] of Object.entries(TOKENS)) {
      const written = { ...claims, ...(flaw === 'expired' && { exp: 1_000 }) };
      const key = flaw === 'forged' ? bad.privateKey : good.privateKey;
      const text = await new SignJWT(written).setProtectedHeader({ alg: 'ES256' }).sign(key);
      texts.set(name, flaw === 'malformed' ? text.slice(0, text.lastIndexOf('.')) : text);
    }
    return new Issuer(JSON.stringify({ keys: [await exportJWK(good.publicKey)] }), texts);
  }

  text(name: string): string {
    const text = this.#texts.get(name);
    if (text === undefined) throw new Error(`no token ${name}`);
    return text;
  }
}

/** Rows are written before there are keys. */
export const KEYS = 'KEYS OF THE ISSUER';

/** With what only the world knows: its addresses, and the keys. `ip` is what `10.0.0.` stands for. */
export function placed(objects: readonly KubeObject[], ip: string, jwks: string): readonly KubeObject[] {
  const keys = JSON.stringify(jwks).slice(1, -1);
  return JSON.parse(
    JSON.stringify(objects)
      .replaceAll('10.0.0.', ip)
      .replaceAll(KEYS, () => keys),
  ) as KubeObject[];
}
