/** Protobuf fields of metadata, selectors and options; notation in `field-table.ts`. Facts: k8s.io/apimachinery meta/v1. */
export const META_V1 = `
Condition: 1 !s type, 2 !s status, 3 i observedGeneration, 4 !T lastTransitionTime, 5 !s reason, 6 !s message
DeleteOptions: 1 *i gracePeriodSeconds, 2 *Preconditions preconditions, 3 *b orphanDependents,
  4 *s propagationPolicy, 5 []s dryRun, 6 *b ignoreStoreReadErrorWithClusterBreakingPotential
FieldSelectorRequirement: 1 !s key, 2 !s operator, 3 []s values
LabelSelector: 1 {}s matchLabels, 2 []LabelSelectorRequirement matchExpressions
LabelSelectorRequirement: 1 !s key, 2 !s operator, 3 []s values
ManagedFieldsEntry: 1 s manager, 2 s operation, 3 s apiVersion, 4 *T time, 6 s fieldsType, 7 *R fieldsV1,
  8 s subresource
ObjectMeta: 1 s name, 2 s generateName, 3 s namespace, 4 s selfLink, 5 s uid, 6 s resourceVersion, 7 i generation,
  8 T creationTimestamp, 9 *T deletionTimestamp, 10 *i deletionGracePeriodSeconds, 11 {}s labels,
  12 {}s annotations, 13 []OwnerReference ownerReferences, 14 []s finalizers, 17 []ManagedFieldsEntry managedFields
OwnerReference: 1 !s kind, 3 !s name, 4 !s uid, 5 !s apiVersion, 6 *b controller, 7 *b blockOwnerDeletion
Preconditions: 1 *s uid, 2 *s resourceVersion
`;
