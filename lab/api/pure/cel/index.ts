/** The rules of `x-kubernetes-validations`: CEL with the Kubernetes libraries, and a bound on work. */
export { CelError } from '../../../../mesh/index.ts';
export { type Condition, compileCondition, compileRule, type Rule } from './rule.ts';
export { parseCidrText } from './values.ts';
