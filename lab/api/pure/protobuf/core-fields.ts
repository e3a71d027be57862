/** Protobuf fields of the core group; the notation is explained in `field-table.ts`. Facts: k8s.io/api core/v1. */
export const CORE_V1 = `
AWSElasticBlockStoreVolumeSource: 1 !s volumeID, 2 s fsType, 3 i partition, 4 b readOnly
Affinity: 1 *NodeAffinity nodeAffinity, 2 *PodAffinity podAffinity, 3 *PodAntiAffinity podAntiAffinity
AppArmorProfile: 1 !s type, 2 *s localhostProfile
AttachedVolume: 1 !s name, 2 !s devicePath
AzureDiskVolumeSource: 1 !s diskName, 2 !s diskURI, 3 *s cachingMode, 4 *s fsType, 5 *b readOnly, 6 *s kind
AzureFilePersistentVolumeSource: 1 !s secretName, 2 !s shareName, 3 b readOnly, 4 *s secretNamespace
AzureFileVolumeSource: 1 !s secretName, 2 !s shareName, 3 b readOnly
Binding: 1 ObjectMeta metadata, 2 !ObjectReference target
CSIPersistentVolumeSource: 1 !s driver, 2 !s volumeHandle, 3 b readOnly, 4 s fsType, 5 {}s volumeAttributes,
  6 *SecretReference controllerPublishSecretRef, 7 *SecretReference nodeStageSecretRef,
  8 *SecretReference nodePublishSecretRef, 9 *SecretReference controllerExpandSecretRef,
  10 *SecretReference nodeExpandSecretRef
CSIVolumeSource: 1 !s driver, 2 *b readOnly, 3 *s fsType, 4 {}s volumeAttributes,
  5 *LocalObjectReference nodePublishSecretRef
Capabilities: 1 []s add, 2 []s drop
CephFSPersistentVolumeSource: 1 []s monitors, 2 s path, 3 s user, 4 s secretFile, 5 *SecretReference secretRef,
  6 b readOnly
CephFSVolumeSource: 1 []s monitors, 2 s path, 3 s user, 4 s secretFile, 5 *LocalObjectReference secretRef,
  6 b readOnly
CinderPersistentVolumeSource: 1 !s volumeID, 2 s fsType, 3 b readOnly, 4 *SecretReference secretRef
CinderVolumeSource: 1 !s volumeID, 2 s fsType, 3 b readOnly, 4 *LocalObjectReference secretRef
ClientIPConfig: 1 *i timeoutSeconds
ClusterTrustBundleProjection: 1 *s name, 2 *s signerName, 3 *LabelSelector labelSelector, 4 !s path, 5 *b optional,
  6 *i user
ConfigMap: 1 ObjectMeta metadata, 2 {}s data, 3 {}y binaryData, 4 *b immutable
ConfigMapEnvSource: 1 ^LocalObjectReference, 2 *b optional
ConfigMapKeySelector: 1 ^LocalObjectReference, 2 !s key, 3 *b optional
ConfigMapNodeConfigSource: 1 !s namespace, 2 !s name, 3 s uid, 4 s resourceVersion, 5 !s kubeletConfigKey
ConfigMapProjection: 1 ^LocalObjectReference, 2 []KeyToPath items, 4 *b optional
ConfigMapVolumeSource: 1 ^LocalObjectReference, 2 []KeyToPath items, 3 *i defaultMode, 4 *b optional,
  5 *i defaultUser
Container: 1 !s name, 2 s image, 3 []s command, 4 []s args, 5 s workingDir, 6 []ContainerPort ports, 7 []EnvVar env,
  8 ResourceRequirements resources, 9 []VolumeMount volumeMounts, 10 *Probe livenessProbe, 11 *Probe readinessProbe,
  12 *Lifecycle lifecycle, 13 s terminationMessagePath, 14 s imagePullPolicy, 15 *SecurityContext securityContext,
  16 b stdin, 17 b stdinOnce, 18 b tty, 19 []EnvFromSource envFrom, 20 s terminationMessagePolicy,
  21 []VolumeDevice volumeDevices, 22 *Probe startupProbe, 23 []ContainerResizePolicy resizePolicy,
  24 *s restartPolicy, 25 []ContainerRestartRule restartPolicyRules
ContainerExtendedResourceRequest: 1 !s containerName, 2 !s resourceName, 3 !s requestName
ContainerImage: 1 []s names, 2 i sizeBytes
ContainerPort: 1 s name, 2 i hostPort, 3 !i containerPort, 4 s protocol, 5 s hostIP
ContainerResizePolicy: 1 !s resourceName, 2 !s restartPolicy
ContainerRestartRule: 1 s action, 2 *ContainerRestartRuleOnExitCodes exitCodes
ContainerRestartRuleOnExitCodes: 1 s operator, 2 []i values
ContainerState: 1 *ContainerStateWaiting waiting, 2 *ContainerStateRunning running,
  3 *ContainerStateTerminated terminated
ContainerStateRunning: 1 T startedAt
ContainerStateTerminated: 1 !i exitCode, 2 i signal, 3 s reason, 4 s message, 5 T startedAt, 6 T finishedAt,
  7 s containerID
ContainerStateWaiting: 1 s reason, 2 s message
ContainerStatus: 1 !s name, 2 ContainerState state, 3 ContainerState lastState, 4 !b ready, 5 !i restartCount,
  6 !s image, 7 !s imageID, 8 s containerID, 9 *b started, 10 {}Q allocatedResources,
  11 *ResourceRequirements resources, 12 []VolumeMountStatus volumeMounts, 13 *ContainerUser user,
  14 []ResourceStatus allocatedResourcesStatus, 15 *s stopSignal
ContainerUser: 1 *LinuxContainerUser linux
DaemonEndpoint: 1 !i Port
DownwardAPIProjection: 1 []DownwardAPIVolumeFile items
DownwardAPIVolumeFile: 1 !s path, 2 *ObjectFieldSelector fieldRef, 3 *ResourceFieldSelector resourceFieldRef,
  4 *i mode, 5 *i user
DownwardAPIVolumeSource: 1 []DownwardAPIVolumeFile items, 2 *i defaultMode, 3 *i defaultUser
EmptyDirVolumeSource: 1 s medium, 2 *Q sizeLimit, 3 *i mode
EndpointAddress: 1 !s ip, 2 *ObjectReference targetRef, 3 s hostname, 4 *s nodeName
EndpointPort: 1 s name, 2 !i port, 3 s protocol, 4 *s appProtocol
EndpointSubset: 1 []EndpointAddress addresses, 2 []EndpointAddress notReadyAddresses, 3 []EndpointPort ports
Endpoints: 1 ObjectMeta metadata, 2 []EndpointSubset subsets
EnvFromSource: 1 s prefix, 2 *ConfigMapEnvSource configMapRef, 3 *SecretEnvSource secretRef
EnvVar: 1 !s name, 2 s value, 3 *EnvVarSource valueFrom
EnvVarSource: 1 *ObjectFieldSelector fieldRef, 2 *ResourceFieldSelector resourceFieldRef,
  3 *ConfigMapKeySelector configMapKeyRef, 4 *SecretKeySelector secretKeyRef, 5 *FileKeySelector fileKeyRef
EphemeralContainer: 1 ^EphemeralContainerCommon, 2 s targetContainerName
EphemeralContainerCommon: 1 !s name, 2 s image, 3 []s command, 4 []s args, 5 s workingDir, 6 []ContainerPort ports,
  7 []EnvVar env, 8 ResourceRequirements resources, 9 []VolumeMount volumeMounts, 10 *Probe livenessProbe,
  11 *Probe readinessProbe, 12 *Lifecycle lifecycle, 13 s terminationMessagePath, 14 s imagePullPolicy,
  15 *SecurityContext securityContext, 16 b stdin, 17 b stdinOnce, 18 b tty, 19 []EnvFromSource envFrom,
  20 s terminationMessagePolicy, 21 []VolumeDevice volumeDevices, 22 *Probe startupProbe,
  23 []ContainerResizePolicy resizePolicy, 24 *s restartPolicy, 25 []ContainerRestartRule restartPolicyRules
EphemeralVolumeSource: 1 *PersistentVolumeClaimTemplate volumeClaimTemplate
Event: 1 !ObjectMeta metadata, 2 !ObjectReference involvedObject, 3 s reason, 4 s message, 5 EventSource source,
  6 T firstTimestamp, 7 T lastTimestamp, 8 i count, 9 s type, 10 U eventTime, 11 *EventSeries series, 12 s action,
  13 *ObjectReference related, 14 !s reportingComponent, 15 !s reportingInstance
EventSeries: 1 i count, 2 U lastObservedTime
EventSource: 1 s component, 2 s host
EvictionResponder: 1 !s name, 2 *i priority
ExecAction: 1 []s command
FCVolumeSource: 1 []s targetWWNs, 2 *i lun, 3 s fsType, 4 b readOnly, 5 []s wwids
FileKeySelector: 1 !s volumeName, 2 !s path, 3 !s key, 4 *b optional
FlexPersistentVolumeSource: 1 !s driver, 2 s fsType, 3 *SecretReference secretRef, 4 b readOnly, 5 {}s options
FlexVolumeSource: 1 !s driver, 2 s fsType, 3 *LocalObjectReference secretRef, 4 b readOnly, 5 {}s options
FlockerVolumeSource: 1 s datasetName, 2 s datasetUUID
GCEPersistentDiskVolumeSource: 1 !s pdName, 2 s fsType, 3 i partition, 4 b readOnly
GRPCAction: 1 !i port, 2 *s service, 3 *s mode
GitRepoVolumeSource: 1 !s repository, 2 s revision, 3 s directory
GlusterfsPersistentVolumeSource: 1 !s endpoints, 2 !s path, 3 b readOnly, 4 *s endpointsNamespace
GlusterfsVolumeSource: 1 !s endpoints, 2 !s path, 3 b readOnly
HTTPGetAction: 1 s path, 2 !O port, 3 s host, 4 s scheme, 5 []HTTPHeader httpHeaders, 6 *s protocol
HTTPHeader: 1 !s name, 2 !s value
HostAlias: 1 !s ip, 2 []s hostnames
HostIP: 1 !s ip
HostPathVolumeSource: 1 !s path, 2 *s type
ISCSIPersistentVolumeSource: 1 !s targetPortal, 2 !s iqn, 3 !i lun, 4 s iscsiInterface, 5 s fsType, 6 b readOnly,
  7 []s portals, 8 b chapAuthDiscovery, 10 *SecretReference secretRef, 11 b chapAuthSession, 12 *s initiatorName
ISCSIVolumeSource: 1 !s targetPortal, 2 !s iqn, 3 !i lun, 4 s iscsiInterface, 5 s fsType, 6 b readOnly,
  7 []s portals, 8 b chapAuthDiscovery, 10 *LocalObjectReference secretRef, 11 b chapAuthSession,
  12 *s initiatorName
ImageVolumeSource: 1 s reference, 2 s pullPolicy
ImageVolumeStatus: 1 s imageRef
KeyToPath: 1 !s key, 2 !s path, 3 *i mode, 4 *i user
Lifecycle: 1 *LifecycleHandler postStart, 2 *LifecycleHandler preStop, 3 *s stopSignal
LifecycleHandler: 1 *ExecAction exec, 2 *HTTPGetAction httpGet, 3 *TCPSocketAction tcpSocket, 4 *SleepAction sleep
LimitRange: 1 ObjectMeta metadata, 2 LimitRangeSpec spec
LimitRangeItem: 1 !s type, 2 {}Q max, 3 {}Q min, 4 {}Q default, 5 {}Q defaultRequest, 6 {}Q maxLimitRequestRatio
LimitRangeSpec: 1 []LimitRangeItem limits
LinuxContainerUser: 1 !i uid, 2 !i gid, 3 []i supplementalGroups
LoadBalancerIngress: 1 s ip, 2 s hostname, 3 *s ipMode, 4 []PortStatus ports
LoadBalancerStatus: 1 []LoadBalancerIngress ingress
LocalObjectReference: 1 s name
LocalVolumeSource: 1 !s path, 2 *s fsType
ModifyVolumeStatus: 1 s targetVolumeAttributesClassName, 2 !s status
NFSVolumeSource: 1 !s server, 2 !s path, 3 b readOnly
Namespace: 1 ObjectMeta metadata, 2 NamespaceSpec spec, 3 NamespaceStatus status
NamespaceCondition: 1 !s type, 2 !s status, 4 T lastTransitionTime, 5 s reason, 6 s message
NamespaceSpec: 1 []s finalizers
NamespaceStatus: 1 s phase, 2 []NamespaceCondition conditions
Node: 1 ObjectMeta metadata, 2 NodeSpec spec, 3 NodeStatus status
NodeAddress: 1 !s type, 2 !s address
NodeAffinity: 1 *NodeSelector requiredDuringSchedulingIgnoredDuringExecution,
  2 []PreferredSchedulingTerm preferredDuringSchedulingIgnoredDuringExecution
NodeAllocatableMappedResources: 1 !s name, 2 *Q quantity
NodeAllocatableOverheadResources: 1 !s name, 2 *Q perPod, 3 *Q perContainer
NodeAllocatableResourceClaimStatus: 1 !s resourceClaimName, 2 []s containers,
  4 []NodeAllocatableMappedResources mapping, 5 []NodeAllocatableOverheadResources overhead
NodeCondition: 1 !s type, 2 !s status, 3 T lastHeartbeatTime, 4 T lastTransitionTime, 5 s reason, 6 s message
NodeConfigSource: 2 *ConfigMapNodeConfigSource configMap
NodeConfigStatus: 1 *NodeConfigSource assigned, 2 *NodeConfigSource active, 3 *NodeConfigSource lastKnownGood,
  4 s error
NodeDaemonEndpoints: 1 DaemonEndpoint kubeletEndpoint
NodeFeatures: 1 *b supplementalGroupsPolicy
NodePodPreemptionPolicy: 1 []s disableResizePreemption
NodeRuntimeHandler: 1 !s name, 2 *NodeRuntimeHandlerFeatures features
NodeRuntimeHandlerFeatures: 1 *b recursiveReadOnlyMounts, 2 *b userNamespaces
NodeSelector: 1 []NodeSelectorTerm nodeSelectorTerms
NodeSelectorRequirement: 1 !s key, 2 !s operator, 3 []s values
NodeSelectorTerm: 1 []NodeSelectorRequirement matchExpressions, 2 []NodeSelectorRequirement matchFields
NodeSpec: 1 s podCIDR, 2 s externalID, 3 s providerID, 4 b unschedulable, 5 []Taint taints,
  6 *NodeConfigSource configSource, 7 []s podCIDRs, 8 *NodePodPreemptionPolicy podPreemptionPolicy
NodeStatus: 1 {}Q capacity, 2 {}Q allocatable, 3 s phase, 4 []NodeCondition conditions, 5 []NodeAddress addresses,
  6 NodeDaemonEndpoints daemonEndpoints, 7 NodeSystemInfo nodeInfo, 8 []ContainerImage images, 9 []s volumesInUse,
  10 []AttachedVolume volumesAttached, 11 *NodeConfigStatus config, 12 []NodeRuntimeHandler runtimeHandlers,
  13 *NodeFeatures features, 14 []s declaredFeatures
NodeSwapStatus: 1 *i capacity
NodeSystemInfo: 1 !s machineID, 2 !s systemUUID, 3 !s bootID, 4 !s kernelVersion, 5 !s osImage,
  6 !s containerRuntimeVersion, 7 !s kubeletVersion, 8 !s kubeProxyVersion, 9 !s operatingSystem,
  10 !s architecture, 11 *NodeSwapStatus swap
ObjectFieldSelector: 1 s apiVersion, 2 !s fieldPath
ObjectReference: 1 s kind, 2 s namespace, 3 s name, 4 s uid, 5 s apiVersion, 6 s resourceVersion, 7 s fieldPath
PersistentVolume: 1 ObjectMeta metadata, 2 PersistentVolumeSpec spec, 3 PersistentVolumeStatus status
PersistentVolumeClaim: 1 ObjectMeta metadata, 2 PersistentVolumeClaimSpec spec, 3 PersistentVolumeClaimStatus status
PersistentVolumeClaimCondition: 1 !s type, 2 !s status, 3 T lastProbeTime, 4 T lastTransitionTime, 5 s reason,
  6 s message
PersistentVolumeClaimSpec: 1 []s accessModes, 2 VolumeResourceRequirements resources, 3 s volumeName,
  4 *LabelSelector selector, 5 *s storageClassName, 6 *s volumeMode, 7 *TypedLocalObjectReference dataSource,
  8 *TypedObjectReference dataSourceRef, 9 *s volumeAttributesClassName
PersistentVolumeClaimStatus: 1 s phase, 2 []s accessModes, 3 {}Q capacity,
  4 []PersistentVolumeClaimCondition conditions, 5 {}Q allocatedResources, 7 {}s allocatedResourceStatuses,
  8 *s currentVolumeAttributesClassName, 9 *ModifyVolumeStatus modifyVolumeStatus,
  10 *VolumeHealthStatus healthStatus
PersistentVolumeClaimTemplate: 1 ObjectMeta metadata, 2 !PersistentVolumeClaimSpec spec
PersistentVolumeClaimVolumeSource: 1 !s claimName, 2 b readOnly
PersistentVolumeSource: 1 *GCEPersistentDiskVolumeSource gcePersistentDisk,
  2 *AWSElasticBlockStoreVolumeSource awsElasticBlockStore, 3 *HostPathVolumeSource hostPath,
  4 *GlusterfsPersistentVolumeSource glusterfs, 5 *NFSVolumeSource nfs, 6 *RBDPersistentVolumeSource rbd,
  7 *ISCSIPersistentVolumeSource iscsi, 8 *CinderPersistentVolumeSource cinder,
  9 *CephFSPersistentVolumeSource cephfs, 10 *FCVolumeSource fc, 11 *FlockerVolumeSource flocker,
  12 *FlexPersistentVolumeSource flexVolume, 13 *AzureFilePersistentVolumeSource azureFile,
  14 *VsphereVirtualDiskVolumeSource vsphereVolume, 15 *QuobyteVolumeSource quobyte,
  16 *AzureDiskVolumeSource azureDisk, 17 *PhotonPersistentDiskVolumeSource photonPersistentDisk,
  18 *PortworxVolumeSource portworxVolume, 19 *ScaleIOPersistentVolumeSource scaleIO, 20 *LocalVolumeSource local,
  21 *StorageOSPersistentVolumeSource storageos, 22 *CSIPersistentVolumeSource csi
PersistentVolumeSpec: 1 {}Q capacity, 2 ^PersistentVolumeSource, 3 []s accessModes, 4 *ObjectReference claimRef,
  5 s persistentVolumeReclaimPolicy, 6 s storageClassName, 7 []s mountOptions, 8 *s volumeMode,
  9 *VolumeNodeAffinity nodeAffinity, 10 *s volumeAttributesClassName
PersistentVolumeStatus: 1 s phase, 2 s message, 3 s reason, 4 *T lastPhaseTransitionTime
PhotonPersistentDiskVolumeSource: 1 !s pdID, 2 s fsType
Pod: 1 ObjectMeta metadata, 2 PodSpec spec, 3 PodStatus status
PodAffinity: 1 []PodAffinityTerm requiredDuringSchedulingIgnoredDuringExecution,
  2 []WeightedPodAffinityTerm preferredDuringSchedulingIgnoredDuringExecution
PodAffinityTerm: 1 *LabelSelector labelSelector, 2 []s namespaces, 3 !s topologyKey,
  4 *LabelSelector namespaceSelector, 5 []s matchLabelKeys, 6 []s mismatchLabelKeys
PodAntiAffinity: 1 []PodAffinityTerm requiredDuringSchedulingIgnoredDuringExecution,
  2 []WeightedPodAffinityTerm preferredDuringSchedulingIgnoredDuringExecution
PodCertificateProjection: 1 s signerName, 2 s keyType, 3 *i maxExpirationSeconds, 4 s credentialBundlePath,
  5 s keyPath, 6 s certificateChainPath, 7 {}s userAnnotations, 8 *i user
PodCondition: 1 !s type, 2 !s status, 3 T lastProbeTime, 4 T lastTransitionTime, 5 s reason, 6 s message,
  7 i observedGeneration
PodDNSConfig: 1 []s nameservers, 2 []s searches, 3 []PodDNSConfigOption options
PodDNSConfigOption: 1 s name, 2 *s value
PodExtendedResourceClaimStatus: 1 []ContainerExtendedResourceRequest requestMappings, 2 !s resourceClaimName
PodIP: 1 !s ip
PodOS: 1 !s name
PodReadinessGate: 1 !s conditionType
PodResourceClaim: 1 !s name, 3 *s resourceClaimName, 4 *s resourceClaimTemplateName
PodResourceClaimStatus: 1 !s name, 2 *s resourceClaimName
PodSchedulingGate: 1 !s name
PodSchedulingGroup: 1 *s podGroupName
PodSecurityContext: 1 *SELinuxOptions seLinuxOptions, 2 *i runAsUser, 3 *b runAsNonRoot, 4 []i supplementalGroups,
  5 *i fsGroup, 6 *i runAsGroup, 7 []Sysctl sysctls, 8 *WindowsSecurityContextOptions windowsOptions,
  9 *s fsGroupChangePolicy, 10 *SeccompProfile seccompProfile, 11 *AppArmorProfile appArmorProfile,
  12 *s supplementalGroupsPolicy, 13 *s seLinuxChangePolicy
PodSpec: 1 []Volume volumes, 2 []Container containers, 3 s restartPolicy, 4 *i terminationGracePeriodSeconds,
  5 *i activeDeadlineSeconds, 6 s dnsPolicy, 7 {}s nodeSelector, 8 s serviceAccountName, 9 s serviceAccount,
  10 s nodeName, 11 b hostNetwork, 12 b hostPID, 13 b hostIPC, 14 *PodSecurityContext securityContext,
  15 []LocalObjectReference imagePullSecrets, 16 s hostname, 17 s subdomain, 18 *Affinity affinity,
  19 s schedulerName, 20 []Container initContainers, 21 *b automountServiceAccountToken,
  22 []Toleration tolerations, 23 []HostAlias hostAliases, 24 s priorityClassName, 25 *i priority,
  26 *PodDNSConfig dnsConfig, 27 *b shareProcessNamespace, 28 []PodReadinessGate readinessGates,
  29 *s runtimeClassName, 30 *b enableServiceLinks, 31 *s preemptionPolicy, 32 {}Q overhead,
  33 []TopologySpreadConstraint topologySpreadConstraints, 34 []EphemeralContainer ephemeralContainers,
  35 *b setHostnameAsFQDN, 36 *PodOS os, 37 *b hostUsers, 38 []PodSchedulingGate schedulingGates,
  39 []PodResourceClaim resourceClaims, 40 *ResourceRequirements resources, 41 *s hostnameOverride,
  43 *PodSchedulingGroup schedulingGroup, 44 []EvictionResponder evictionResponders
PodStatus: 1 s phase, 2 []PodCondition conditions, 3 s message, 4 s reason, 5 s hostIP, 6 s podIP, 7 *T startTime,
  8 []ContainerStatus containerStatuses, 9 s qosClass, 10 []ContainerStatus initContainerStatuses,
  11 s nominatedNodeName, 12 []PodIP podIPs, 13 []ContainerStatus ephemeralContainerStatuses, 14 s resize,
  15 []PodResourceClaimStatus resourceClaimStatuses, 16 []HostIP hostIPs, 17 i observedGeneration,
  18 *PodExtendedResourceClaimStatus extendedResourceClaimStatus, 19 {}Q allocatedResources,
  20 *ResourceRequirements resources, 21 []NodeAllocatableResourceClaimStatus nodeAllocatableResourceClaimStatuses,
  22 []PodVolumeHealth volumeHealth
PodTemplate: 1 ObjectMeta metadata, 2 PodTemplateSpec template
PodTemplateSpec: 1 ObjectMeta metadata, 2 PodSpec spec
PodVolumeHealth: 1 !s name, 2 []VolumeHealthCondition healthConditions, 3 T lastTransitionTime
PortStatus: 1 !i port, 2 !s protocol, 3 *s error
PortworxVolumeSource: 1 !s volumeID, 2 s fsType, 3 b readOnly
PreferredSchedulingTerm: 1 !i weight, 2 !NodeSelectorTerm preference
Probe: 1 ^ProbeHandler, 2 i initialDelaySeconds, 3 i timeoutSeconds, 4 i periodSeconds, 5 i successThreshold,
  6 i failureThreshold, 7 *i terminationGracePeriodSeconds
ProbeHandler: 1 *ExecAction exec, 2 *HTTPGetAction httpGet, 3 *TCPSocketAction tcpSocket, 4 *GRPCAction grpc
ProjectedVolumeSource: 1 []VolumeProjection sources, 2 *i defaultMode, 3 *i defaultUser
QuobyteVolumeSource: 1 !s registry, 2 !s volume, 3 b readOnly, 4 s user, 5 s group, 6 s tenant
RBDPersistentVolumeSource: 1 []s monitors, 2 !s image, 3 s fsType, 4 s pool, 5 s user, 6 s keyring,
  7 *SecretReference secretRef, 8 b readOnly
RBDVolumeSource: 1 []s monitors, 2 !s image, 3 s fsType, 4 s pool, 5 s user, 6 s keyring,
  7 *LocalObjectReference secretRef, 8 b readOnly
ReplicationController: 1 ObjectMeta metadata, 2 ReplicationControllerSpec spec, 3 ReplicationControllerStatus status
ReplicationControllerCondition: 1 !s type, 2 !s status, 3 T lastTransitionTime, 4 s reason, 5 s message
ReplicationControllerSpec: 1 *i replicas, 2 {}s selector, 3 *PodTemplateSpec template, 4 i minReadySeconds
ReplicationControllerStatus: 1 !i replicas, 2 i fullyLabeledReplicas, 3 i observedGeneration, 4 i readyReplicas,
  5 i availableReplicas, 6 []ReplicationControllerCondition conditions
ResourceClaim: 1 !s name, 2 s request
ResourceFieldSelector: 1 s containerName, 2 !s resource, 3 Q divisor
ResourceHealth: 1 !s resourceID, 2 s health, 6 *s message
ResourceQuota: 1 ObjectMeta metadata, 2 ResourceQuotaSpec spec, 3 ResourceQuotaStatus status
ResourceQuotaSpec: 1 {}Q hard, 2 []s scopes, 3 *ScopeSelector scopeSelector
ResourceQuotaStatus: 1 {}Q hard, 2 {}Q used
ResourceRequirements: 1 {}Q limits, 2 {}Q requests, 3 []ResourceClaim claims
ResourceStatus: 1 !s name, 2 []ResourceHealth resources
SELinuxOptions: 1 s user, 2 s role, 3 s type, 4 s level
ScaleIOPersistentVolumeSource: 1 !s gateway, 2 !s system, 3 *SecretReference secretRef, 4 b sslEnabled,
  5 s protectionDomain, 6 s storagePool, 7 s storageMode, 8 s volumeName, 9 s fsType, 10 b readOnly
ScaleIOVolumeSource: 1 !s gateway, 2 !s system, 3 *LocalObjectReference secretRef, 4 b sslEnabled,
  5 s protectionDomain, 6 s storagePool, 7 s storageMode, 8 s volumeName, 9 s fsType, 10 b readOnly
ScopeSelector: 1 []ScopedResourceSelectorRequirement matchExpressions
ScopedResourceSelectorRequirement: 1 !s scopeName, 2 !s operator, 3 []s values
SeccompProfile: 1 !s type, 2 *s localhostProfile
Secret: 1 ObjectMeta metadata, 2 {}y data, 3 s type, 4 {}s stringData, 5 *b immutable
SecretEnvSource: 1 ^LocalObjectReference, 2 *b optional
SecretKeySelector: 1 ^LocalObjectReference, 2 !s key, 3 *b optional
SecretProjection: 1 ^LocalObjectReference, 2 []KeyToPath items, 4 *b optional
SecretReference: 1 s name, 2 s namespace
SecretVolumeSource: 1 s secretName, 2 []KeyToPath items, 3 *i defaultMode, 4 *b optional, 5 *i defaultUser
SecurityContext: 1 *Capabilities capabilities, 2 *b privileged, 3 *SELinuxOptions seLinuxOptions, 4 *i runAsUser,
  5 *b runAsNonRoot, 6 *b readOnlyRootFilesystem, 7 *b allowPrivilegeEscalation, 8 *i runAsGroup, 9 *s procMount,
  10 *WindowsSecurityContextOptions windowsOptions, 11 *SeccompProfile seccompProfile,
  12 *AppArmorProfile appArmorProfile
Service: 1 ObjectMeta metadata, 2 ServiceSpec spec, 3 ServiceStatus status
ServiceAccount: 1 ObjectMeta metadata, 2 []ObjectReference secrets, 3 []LocalObjectReference imagePullSecrets,
  4 *b automountServiceAccountToken
ServiceAccountTokenProjection: 1 s audience, 2 *i expirationSeconds, 3 !s path, 4 *i user
ServicePort: 1 s name, 2 s protocol, 3 !i port, 4 O targetPort, 5 i nodePort, 6 *s appProtocol
ServiceSpec: 1 []ServicePort ports, 2 {}s selector, 3 s clusterIP, 4 s type, 5 []s externalIPs, 7 s sessionAffinity,
  8 s loadBalancerIP, 9 []s loadBalancerSourceRanges, 10 s externalName, 11 s externalTrafficPolicy,
  12 i healthCheckNodePort, 13 b publishNotReadyAddresses, 14 *SessionAffinityConfig sessionAffinityConfig,
  17 *s ipFamilyPolicy, 18 []s clusterIPs, 19 []s ipFamilies, 20 *b allocateLoadBalancerNodePorts,
  21 *s loadBalancerClass, 22 *s internalTrafficPolicy, 23 *s trafficDistribution
ServiceStatus: 1 LoadBalancerStatus loadBalancer, 2 []Condition conditions
SessionAffinityConfig: 1 *ClientIPConfig clientIP
SleepAction: 1 !i seconds
StorageOSPersistentVolumeSource: 1 s volumeName, 2 s volumeNamespace, 3 s fsType, 4 b readOnly,
  5 *ObjectReference secretRef
StorageOSVolumeSource: 1 s volumeName, 2 s volumeNamespace, 3 s fsType, 4 b readOnly,
  5 *LocalObjectReference secretRef
Sysctl: 1 !s name, 2 !s value
TCPSocketAction: 1 !O port, 2 s host
Taint: 1 !s key, 2 s value, 3 !s effect, 4 *T timeAdded
Toleration: 1 s key, 2 s operator, 3 s value, 4 s effect, 5 *i tolerationSeconds
TopologySelectorLabelRequirement: 1 !s key, 2 []s values
TopologySelectorTerm: 1 []TopologySelectorLabelRequirement matchLabelExpressions
TopologySpreadConstraint: 1 !i maxSkew, 2 !s topologyKey, 3 !s whenUnsatisfiable, 4 *LabelSelector labelSelector,
  5 *i minDomains, 6 *s nodeAffinityPolicy, 7 *s nodeTaintsPolicy, 8 []s matchLabelKeys
TypedLocalObjectReference: 1 *s apiGroup, 2 !s kind, 3 !s name
TypedObjectReference: 1 *s apiGroup, 2 !s kind, 3 !s name, 4 *s namespace
Volume: 1 !s name, 2 ^VolumeSource
VolumeDevice: 1 !s name, 2 !s devicePath
VolumeHealthCondition: 1 !s status, 2 !s reason, 3 s message
VolumeHealthStatus: 1 []VolumeHealthCondition healthConditions, 2 T lastTransitionTime
VolumeMount: 1 !s name, 2 b readOnly, 3 !s mountPath, 4 s subPath, 5 *s mountPropagation, 6 s subPathExpr,
  7 *s recursiveReadOnly, 8 []s bindMountOptions
VolumeMountStatus: 1 !s name, 2 !s mountPath, 3 b readOnly, 4 *s recursiveReadOnly, 5 *VolumeStatus volumeStatus
VolumeNodeAffinity: 1 *NodeSelector required
VolumeProjection: 1 *SecretProjection secret, 2 *DownwardAPIProjection downwardAPI,
  3 *ConfigMapProjection configMap, 4 *ServiceAccountTokenProjection serviceAccountToken,
  5 *ClusterTrustBundleProjection clusterTrustBundle, 6 *PodCertificateProjection podCertificate
VolumeResourceRequirements: 1 {}Q limits, 2 {}Q requests
VolumeSource: 1 *HostPathVolumeSource hostPath, 2 *EmptyDirVolumeSource emptyDir,
  3 *GCEPersistentDiskVolumeSource gcePersistentDisk, 4 *AWSElasticBlockStoreVolumeSource awsElasticBlockStore,
  5 *GitRepoVolumeSource gitRepo, 6 *SecretVolumeSource secret, 7 *NFSVolumeSource nfs, 8 *ISCSIVolumeSource iscsi,
  9 *GlusterfsVolumeSource glusterfs, 10 *PersistentVolumeClaimVolumeSource persistentVolumeClaim,
  11 *RBDVolumeSource rbd, 12 *FlexVolumeSource flexVolume, 13 *CinderVolumeSource cinder,
  14 *CephFSVolumeSource cephfs, 15 *FlockerVolumeSource flocker, 16 *DownwardAPIVolumeSource downwardAPI,
  17 *FCVolumeSource fc, 18 *AzureFileVolumeSource azureFile, 19 *ConfigMapVolumeSource configMap,
  20 *VsphereVirtualDiskVolumeSource vsphereVolume, 21 *QuobyteVolumeSource quobyte,
  22 *AzureDiskVolumeSource azureDisk, 23 *PhotonPersistentDiskVolumeSource photonPersistentDisk,
  24 *PortworxVolumeSource portworxVolume, 25 *ScaleIOVolumeSource scaleIO, 26 *ProjectedVolumeSource projected,
  27 *StorageOSVolumeSource storageos, 28 *CSIVolumeSource csi, 29 *EphemeralVolumeSource ephemeral,
  30 *ImageVolumeSource image
VolumeStatus: 1 *ImageVolumeStatus image
VsphereVirtualDiskVolumeSource: 1 !s volumePath, 2 s fsType, 3 s storagePolicyName, 4 s storagePolicyID
WeightedPodAffinityTerm: 1 !i weight, 2 !PodAffinityTerm podAffinityTerm
WindowsSecurityContextOptions: 1 *s gmsaCredentialSpecName, 2 *s gmsaCredentialSpec, 3 *s runAsUserName,
  4 *b hostProcess
`;
