/** Protobuf fields of access control, reviews and the rest; notation in `field-table.ts`. Facts: k8s.io/api. */
export const RBAC_V1 = `
AggregationRule: 1 []LabelSelector clusterRoleSelectors
ClusterRole: 1 ObjectMeta metadata, 2 []PolicyRule rules, 3 *AggregationRule aggregationRule
ClusterRoleBinding: 1 ObjectMeta metadata, 2 []Subject subjects, 3 !RoleRef roleRef
PolicyRule: 1 []s verbs, 2 []s apiGroups, 3 []s resources, 4 []s resourceNames, 5 []s nonResourceURLs
Role: 1 ObjectMeta metadata, 2 []PolicyRule rules
RoleBinding: 1 ObjectMeta metadata, 2 []Subject subjects, 3 !RoleRef roleRef
RoleRef: 1 !s apiGroup, 2 !s kind, 3 !s name
Subject: 1 !s kind, 2 s apiGroup, 3 !s name, 4 s namespace
`;

export const AUTHENTICATION_V1 = `
BoundObjectReference: 1 s kind, 2 s apiVersion, 3 s name, 4 s uid
SelfSubjectReview: 1 ObjectMeta metadata, 2 SelfSubjectReviewStatus status
SelfSubjectReviewStatus: 1 UserInfo userInfo
TokenRequest: 1 ObjectMeta metadata, 2 !TokenRequestSpec spec, 3 TokenRequestStatus status
TokenRequestSpec: 1 []s audiences, 3 *BoundObjectReference boundObjectRef, 4 *i expirationSeconds,
  5 {}<s> attestations
TokenRequestStatus: 1 !s token, 2 !T expirationTimestamp
TokenReview: 1 ObjectMeta metadata, 2 !TokenReviewSpec spec, 3 TokenReviewStatus status
TokenReviewSpec: 1 s token, 2 []s audiences
TokenReviewStatus: 1 b authenticated, 2 UserInfo user, 3 s error, 4 []s audiences
UserInfo: 1 s username, 2 s uid, 3 []s groups, 4 {}<s> extra
`;

export const AUTHORIZATION_V1 = `
FieldSelectorAttributes: 1 s rawSelector, 2 []FieldSelectorRequirement requirements
LabelSelectorAttributes: 1 s rawSelector, 2 []LabelSelectorRequirement requirements
LocalSubjectAccessReview: 1 ObjectMeta metadata, 2 !SubjectAccessReviewSpec spec, 3 SubjectAccessReviewStatus status
NonResourceAttributes: 1 s path, 2 s verb
NonResourceRule: 1 []s verbs, 2 []s nonResourceURLs
ResourceAttributes: 1 s namespace, 2 s verb, 3 s group, 4 s version, 5 s resource, 6 s subresource, 7 s name,
  8 *FieldSelectorAttributes fieldSelector, 9 *LabelSelectorAttributes labelSelector
ResourceRule: 1 []s verbs, 2 []s apiGroups, 3 []s resources, 4 []s resourceNames
SelfSubjectAccessReview: 1 ObjectMeta metadata, 2 !SelfSubjectAccessReviewSpec spec,
  3 SubjectAccessReviewStatus status
SelfSubjectAccessReviewSpec: 1 *ResourceAttributes resourceAttributes,
  2 *NonResourceAttributes nonResourceAttributes
SelfSubjectRulesReview: 1 ObjectMeta metadata, 2 !SelfSubjectRulesReviewSpec spec, 3 SubjectRulesReviewStatus status
SelfSubjectRulesReviewSpec: 1 s namespace
SubjectAccessReview: 1 ObjectMeta metadata, 2 !SubjectAccessReviewSpec spec, 3 SubjectAccessReviewStatus status
SubjectAccessReviewSpec: 1 *ResourceAttributes resourceAttributes, 2 *NonResourceAttributes nonResourceAttributes,
  3 s user, 4 []s groups, 5 {}<s> extra, 6 s uid
SubjectAccessReviewStatus: 1 !b allowed, 2 s reason, 3 s evaluationError, 4 b denied
SubjectRulesReviewStatus: 1 []ResourceRule resourceRules, 2 []NonResourceRule nonResourceRules, 3 !b incomplete,
  4 s evaluationError
`;

export const ADMISSIONREGISTRATION_V1 = `
AuditAnnotation: 1 !s key, 2 !s valueExpression
ExpressionWarning: 2 !s fieldRef, 3 !s warning
MatchCondition: 1 !s name, 2 !s expression
MatchResources: 1 *LabelSelector namespaceSelector, 2 *LabelSelector objectSelector,
  3 []NamedRuleWithOperations resourceRules, 4 []NamedRuleWithOperations excludeResourceRules, 7 *s matchPolicy
MutatingWebhook: 1 !s name, 2 !WebhookClientConfig clientConfig, 3 []RuleWithOperations rules, 4 *s failurePolicy,
  5 *LabelSelector namespaceSelector, 6 *s sideEffects, 7 *i timeoutSeconds, 8 []s admissionReviewVersions,
  9 *s matchPolicy, 10 *s reinvocationPolicy, 11 *LabelSelector objectSelector, 12 []MatchCondition matchConditions
MutatingWebhookConfiguration: 1 ObjectMeta metadata, 2 []MutatingWebhook webhooks
NamedRuleWithOperations: 1 []s resourceNames, 2 ^RuleWithOperations
ParamKind: 1 s apiVersion, 2 s kind
ParamRef: 1 s name, 2 s namespace, 3 *LabelSelector selector, 4 *s parameterNotFoundAction
Rule: 1 []s apiGroups, 2 []s apiVersions, 3 []s resources, 4 *s scope
RuleWithOperations: 1 []s operations, 2 ^Rule
ServiceReference: 1 !s namespace, 2 !s name, 3 *s path, 4 *i port
TypeChecking: 1 []ExpressionWarning expressionWarnings
ValidatingAdmissionPolicy: 1 ObjectMeta metadata, 2 ValidatingAdmissionPolicySpec spec,
  3 ValidatingAdmissionPolicyStatus status
ValidatingAdmissionPolicyBinding: 1 ObjectMeta metadata, 2 ValidatingAdmissionPolicyBindingSpec spec
ValidatingAdmissionPolicyBindingSpec: 1 s policyName, 2 *ParamRef paramRef, 3 *MatchResources matchResources,
  4 []s validationActions
ValidatingAdmissionPolicySpec: 1 *ParamKind paramKind, 2 *MatchResources matchConstraints,
  3 []Validation validations, 4 *s failurePolicy, 5 []AuditAnnotation auditAnnotations,
  6 []MatchCondition matchConditions, 7 []Variable variables
ValidatingAdmissionPolicyStatus: 1 i observedGeneration, 2 *TypeChecking typeChecking, 3 []Condition conditions
ValidatingWebhook: 1 !s name, 2 !WebhookClientConfig clientConfig, 3 []RuleWithOperations rules, 4 *s failurePolicy,
  5 *LabelSelector namespaceSelector, 6 *s sideEffects, 7 *i timeoutSeconds, 8 []s admissionReviewVersions,
  9 *s matchPolicy, 10 *LabelSelector objectSelector, 11 []MatchCondition matchConditions
ValidatingWebhookConfiguration: 1 ObjectMeta metadata, 2 []ValidatingWebhook webhooks
Validation: 1 !s expression, 2 s message, 3 *s reason, 4 s messageExpression
Variable: 1 !s name, 2 !s expression
WebhookClientConfig: 1 *ServiceReference service, 2 y caBundle, 3 *s url
`;

export const STORAGE_V1 = `
StorageClass: 1 ObjectMeta metadata, 2 !s provisioner, 3 {}s parameters, 4 *s reclaimPolicy, 5 []s mountOptions,
  6 *b allowVolumeExpansion, 7 *s volumeBindingMode, 8 []TopologySelectorTerm allowedTopologies
`;

export const EVENTS_V1 = `
Event: 1 !ObjectMeta metadata, 2 !U eventTime, 3 *EventSeries series, 4 s reportingController,
  5 s reportingInstance, 6 s action, 7 s reason, 8 ObjectReference regarding, 9 *ObjectReference related, 10 s note,
  11 s type, 12 EventSource deprecatedSource, 13 T deprecatedFirstTimestamp, 14 T deprecatedLastTimestamp,
  15 i deprecatedCount
EventSeries: 1 !i count, 2 !U lastObservedTime
`;
