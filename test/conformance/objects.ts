/** The objects of the conformance tests, as people write them. Whatever is YAML in here is in flow style. */

const service = (name: string, selector: string, clusterIp: string | undefined): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: mesh }
spec:
  ${clusterIp === undefined ? '' : `clusterIP: ${clusterIp}`}
  selector: { ${selector} }
  ports:
    - { name: http, port: 80, targetPort: 8080, appProtocol: http }
    - { name: http-alt, port: 8080, appProtocol: http }
    - { name: tcp, port: 9090 }
    - { name: grpc, port: 7070 }
---`;

/** Namespace `mesh` with its waypoint, a service `echo` over both versions, and one for each version. */
export const meshYaml = (o: {
  readonly labels?: string;
  readonly gatewayStatus?: string;
  readonly clusterIps?: Readonly<Record<string, string>>;
}): string => `
apiVersion: v1
kind: Namespace
metadata: { name: mesh, labels: { istio.io/use-waypoint: waypoint${o.labels === undefined ? '' : `, ${o.labels}`} } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: waypoint, namespace: mesh }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
${o.gatewayStatus === undefined ? '' : `status: ${o.gatewayStatus}`}
---
${service('echo', 'app: echo', o.clusterIps?.['echo'])}
${service('echo-v1', 'app: echo, version: v1', o.clusterIps?.['echo-v1'])}
${service('echo-v2', 'app: echo, version: v2', o.clusterIps?.['echo-v2'])}
`;

/** A route about service `parent` (`name` or `name:port`) of namespace `mesh`. */
export function routeYaml(kind: string, name: string, parent: string, rules: string, namespace = 'mesh'): string {
  const [service = '', port] = parent.split(':');
  const ref = `{ group: "", kind: Service, name: ${service}, namespace: mesh${port === undefined ? '' : `, port: ${port}`} }`;
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace}, generation: 1 }
spec:
  parentRefs: [${ref}]
  rules: ${rules.replaceAll(/\s+/g, ' ')}
---`;
}

export const httpRoute = (parent: string, rules: string, name = 'r', namespace = 'mesh'): string =>
  routeYaml('HTTPRoute', name, parent, rules, namespace);

export const grpcRoute = (parent: string, rules: string): string => routeYaml('GRPCRoute', 'r', parent, rules);

export const prefix = (value: string): string => `matches: [{ path: { type: PathPrefix, value: ${value} } }]`;

/** A backend; `more` are other fields of it, with a comma in front. */
export const to = (name: string, port = 80, more = ''): string => `{ name: ${name}, port: ${port}${more} }`;

/** Filters that set, add and remove a header each. */
export const modifier = (type: 'RequestHeaderModifier'): string => {
  const field = `${type[0]?.toLowerCase()}${type.slice(1)}`;
  return `[{ type: ${type}, ${field}: {
  set: [{ name: X-Set, value: overwritten }], add: [{ name: X-Add, value: appended }], remove: [X-Remove] } }]`;
};
