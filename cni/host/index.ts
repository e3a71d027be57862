/** What the host's own namespace gets, so that probes of enrolled pods work. */
export { HostRules } from './host-rules.ts';
export { kubeletUid } from './kubelet.ts';
export { planHostRules } from './plan.ts';
