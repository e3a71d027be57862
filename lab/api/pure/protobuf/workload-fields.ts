/** Protobuf fields of workloads and what bounds them; notation in `field-table.ts`. Facts: k8s.io/api, each group. */
export const APPS_V1 = `
ControllerRevision: 1 ObjectMeta metadata, 2 !R data, 3 !i revision
DaemonSet: 1 ObjectMeta metadata, 2 DaemonSetSpec spec, 3 DaemonSetStatus status
DaemonSetCondition: 1 !s type, 2 !s status, 3 T lastTransitionTime, 4 s reason, 5 s message
DaemonSetSpec: 1 *LabelSelector selector, 2 !PodTemplateSpec template, 3 DaemonSetUpdateStrategy updateStrategy,
  4 i minReadySeconds, 6 *i revisionHistoryLimit
DaemonSetStatus: 1 !i currentNumberScheduled, 2 !i numberMisscheduled, 3 !i desiredNumberScheduled,
  4 !i numberReady, 5 i observedGeneration, 6 i updatedNumberScheduled, 7 i numberAvailable, 8 i numberUnavailable,
  9 *i collisionCount, 10 []DaemonSetCondition conditions
DaemonSetUpdateStrategy: 1 s type, 2 *RollingUpdateDaemonSet rollingUpdate
Deployment: 1 ObjectMeta metadata, 2 DeploymentSpec spec, 3 DeploymentStatus status
DeploymentCondition: 1 !s type, 2 !s status, 4 s reason, 5 s message, 6 T lastUpdateTime, 7 T lastTransitionTime
DeploymentSpec: 1 *i replicas, 2 *LabelSelector selector, 3 !PodTemplateSpec template,
  4 DeploymentStrategy strategy, 5 i minReadySeconds, 6 *i revisionHistoryLimit, 7 b paused,
  9 *i progressDeadlineSeconds
DeploymentStatus: 1 i observedGeneration, 2 i replicas, 3 i updatedReplicas, 4 i availableReplicas,
  5 i unavailableReplicas, 6 []DeploymentCondition conditions, 7 i readyReplicas, 8 *i collisionCount,
  9 *i terminatingReplicas
DeploymentStrategy: 1 s type, 2 *RollingUpdateDeployment rollingUpdate
ReplicaSet: 1 ObjectMeta metadata, 2 ReplicaSetSpec spec, 3 ReplicaSetStatus status
ReplicaSetCondition: 1 !s type, 2 !s status, 3 T lastTransitionTime, 4 s reason, 5 s message
ReplicaSetSpec: 1 *i replicas, 2 *LabelSelector selector, 3 PodTemplateSpec template, 4 i minReadySeconds
ReplicaSetStatus: 1 !i replicas, 2 i fullyLabeledReplicas, 3 i observedGeneration, 4 i readyReplicas,
  5 i availableReplicas, 6 []ReplicaSetCondition conditions, 7 *i terminatingReplicas
RollingUpdateDaemonSet: 1 *O maxUnavailable, 2 *O maxSurge
RollingUpdateDeployment: 1 *O maxUnavailable, 2 *O maxSurge
RollingUpdateStatefulSetStrategy: 1 *i partition, 2 *O maxUnavailable
StatefulSet: 1 ObjectMeta metadata, 2 StatefulSetSpec spec, 3 StatefulSetStatus status
StatefulSetCondition: 1 !s type, 2 !s status, 3 T lastTransitionTime, 4 s reason, 5 s message
StatefulSetOrdinals: 1 !i start
StatefulSetPersistentVolumeClaimRetentionPolicy: 1 s whenDeleted, 2 s whenScaled
StatefulSetSpec: 1 *i replicas, 2 *LabelSelector selector, 3 !PodTemplateSpec template,
  4 []PersistentVolumeClaim volumeClaimTemplates, 5 !s serviceName, 6 s podManagementPolicy,
  7 StatefulSetUpdateStrategy updateStrategy, 8 *i revisionHistoryLimit, 9 i minReadySeconds,
  10 *StatefulSetPersistentVolumeClaimRetentionPolicy persistentVolumeClaimRetentionPolicy,
  11 *StatefulSetOrdinals ordinals
StatefulSetStatus: 1 i observedGeneration, 2 !i replicas, 3 i readyReplicas, 4 i currentReplicas,
  5 i updatedReplicas, 6 s currentRevision, 7 s updateRevision, 9 *i collisionCount,
  10 []StatefulSetCondition conditions, 11 !i availableReplicas
StatefulSetUpdateStrategy: 1 s type, 2 *RollingUpdateStatefulSetStrategy rollingUpdate
`;

export const BATCH_V1 = `
CronJob: 1 ObjectMeta metadata, 2 CronJobSpec spec, 3 CronJobStatus status
CronJobSpec: 1 !s schedule, 2 *i startingDeadlineSeconds, 3 s concurrencyPolicy, 4 *b suspend,
  5 !JobTemplateSpec jobTemplate, 6 *i successfulJobsHistoryLimit, 7 *i failedJobsHistoryLimit, 8 *s timeZone
CronJobStatus: 1 []ObjectReference active, 4 *T lastScheduleTime, 5 *T lastSuccessfulTime
Job: 1 ObjectMeta metadata, 2 JobSpec spec, 3 JobStatus status
JobCondition: 1 !s type, 2 !s status, 3 T lastProbeTime, 4 T lastTransitionTime, 5 s reason, 6 s message
JobSpec: 1 *i parallelism, 2 *i completions, 3 *i activeDeadlineSeconds, 4 *LabelSelector selector,
  5 *b manualSelector, 6 !PodTemplateSpec template, 7 *i backoffLimit, 8 *i ttlSecondsAfterFinished,
  9 *s completionMode, 10 *b suspend, 11 *PodFailurePolicy podFailurePolicy, 12 *i backoffLimitPerIndex,
  13 *i maxFailedIndexes, 14 *s podReplacementPolicy, 15 *s managedBy, 16 *SuccessPolicy successPolicy
JobStatus: 1 []JobCondition conditions, 2 *T startTime, 3 *T completionTime, 4 i active, 5 i succeeded, 6 i failed,
  7 s completedIndexes, 8 *UncountedTerminatedPods uncountedTerminatedPods, 9 *i ready, 10 *s failedIndexes,
  11 *i terminating
JobTemplateSpec: 1 ObjectMeta metadata, 2 JobSpec spec
PodFailurePolicy: 1 []PodFailurePolicyRule rules
PodFailurePolicyOnExitCodesRequirement: 1 *s containerName, 2 !s operator, 3 []i values
PodFailurePolicyOnPodConditionsPattern: 1 !s type, 2 !s status
PodFailurePolicyRule: 1 !s action, 2 *PodFailurePolicyOnExitCodesRequirement onExitCodes,
  3 []PodFailurePolicyOnPodConditionsPattern onPodConditions
SuccessPolicy: 1 []SuccessPolicyRule rules
SuccessPolicyRule: 1 *s succeededIndexes, 2 *i succeededCount
UncountedTerminatedPods: 1 []s succeeded, 2 []s failed
`;

export const AUTOSCALING_V1 = `
Scale: 1 ObjectMeta metadata, 2 ScaleSpec spec, 3 ScaleStatus status
ScaleSpec: 1 i replicas
ScaleStatus: 1 !i replicas, 2 s selector
`;

export const AUTOSCALING_V2 = `
ContainerResourceMetricSource: 1 !s name, 2 !MetricTarget target, 3 !s container
ContainerResourceMetricStatus: 1 !s name, 2 !MetricValueStatus current, 3 !s container
CrossVersionObjectReference: 1 !s kind, 2 !s name, 3 s apiVersion
ExternalMetricSource: 1 !MetricIdentifier metric, 2 !MetricTarget target
ExternalMetricStatus: 1 !MetricIdentifier metric, 2 !MetricValueStatus current
HPAScalingPolicy: 1 !s type, 2 !i value, 3 !i periodSeconds
HPAScalingRules: 1 *s selectPolicy, 2 []HPAScalingPolicy policies, 3 *i stabilizationWindowSeconds, 4 *Q tolerance
HorizontalPodAutoscaler: 1 ObjectMeta metadata, 2 HorizontalPodAutoscalerSpec spec,
  3 HorizontalPodAutoscalerStatus status
HorizontalPodAutoscalerBehavior: 1 *HPAScalingRules scaleUp, 2 *HPAScalingRules scaleDown
HorizontalPodAutoscalerCondition: 1 !s type, 2 !s status, 3 T lastTransitionTime, 4 s reason, 5 s message,
  6 *i observedGeneration
HorizontalPodAutoscalerSpec: 1 !CrossVersionObjectReference scaleTargetRef, 2 *i minReplicas, 3 !i maxReplicas,
  4 []MetricSpec metrics, 5 *HorizontalPodAutoscalerBehavior behavior
HorizontalPodAutoscalerStatus: 1 *i observedGeneration, 2 *T lastScaleTime, 3 i currentReplicas,
  4 !i desiredReplicas, 5 []MetricStatus currentMetrics, 6 []HorizontalPodAutoscalerCondition conditions
MetricIdentifier: 1 !s name, 2 *LabelSelector selector
MetricSpec: 1 !s type, 2 *ObjectMetricSource object, 3 *PodsMetricSource pods, 4 *ResourceMetricSource resource,
  5 *ExternalMetricSource external, 7 *ContainerResourceMetricSource containerResource
MetricStatus: 1 !s type, 2 *ObjectMetricStatus object, 3 *PodsMetricStatus pods, 4 *ResourceMetricStatus resource,
  5 *ExternalMetricStatus external, 7 *ContainerResourceMetricStatus containerResource
MetricTarget: 1 !s type, 2 *Q value, 3 *Q averageValue, 4 *i averageUtilization
MetricValueStatus: 1 *Q value, 2 *Q averageValue, 3 *i averageUtilization
ObjectMetricSource: 1 !CrossVersionObjectReference describedObject, 2 !MetricTarget target,
  3 !MetricIdentifier metric
ObjectMetricStatus: 1 !MetricIdentifier metric, 2 !MetricValueStatus current,
  3 !CrossVersionObjectReference describedObject
PodsMetricSource: 1 !MetricIdentifier metric, 2 !MetricTarget target
PodsMetricStatus: 1 !MetricIdentifier metric, 2 !MetricValueStatus current
ResourceMetricSource: 1 !s name, 2 !MetricTarget target
ResourceMetricStatus: 1 !s name, 2 !MetricValueStatus current
`;

export const POLICY_V1 = `
Eviction: 1 ObjectMeta metadata, 2 *DeleteOptions deleteOptions
PodDisruptionBudget: 1 ObjectMeta metadata, 2 PodDisruptionBudgetSpec spec, 3 PodDisruptionBudgetStatus status
PodDisruptionBudgetSpec: 1 *O minAvailable, 2 *LabelSelector selector, 3 *O maxUnavailable,
  4 *s unhealthyPodEvictionPolicy
PodDisruptionBudgetStatus: 1 i observedGeneration, 2 {}T disruptedPods, 3 !i disruptionsAllowed,
  4 !i currentHealthy, 5 !i desiredHealthy, 6 !i expectedPods, 7 []Condition conditions
`;

export const SCHEDULING_V1 = `
PriorityClass: 1 ObjectMeta metadata, 2 !i value, 3 b globalDefault, 4 s description, 5 *s preemptionPolicy
`;
