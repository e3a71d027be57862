/** Protobuf fields of ingress, policy, endpoint slices, leases; notation in `field-table.ts`. Facts: k8s.io/api. */
export const NETWORKING_V1 = `
HTTPIngressPath: 1 s path, 2 !IngressBackend backend, 3 *s pathType
HTTPIngressRuleValue: 1 []HTTPIngressPath paths
IPBlock: 1 !s cidr, 2 []s except
Ingress: 1 ObjectMeta metadata, 2 IngressSpec spec, 3 IngressStatus status
IngressBackend: 3 *TypedLocalObjectReference resource, 4 *IngressServiceBackend service
IngressClass: 1 ObjectMeta metadata, 2 IngressClassSpec spec
IngressClassParametersReference: 1 *s apiGroup, 2 !s kind, 3 !s name, 4 *s scope, 5 *s namespace
IngressClassSpec: 1 s controller, 2 *IngressClassParametersReference parameters
IngressLoadBalancerIngress: 1 s ip, 2 s hostname, 4 []IngressPortStatus ports
IngressLoadBalancerStatus: 1 []IngressLoadBalancerIngress ingress
IngressPortStatus: 1 !i port, 2 !s protocol, 3 *s error
IngressRule: 1 s host, 2 ^IngressRuleValue
IngressRuleValue: 1 *HTTPIngressRuleValue http
IngressServiceBackend: 1 !s name, 2 ServiceBackendPort port
IngressSpec: 1 *IngressBackend defaultBackend, 2 []IngressTLS tls, 3 []IngressRule rules, 4 *s ingressClassName
IngressStatus: 1 IngressLoadBalancerStatus loadBalancer
IngressTLS: 1 []s hosts, 2 s secretName
NetworkPolicy: 1 ObjectMeta metadata, 2 NetworkPolicySpec spec
NetworkPolicyEgressRule: 1 []NetworkPolicyPort ports, 2 []NetworkPolicyPeer to
NetworkPolicyIngressRule: 1 []NetworkPolicyPort ports, 2 []NetworkPolicyPeer from
NetworkPolicyPeer: 1 *LabelSelector podSelector, 2 *LabelSelector namespaceSelector, 3 *IPBlock ipBlock
NetworkPolicyPort: 1 *s protocol, 2 *O port, 3 *i endPort
NetworkPolicySpec: 1 !LabelSelector podSelector, 2 []NetworkPolicyIngressRule ingress,
  3 []NetworkPolicyEgressRule egress, 4 []s policyTypes
ServiceBackendPort: 1 s name, 2 i number
`;

export const DISCOVERY_V1 = `
Endpoint: 1 []s addresses, 2 EndpointConditions conditions, 3 *s hostname, 4 *ObjectReference targetRef,
  5 {}s deprecatedTopology, 6 *s nodeName, 7 *s zone, 8 *EndpointHints hints
EndpointConditions: 1 *b ready, 2 *b serving, 3 *b terminating
EndpointHints: 1 []ForZone forZones, 2 []ForNode forNodes
EndpointPort: 1 *s name, 2 *s protocol, 3 *i port, 4 *s appProtocol
EndpointSlice: 1 ObjectMeta metadata, 2 []Endpoint endpoints, 3 []EndpointPort ports, 4 !s addressType
ForNode: 1 !s name
ForZone: 1 !s name
`;

export const COORDINATION_V1 = `
Lease: 1 ObjectMeta metadata, 2 LeaseSpec spec
LeaseSpec: 1 *s holderIdentity, 2 *i leaseDurationSeconds, 3 *U acquireTime, 4 *U renewTime, 5 *i leaseTransitions,
  6 *s strategy, 7 *s preferredHolder
`;
