/** The rules inside a pod: what they are, and how a namespace is made to follow them. */
export { podOptions, type RedirectDefaults, type RedirectOptions } from './options.ts';
export { PROBE_SOURCE, planRemoval, planRules } from './plan.ts';
export { applyRules, describeFound, findRules, isClean, removeRules, verifyRules } from './pod-rules.ts';
export { type ProxyInPod, proxyInPod } from './proxy-in-pod.ts';
export { loadNft } from './tools.ts';
