/** The policies of the demo, as a user would write them. */

export const DEFAULT_DENY = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: default-deny, namespace: shop }
spec: {}
`;

export const ALLOW_WEB = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: cart-allows-web, namespace: shop }
spec:
  selector: { matchLabels: { app: cart } }
  action: ALLOW
  rules:
    - from: [{ source: { principals: [cluster.local/ns/shop/sa/web] } }]
      to: [{ operation: { ports: ["8080"] } }]
`;

export const STRICT = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop }
spec: { mtls: { mode: STRICT } }
`;
