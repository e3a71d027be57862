/**
 * Every code that analysis can give: the one table that documents them. A code keeps its meaning for ever; IST ones are those of
 * the reference (controller.md section 8.4), AMB ones are ours: 01 policies, 02 STRICT, 03 who is in the mesh, 04 the network, 05 services,
 * 06 enrolment, 07 waypoints and routes.
 */
export const SEVERITIES = ['error', 'warning', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

export type CodeFacts = { readonly name: string; readonly severity: Severity; readonly meaning: string };

const code = (name: string, severity: Severity, meaning: string): CodeFacts => ({ name, severity, meaning });

export const CODES = {
  IST0101: code('ReferencedResourceNotFound', 'error', 'a waypoint or target that is named does not exist'),
  IST0106: code('SchemaValidationError', 'error', 'an object that the mesh can not take as it is written'),
  IST0107: code('MisplacedAnnotation', 'warning', 'an annotation of the mesh on a kind where it means nothing'),
  IST0108: code('UnknownAnnotation', 'warning', 'an annotation with a prefix of the mesh that the mesh does not know'),
  IST0118: code('PortNameIsNotUnderNamingConvention', 'info', 'a port of a service with a waypoint names no protocol'),
  IST0123: code('NamespaceMultipleInjectionLabels', 'warning', 'a namespace that asks for sidecars and for this mesh'),
  IST0125: code('InvalidAnnotation', 'warning', 'an annotation of the mesh with a value that it does not have'),
  IST0127: code('NoMatchingWorkloadsFound', 'warning', 'a policy whose selector selects no pod'),
  IST0133: code('SchemaWarning', 'warning', 'an object that is legal and probably not meant as it is written'),
  IST0134: code(
    'ServiceEntryAddressesRequired',
    'warning',
    'a ServiceEntry for TCP that has no address to be known by',
  ),
  IST0150: code(
    'ExternalNameServiceTypeInvalidPortName',
    'warning',
    'a port of an ExternalName service names no protocol',
  ),
  IST0166: code('IneffectiveSelector', 'warning', 'a selector that selects pods of a gateway or waypoint'),
  IST0167: code('IneffectivePolicy', 'warning', 'an object for sidecars in a namespace of this mesh'),
  IST0171: code(
    'NegativeConditionStatus',
    'warning',
    'the status of an object says that it is not in force as written',
  ),
  IST0177: code(
    'ConflictingServiceEntryProtocol',
    'warning',
    'ServiceEntries give one host and port different protocols',
  ),

  AMB0101: code(
    'PolicyForNobodyInTheMesh',
    'warning',
    'a policy for pods of which none is in the mesh: nobody enforces it',
  ),
  AMB0102: code('RuleNeverMatters', 'warning', 'an ALLOW rule that a DENY rule covers: it can never allow anything'),
  AMB0103: code('RuleCovered', 'info', 'a rule that another rule covers or repeats: it can go'),
  AMB0104: code('HttpFieldsAtL4', 'warning', 'a policy with HTTP fields where only L4 is enforced'),
  AMB0105: code('MeshPolicyMisplaced', 'warning', 'a policy that looks mesh-wide and is not, because of its namespace'),
  AMB0106: code('SourceUnknown', 'warning', 'a rule about callers that do not exist'),
  AMB0107: code('ServicePortInPolicy', 'warning', "a rule with a service's port where the pod's port counts"),
  AMB0108: code('PolicyWithoutEnforcer', 'warning', 'a policy, or a part of it, that nothing enforces'),
  AMB0109: code(
    'DeniesEverything',
    'info',
    'a policy that denies every connection, or all that no other policy allows',
  ),

  AMB0201: code(
    'StrictWithPodsOutside',
    'warning',
    'STRICT, beside pods of the same namespace that are not in the mesh',
  ),
  AMB0202: code(
    'StrictWithPlaintextCallers',
    'error',
    'STRICT, and callers without identity were seen: they are refused',
  ),
  AMB0203: code(
    'PeerAuthenticationConflict',
    'warning',
    'two PeerAuthentications for the same pods: the older one counts',
  ),
  AMB0204: code('StrictBehindExternalService', 'warning', 'STRICT behind a service that callers from outside use'),

  AMB0301: code(
    'HostNetworkLabelled',
    'warning',
    "a pod on its host's network, which can not join the mesh, is labelled to",
  ),
  AMB0302: code('LabelMisspelt', 'error', 'a label or annotation that is one of the mesh but for a slip'),
  AMB0303: code('LabelValueUnknown', 'error', 'a label of the mesh with a value that it does not have'),
  AMB0304: code(
    'LabelMisplaced',
    'warning',
    'a label of the mesh on a kind where it means nothing, or written as an annotation',
  ),
  AMB0305: code('SidecarInTheMesh', 'warning', 'a pod with a sidecar is labelled to join the mesh: it can not'),
  AMB0306: code('NotCaptured', 'error', 'a running pod that should be in the mesh and is not'),
  AMB0307: code('NamespaceExcluded', 'warning', 'a namespace that never joins the mesh is labelled to'),

  AMB0401: code('TunnelBlockedIngress', 'error', 'a NetworkPolicy admits callers to a pod, but not to its port 15008'),
  AMB0402: code('TunnelBlockedEgress', 'error', 'a NetworkPolicy lets a pod call others, but not their port 15008'),
  AMB0403: code(
    'ProbesBlocked',
    'info',
    "a NetworkPolicy does not admit the address that kubelet's probes get in the mesh",
  ),

  AMB0501: code('TargetPortUnknown', 'warning', 'a service whose target port has a name that its pods do not know'),
  AMB0502: code('ServiceWithoutPods', 'warning', 'a service whose selector selects no pod'),
  AMB0503: code('ServiceEntryOverlap', 'warning', 'several services or ServiceEntries claim one host or address'),
  AMB0504: code(
    'TargetPortUndeclared',
    'info',
    'a service leads to a port that its pods do not declare, beside others that they do',
  ),
  AMB0505: code(
    'DestinationRuleOverruled',
    'warning',
    'two DestinationRules of a namespace for one host: the older one counts, nothing of the other has an effect',
  ),
  AMB0506: code('DestinationRuleUnfollowed', 'warning', 'a DestinationRule for a host that no waypoint is before'),

  AMB0601: code(
    'ComponentNotReady',
    'error',
    'before enrolment: a node with pods of the namespace has no ready agent or ztunnel',
  ),
  AMB0602: code('PortTaken', 'error', 'a pod of the mesh listens on a port that the mesh takes in its network'),
  AMB0603: code('NotCarried', 'info', 'before enrolment: UDP and SCTP, which the mesh does not carry'),
  AMB0604: code('MayEvadeCapture', 'warning', 'a pod that can change or pass by the redirection of its traffic'),
  AMB0605: code('PolicyBegins', 'warning', 'before enrolment: a policy that nobody enforces yet, and that will be'),
  AMB0606: code('CallersMayBeOutside', 'warning', 'before STRICT: pods outside the mesh that may be callers'),
  AMB0607: code('PlaintextOpen', 'error', 'before STRICT: connections without identity that are open now'),
  AMB0608: code('NotVisible', 'info', 'before enrolment: what nobody can see before'),

  AMB0701: code(
    'WaypointNotReady',
    'error',
    'a waypoint that is asked for and has no address: traffic goes without it',
  ),
  AMB0702: code('WaypointNotAdmitting', 'error', 'a waypoint is asked for that does not admit who asks'),
  AMB0703: code('WaypointForOtherTraffic', 'warning', 'a waypoint is asked for that serves traffic of another type'),
  AMB0704: code('WaypointUnused', 'info', 'a waypoint that nobody asks for'),
  AMB0705: code('TargetNotEnforced', 'error', 'a policy whose target has no waypoint that could enforce it'),
  AMB0706: code(
    'CallersNamedBehindWaypoint',
    'info',
    'an L4 policy behind a waypoint that lets in callers, but not the waypoint: only some ztunnels know whom it speaks for',
  ),
  AMB0707: code('HttpPolicyOnTcpPort', 'warning', 'a policy about HTTP for a port whose connections nobody looks into'),
  AMB0708: code(
    'HttpRulesOnUndeclaredPort',
    'warning',
    'policies or routes about HTTP for a port that names no protocol: it has to be guessed',
  ),
  AMB0709: code('TokenNotRequired', 'warning', 'a RequestAuthentication alone: requests without a token pass'),
  AMB0710: code('WaypointForNothing', 'info', 'a waypoint that serves no traffic by its own word'),
  AMB0711: code('RouteWithoutWaypoint', 'warning', 'a route for a service that has no waypoint: nothing follows it'),
  AMB0712: code(
    'RouteNotInForce',
    'error',
    'a route that does not attach to what it names, or of which no rule is left',
  ),
  AMB0713: code('RouteBackendUnusable', 'error', 'a route to a backend that does not exist or may not be named'),
  AMB0714: code('RoutePartlyIgnored', 'warning', 'a route with parts that can not be followed'),
  AMB0715: code('RouteShadowed', 'warning', 'a rule of a route that another one leaves no request'),
  AMB0716: code('SettingIgnored', 'warning', 'a setting of a DestinationRule or Telemetry that no waypoint follows'),
} as const satisfies Readonly<Record<string, CodeFacts>>;

export type Code = keyof typeof CODES;

export function isCode(text: string): text is Code {
  return Object.hasOwn(CODES, text);
}

/** Whether `severity` is as bad as `threshold` or worse. */
export function reaches(severity: Severity, threshold: Severity): boolean {
  return SEVERITIES.indexOf(severity) <= SEVERITIES.indexOf(threshold);
}
